#include "serve/deployment.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "base/fast_hash.h"
#include "base/json.h"
#include "table/expression.h"

namespace trimtab::serve {

RequestColumns columns_of(const model::Artifact& artifact, const std::string& key) {
  RequestColumns columns;
  columns.required = artifact.recipe.request;
  columns.ignored = artifact.recipe.ignored;
  columns.key = key;
  // A request may say when its row happened, whether or not the model looks at it.
  const std::string& time = artifact.recipe.time_column;
  if (!time.empty() && !columns.required.find(time)) columns.optional.add({time, table::ColumnType::time});
  for (const model::JoinedTable& joined : artifact.recipe.joined) {
    const auto& stage =
        std::get<table::LookupStage>(artifact.recipe.stages[static_cast<std::size_t>(joined.stage)]);
    for (const std::string& name : stage.lookup.select) {
      const std::optional<int> at = joined.schema.find(name);
      if (at && !columns.required.find(name)) columns.optional.add(joined.schema.at(*at));
    }
  }
  const std::vector<std::string> known = columns.names();
  if (!key.empty() && std::find(known.begin(), known.end(), key) == known.end())
    columns.ignored.push_back(key);
  return columns;
}

RequestColumns columns_of(const std::vector<LoadedVersion>& versions, const std::string& key) {
  RequestColumns columns = columns_of(*versions.front().artifact, key);
  for (const LoadedVersion& other : versions) {
    for (const table::Column& column : other.artifact->recipe.request.columns()) {
      if (columns.required.find(column.name) || columns.optional.find(column.name)) continue;
      columns.optional.add(column);
      std::erase(columns.ignored, column.name);
    }
  }
  return columns;
}

namespace {

// Whether the expression gives the column other values: neither the column itself nor, as `fill` writes it,
// the column with something in place of nulls.
bool changes(const table::NamedExpression& made, const std::string& column) {
  if (made.name != column) return false;
  const std::string quoted = table::quote_name(column);
  return made.text != column && made.text != quoted && !made.text.starts_with("coalesce(" + quoted + ", ");
}

}  // namespace

std::shared_ptr<const CellMending> mending_of(const model::Artifact& artifact) {
  auto mending = std::make_shared<CellMending>();
  const model::Recipe& recipe = artifact.recipe;
  for (const table::Column& column : recipe.request.columns()) {
    std::optional<KnownLevels>& known = mending->levels.emplace_back();
    const bool is_made = std::any_of(recipe.stages.begin(), recipe.stages.end(), [&](const auto& stage) {
      const auto* derive = std::get_if<table::DeriveStage>(&stage);
      return derive != nullptr && std::any_of(derive->columns.begin(), derive->columns.end(),
                                              [&](const auto& made) { return changes(made, column.name); });
    });
    const auto feature = std::find_if(recipe.features.begin(), recipe.features.end(),
                                      [&](const auto& one) { return one.name == column.name; });
    // A recipe that changes the column has levels of its own, which no request holds.
    if (is_made || feature == recipe.features.end() || column.type != table::ColumnType::text) continue;
    known.emplace(feature->levels);
  }
  return mending;
}

Result<std::unique_ptr<model::Scorer>> make_scorer(table::Engine& engine, const LoadedVersion& loaded,
                                                   const table::Schema& columns) {
  if (columns == loaded.artifact->recipe.request) {
    return model::Scorer::make(engine, loaded.artifact, loaded.lookups);
  }
  auto wider = std::make_shared<model::Artifact>(*loaded.artifact);
  for (const table::Column& column : columns.columns()) wider->recipe.request.set(column);
  return model::Scorer::make(engine, wider, loaded.lookups);
}

Result<std::span<const double>> ShapedScorer::score(const table::Batch& rows) {
  if (!scorer) return fail(ErrorCode::internal, why_not);
  if (!wide) return scorer->score(rows);
  wide->reset(rows.rows());
  for (int column = 0; column < wide->schema().size(); ++column) {
    const std::optional<int> from = rows.schema().find(wide->schema().at(column).name);
    for (int row = 0; row < rows.rows(); ++row) {
      if (from) table::copy_cell(rows, *from, row, *wide, column, row);
      if (!from) wide->set_null(column, row);
    }
  }
  return scorer->score(*wide);
}

std::unique_ptr<Bench> Deployment::borrow() const {
  {
    const std::scoped_lock lock(mutex);
    if (!idle.empty()) {
      std::unique_ptr<Bench> bench = std::move(idle.back());
      idle.pop_back();
      return bench;
    }
  }
  return std::make_unique<Bench>(columns);
}

void Deployment::give_back(std::unique_ptr<Bench> bench) const {
  const std::scoped_lock lock(mutex);
  idle.push_back(std::move(bench));
}

std::size_t Deployment::answerer_of(std::string_view key) const {
  if (!canary) return 0;
  const VersionPlan& plan = versions[*canary].plan;
  const std::uint64_t place = base::fast_hash(key, static_cast<std::uint64_t>(plan.version));
  return std::ldexp(static_cast<double>(place >> 11), -53) < plan.share ? *canary : 0;
}

Result<Shape> make_shape(table::Engine& engine, const Deployment& deployed, const table::Schema& columns) {
  Shape shape;
  shape.columns = std::make_shared<const table::Schema>(columns);
  for (const LoadedVersion& loaded : deployed.versions) {
    table::Schema wanted = loaded.artifact->recipe.request;
    for (const table::Column& column : columns.columns()) wanted.set(column);
    Result<std::unique_ptr<model::Scorer>> scorer = make_scorer(engine, loaded, wanted);
    if (!scorer && shape.versions.empty()) return fail(std::move(scorer).error());
    ShapedScorer& made = shape.versions.emplace_back();
    if (scorer) {
      made.scorer = std::move(*scorer);
    } else {
      made.why_not = scorer.error().message;
    }
    if (!(wanted == columns)) made.wide.emplace(wanted);
  }
  for (const table::Column& column : columns.columns()) {
    std::string& key = shape.keys.emplace_back();
    base::append_json_string(key, column.name);
    key += ':';
  }
  shape.time_column = columns.find(deployed.versions.front().artifact->recipe.time_column);
  return shape;
}

Result<Shape*> shape_of(table::Engine& engine, const Deployment& deployed, Bench& bench,
                        const RequestRows& request) {
  if (bench.generation != bench.reader.generation()) bench.shapes.clear();
  bench.generation = bench.reader.generation();
  if (bench.shapes.size() <= request.shape) bench.shapes.resize(request.shape + 1);
  std::optional<Shape>& shape = bench.shapes[request.shape];
  if (!shape) shape = TRY(make_shape(engine, deployed, request.rows.schema()));
  return &*shape;
}

}  // namespace trimtab::serve
