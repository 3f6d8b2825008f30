#include "flow/file_rows.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/diagnostics.h"
#include "flow/artifact_inputs.h"
#include "ingest/csv_file.h"
#include "ingest/typed_rows.h"
#include "model/scorer.h"
#include "table/parquet.h"
#include "table/row_program.h"

namespace trimtab::flow {
namespace {

// How the columns of a user's files become those that the recipe wants.
struct ColumnPlan {
  table::Schema file;                            // Every column of the files, typed.
  std::vector<table::NamedExpression> computed;  // The source's declared columns that are made here.
  table::Schema request;                         // What the scorer is given.
};

class Planner {
 public:
  Planner(table::Engine& engine, const Json& read, const model::Recipe& recipe, const table::Schema& found,
          std::string file)
      : engine_(engine), read_(read), recipe_(recipe), found_(found), file_(std::move(file)) {}

  Result<ColumnPlan> make() {
    known_ = TRY(table::Schema::from_json(read_["schema"]));
    for (const table::Stage& stage : TRY(table::stages_from_json(read_["columns"]))) {
      if (const auto* derive = std::get_if<table::DeriveStage>(&stage)) declared_ = derive->columns;
    }
    plan_.request = recipe_.request;
    type_columns();
    for (const table::Column& column : recipe_.request.columns()) TRY(provide(column));
    if (missing_.empty()) return std::move(plan_);
    return fail(missing_columns());
  }

 private:
  // What a column is where the model learnt from it; else what the source or the file itself says.
  void type_columns() {
    for (const table::Column& column : found_.columns()) {
      table::Column typed = column;
      if (const auto known = known_.find(column.name)) typed.type = known_.at(*known).type;
      const bool is_declared = declaration_of(column.name) != nullptr;
      if (const auto wanted = recipe_.request.find(column.name); wanted && !is_declared)
        typed.type = recipe_.request.at(*wanted).type;
      if (const auto joined = joined_type(column.name); joined && !recipe_.request.find(column.name)) {
        typed.type = *joined;
        plan_.request.set({column.name, *joined});
      }
      plan_.file.add(typed);
    }
  }

  std::optional<table::ColumnType> joined_type(const std::string& name) const {
    for (const model::JoinedTable& joined : recipe_.joined) {
      const auto& stage =
          std::get<table::LookupStage>(recipe_.stages[static_cast<std::size_t>(joined.stage)]);
      const auto& select = stage.lookup.select;
      if (std::find(select.begin(), select.end(), name) == select.end()) continue;
      if (const auto at = joined.schema.find(name)) return joined.schema.at(*at).type;
    }
    return std::nullopt;
  }

  const table::NamedExpression* declaration_of(const std::string& name) const {
    for (const table::NamedExpression& column : declared_) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }

  Status provide(const table::Column& column) {
    const table::NamedExpression* declared = declaration_of(column.name);
    const auto at = found_.find(column.name);
    if (declared == nullptr) {
      if (!at) missing_.insert(column.name);
      return {};
    }
    const table::ExpressionFacts facts =
        TRY(table::inspect_expression(engine_, *declared, known_, read_.text_or("time_zone")));
    std::vector<std::string> lacking;
    for (const std::string& name : facts.columns) {
      if (!found_.find(name)) lacking.push_back(name);
    }
    if (lacking.empty()) {
      plan_.computed.push_back(*declared);
    } else if (at) {
      plan_.file.set({plan_.file.at(*at).name, column.type});
    } else {
      missing_.insert(lacking.begin(), lacking.end());
    }
    return {};
  }

  Error missing_columns() const {
    std::vector<std::string> unknown;  // What the file has and nobody asked for: slips of the pen.
    for (const std::string& name : found_.names()) {
      if (!known_.find(name) && !recipe_.request.find(name)) unknown.push_back(name);
    }
    std::string names;
    std::string hint;
    for (const std::string& name : missing_) {
      names += (names.empty() ? "'" : ", '") + name + "'";
      const std::string_view close = base::closest(name, unknown);
      if (!close.empty() && hint.empty())
        hint = "the file has '" + std::string(close) + "'; did you mean '" + name + "'?";
    }
    if (hint.empty()) hint = "the model needs them as its source declares them; further columns do no harm";
    return refusal((missing_.size() == 1 ? "the column " : "the columns ") + names +
                       (missing_.size() == 1 ? " is missing" : " are missing"),
                   hint);
  }

  Error refusal(std::string message, std::string hint) const {
    return {ErrorCode::invalid, std::move(message), std::move(hint), SourceRange{file_, 0, 0}, nullptr};
  }

  table::Engine& engine_;
  const Json& read_;
  const model::Recipe& recipe_;
  const table::Schema& found_;
  std::string file_;
  table::Schema known_;
  std::vector<table::NamedExpression> declared_;
  ColumnPlan plan_;
  std::set<std::string> missing_;
};

}  // namespace

Result<table::Schema> file_columns(table::Engine& engine, const std::filesystem::path& path) {
  if (TRY(ingest::kind_of(path)) == ingest::FileKind::parquet) return table::parquet_schema(engine, path);
  table::Schema columns;
  for (const std::string& name : TRY(ingest::read_header(engine, path)).names)
    columns.add({name, table::ColumnType::text});
  return columns;
}

void copy_columns(const table::Batch& from, table::Batch& to) {
  for (int column = 0; column < to.schema().size(); ++column) {
    const auto at = from.schema().find(to.schema().at(column).name);
    if (!at) continue;
    for (int row = 0; row < from.rows(); ++row) table::copy_cell(from, *at, row, to, column, row);
  }
}

struct FileRows::State {
  table::Engine& engine;
  const Json& read;
  ColumnPlan plan;
  std::unique_ptr<table::RowProgram> program = nullptr;
  std::unique_ptr<model::Scorer> scorer = nullptr;
  table::Batch request = table::Batch();

  Status bind(const table::OperationRun& run, const std::shared_ptr<const model::Artifact>& artifact) {
    std::vector<table::Stage> stages;
    if (!plan.computed.empty()) stages.push_back(table::DeriveStage{plan.computed});
    program = TRY(table::RowProgram::bind(run.engine, plan.file, stages, {}, read.text_or("time_zone")));
    for (const table::Column& wanted : plan.request.columns()) {
      const table::Column& made = program->output().at(*program->output().find(wanted.name));
      if (made.type == wanted.type) continue;
      return fail(ErrorCode::invalid,
                  "the column '" + wanted.name + "' is " + std::string(table::type_name(made.type)) +
                      " now, but the model learnt it as " + std::string(table::type_name(wanted.type)),
                  "the source's declaration has changed since; run `trimtab apply`");
    }
    auto wider = std::make_shared<model::Artifact>(*artifact);
    wider->recipe.request = plan.request;
    scorer = TRY(model::Scorer::make(run.engine, wider, TRY(load_lookups(run, artifact->recipe))));
    request = table::Batch(plan.request);
    return {};
  }
};

FileRows::FileRows(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileRows::~FileRows() = default;

Result<std::unique_ptr<FileRows>> FileRows::make(const table::OperationRun& run, const Json& read,
                                                 const std::shared_ptr<const model::Artifact>& artifact,
                                                 const table::Schema& found, const std::string& file) {
  ColumnPlan plan = TRY(Planner(run.engine, read, artifact->recipe, found, file).make());
  std::unique_ptr<FileRows> made(
      new FileRows(std::unique_ptr<State>(new State{run.engine, read, std::move(plan)})));
  TRY(made->state_->bind(run, artifact));
  return made;
}

const table::Schema& FileRows::columns() const { return state_->plan.file; }

Status FileRows::visit(
    const std::filesystem::path& path,
    const std::function<Status(const table::Batch& rows, std::int64_t first)>& visit) const {
  ingest::RowSource source;
  source.path = path;
  source.raw = state_->plan.file;
  for (const Json& token : state_->read["nulls"].as_array()) source.nulls.insert(token.as_string());
  source.time_zone = state_->read.text_or("time_zone");
  return ingest::visit_typed_rows(state_->engine, source, visit);
}

Result<std::span<const double>> FileRows::score(const table::Batch& rows) {
  const table::Batch& made = *TRY(state_->program->run(rows));
  state_->request.reset(rows.rows());
  copy_columns(made, state_->request);
  return state_->scorer->score(state_->request);
}

}  // namespace trimtab::flow
