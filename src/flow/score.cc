#include "flow/score.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "base/diagnostics.h"
#include "flow/artifact_inputs.h"
#include "flow/scored_parts.h"
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

// The columns of the files as they stand: CSV knows names only.
Result<table::Schema> columns_of(table::Engine& engine, const std::filesystem::path& path) {
  if (TRY(ingest::kind_of(path)) == ingest::FileKind::parquet) return table::parquet_schema(engine, path);
  table::Schema columns;
  for (const std::string& name : TRY(ingest::read_header(engine, path)).names)
    columns.add({name, table::ColumnType::text});
  return columns;
}

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
    if (found_.find(kPredictionColumn)) {
      return fail(refusal("there is a column 'prediction' already", "rename it in the file"));
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

// Rows of the files in, the same rows with their predictions out.
class FileScorer {
 public:
  static Result<std::unique_ptr<FileScorer>> make(const table::OperationRun& run) {
    const auto artifact = TRY(read_artifact(run, "artifact"));
    const std::filesystem::path& first = run.files("file").front();
    const table::Schema found = TRY(columns_of(run.engine, first));
    std::unique_ptr<FileScorer> made(new FileScorer(run));
    made->plan_ = TRY(
        Planner(run.engine, run.params["read"], artifact->recipe, found, ingest::short_name(first)).make());
    TRY(made->bind(artifact));
    table::Schema out = made->plan_.file;
    out.add({kPredictionColumn, table::ColumnType::real});
    made->out_ = table::Batch(out);
    const std::filesystem::path name = run.params.text_or("output");
    TRY(check_scored_name(name));
    made->parts_ =
        TRY(ScoredParts::open(run.engine, run.output_folder / "parts", name.extension().string(), out));
    return made;
  }

  Status score(const std::filesystem::path& path) {
    if (const std::optional<std::int64_t> known = TRY(parts_->begin_file())) {
      rows_ += *known;
      return tell_progress();
    }
    TRY(score_rows(path));
    return parts_->end_file();
  }

  Result<Json> finish() {
    TRY(parts_->assemble(run_.output_folder / run_.params.text_or("output")));
    return Json::object({{"rows", rows_},
                         {"resumed_rows", parts_->rows_found()},
                         {"files", static_cast<std::int64_t>(run_.files("file").size())}});
  }

 private:
  explicit FileScorer(const table::OperationRun& run) : run_(run) {}

  Status score_rows(const std::filesystem::path& path) {
    const Json& read = run_.params["read"];
    ingest::RowSource source;
    source.path = path;
    source.raw = plan_.file;
    for (const Json& token : read["nulls"].as_array()) source.nulls.insert(token.as_string());
    source.time_zone = read.text_or("time_zone");
    return ingest::visit_typed_rows(run_.engine, source,
                                    [&](const table::Batch& rows, std::int64_t first) -> Status {
                                      Status done = append(rows);
                                      if (done || done.error().code == ErrorCode::cancelled) return done;
                                      return fail(place(std::move(done).error(), path, first, rows.rows()));
                                    });
  }

  Status tell_progress() {
    if (!run_.progress(rows_, 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
    return {};
  }

  Status bind(const std::shared_ptr<const model::Artifact>& artifact) {
    std::vector<table::Stage> stages;
    if (!plan_.computed.empty()) stages.push_back(table::DeriveStage{plan_.computed});
    program_ = TRY(table::RowProgram::bind(run_.engine, plan_.file, stages, {},
                                           run_.params["read"].text_or("time_zone")));
    for (const table::Column& wanted : plan_.request.columns()) {
      const table::Column& made = program_->output().at(*program_->output().find(wanted.name));
      if (made.type == wanted.type) continue;
      return fail(ErrorCode::invalid,
                  "the column '" + wanted.name + "' is " + std::string(table::type_name(made.type)) +
                      " now, but the model learnt it as " + std::string(table::type_name(wanted.type)),
                  "the source's declaration has changed since; run `trimtab apply`");
    }
    auto wider = std::make_shared<model::Artifact>(*artifact);
    wider->recipe.request = plan_.request;
    scorer_ = TRY(model::Scorer::make(run_.engine, wider, TRY(load_lookups(run_, artifact->recipe))));
    request_ = table::Batch(plan_.request);
    return {};
  }

  Status append(const table::Batch& rows) {
    if (rows.rows() == 0) return {};
    rows_ += rows.rows();
    if (parts_->is_there()) {
      TRY(parts_->pass_over(rows.rows()));
      return tell_progress();
    }
    const table::Batch& made = *TRY(program_->run(rows));
    request_.reset(rows.rows());
    copy_columns(made, request_);
    const std::span<const double> scores = TRY(scorer_->score(request_));
    out_.reset(rows.rows());
    copy_columns(rows, out_);
    const int last = out_.schema().size() - 1;
    for (int row = 0; row < rows.rows(); ++row) {
      const double score = scores[static_cast<std::size_t>(row)];
      if (std::isnan(score)) out_.set_null(last, row);
      if (!std::isnan(score)) out_.set_real(last, row, score);
    }
    TRY(parts_->append(out_));
    return tell_progress();
  }

  // Columns of the same name.
  static void copy_columns(const table::Batch& from, table::Batch& to) {
    for (int column = 0; column < to.schema().size(); ++column) {
      const auto at = from.schema().find(to.schema().at(column).name);
      if (!at) continue;
      for (int row = 0; row < from.rows(); ++row) table::copy_cell(from, *at, row, to, column, row);
    }
  }

  static Error place(Error error, const std::filesystem::path& path, std::int64_t first, int rows) {
    if (error.where) return error;
    error.message =
        "rows " + std::to_string(first + 1) + " to " + std::to_string(first + rows) + ": " + error.message;
    error.where = SourceRange{ingest::short_name(path), 0, 0};
    return error;
  }

  const table::OperationRun& run_;
  ColumnPlan plan_;
  std::unique_ptr<table::RowProgram> program_;
  std::unique_ptr<model::Scorer> scorer_;
  std::unique_ptr<ScoredParts> parts_;
  table::Batch request_;
  table::Batch out_;
  std::int64_t rows_ = 0;
};

}  // namespace

Json score_params(const Json& read, const std::string& output) {
  return Json::object({{"read", read}, {"output", output}});
}

Result<Json> score_files(const table::OperationRun& run) {
  const std::unique_ptr<FileScorer> scorer = TRY(FileScorer::make(run));
  for (const std::filesystem::path& path : run.files("file")) TRY(scorer->score(path));
  return scorer->finish();
}

}  // namespace trimtab::flow
