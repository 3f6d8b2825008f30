#include "clean/recipe_steps.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "clean/lookup_cache.h"
#include "clean/recipe_compiler.h"
#include "table/expression.h"
#include "table/parquet.h"

namespace trimtab::clean {
namespace {

struct CleanSpec {
  table::Schema input;
  std::vector<table::Stage> stages;
  std::vector<table::Schema> joined;
  std::string time_zone;
  std::string time;
};

Result<CleanSpec> read_params(const Json& params) {
  CleanSpec spec;
  spec.input = TRY(table::Schema::from_json(params["input"]));
  spec.stages = TRY(table::stages_from_json(params["stages"]));
  for (const Json& schema : params["joined"].as_array()) {
    spec.joined.push_back(TRY(table::Schema::from_json(schema)));
  }
  spec.time_zone = params.text_or("time_zone");
  spec.time = params.text_or("time");
  return spec;
}

// A row's number stays with it, whatever the recipe selects.
void keep_row_column(std::vector<table::Stage>& stages) {
  for (table::Stage& stage : stages) {
    if (auto* select = std::get_if<table::SelectStage>(&stage)) select->columns.emplace_back(kRowColumn);
  }
}

Result<table::LookupTables> load_lookups(const table::OperationRun& run, const CleanSpec& spec) {
  table::LookupTables lookups;
  std::size_t count = 0;
  for (std::size_t position = 0; position < spec.stages.size(); ++position) {
    const auto* stage = std::get_if<table::LookupStage>(&spec.stages[position]);
    if (stage == nullptr) continue;
    // No part at all when none can be reached: then nothing is found.
    const auto parts = run.inputs.find("join" + std::to_string(count));
    CHECK(count < spec.joined.size());
    lookups[std::to_string(position)] =
        TRY(load_lookup(run.engine, stage->lookup, spec.joined[count],
                        parts == run.inputs.end() ? std::vector<std::filesystem::path>() : parts->second));
    ++count;
  }
  return lookups;
}

// Binds the stages such that the row's number comes out as the last column.
Result<std::unique_ptr<table::RowProgram>> bind_stages(const table::OperationRun& run,
                                                       const CleanSpec& spec) {
  const table::LookupTables lookups = TRY(load_lookups(run, spec));
  table::Schema input = spec.input;
  input.add({kRowColumn, table::ColumnType::integer});
  std::vector<table::Stage> stages = spec.stages;
  keep_row_column(stages);
  auto program = TRY(table::RowProgram::bind(run.engine, input, stages, lookups, spec.time_zone));
  std::vector<std::string> names = program->output().names();
  if (names.back() == kRowColumn) return program;
  std::erase(names, kRowColumn);
  names.emplace_back(kRowColumn);
  stages.push_back(table::SelectStage{std::move(names)});
  return table::RowProgram::bind(run.engine, std::move(input), std::move(stages), lookups, spec.time_zone);
}

std::string part_query(const table::OperationRun& run, const table::Schema& input) {
  std::string list;
  for (const std::string& name : input.names()) list += table::quote_name(name) + ", ";
  return "SELECT " + list + "file_row_number AS " + table::quote_name(kRowColumn) + " FROM read_parquet(" +
         table::quote_path(run.file("part")) + ", file_row_number = true)";
}

// The span of the times that were seen.
struct TimeSpan {
  std::optional<int> column;
  std::optional<TimeUs> first;
  std::optional<TimeUs> last;

  void add(const table::Batch& rows) {
    for (int row = 0; column && row < rows.rows(); ++row) {
      if (rows.is_null(*column, row)) continue;
      const TimeUs time = rows.time(*column, row);
      first = std::min(first.value_or(time), time);
      last = std::max(last.value_or(time), time);
    }
  }
};

}  // namespace

Result<CompiledRecipe> compile(table::Engine& engine, const project::Table& table,
                               const std::map<std::string, table::Schema>& sources,
                               const std::string& time_zone, const std::string& time) {
  const CompilerInput input{table, sources, time_zone, time};
  return RecipeCompiler(engine, input).compile();
}

Json clean_params(const table::Schema& input, const std::vector<table::Stage>& stages,
                  const std::vector<table::Schema>& joined, const std::string& time_zone,
                  const std::string& time) {
  Json schemas = Json::array();
  for (const table::Schema& schema : joined) schemas.push(schema.to_json());
  return Json::object({{"input", input.to_json()},
                       {"stages", table::stages_to_json(stages)},
                       {"joined", std::move(schemas)},
                       {"time_zone", time_zone},
                       {"time", time}});
}

Result<Json> clean_part(const table::OperationRun& run) {
  const CleanSpec spec = TRY(read_params(run.params));
  const std::unique_ptr<table::RowProgram> program = TRY(bind_stages(run, spec));
  const table::Schema& output = program->output();
  auto writer = TRY(table::ParquetWriter::create(run.engine, run.output_folder / "part.parquet", output));
  TimeSpan span;
  if (!spec.time.empty()) span.column = output.find(spec.time);
  std::int64_t rows_in = 0;
  TRY(run.engine.query(part_query(run, spec.input), [&](const table::Batch& rows) -> Status {
    const table::Batch* cleaned = TRY(program->run(rows));
    rows_in += rows.rows();
    span.add(*cleaned);
    TRY(writer->append(*cleaned));
    if (!run.progress(rows_in, 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
    return {};
  }));
  TRY(writer->finish());
  Json result = Json::object({{"rows_in", rows_in}, {"rows", writer->rows()}, {"schema", output.to_json()}});
  if (span.first) result.set("time_min", *span.first).set("time_max", *span.last);
  return result;
}

}  // namespace trimtab::clean
