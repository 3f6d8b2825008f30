// Turns the declared cleaning steps into what executes them: row and lookup stages (the same ones for a file
// and for a request), fitted stages whose constants come from the training rows, and set steps that need the
// whole table.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"
#include "model/frame_step.h"
#include "project/project.h"
#include "table/operation.h"
#include "table/row_program.h"

namespace trimtab::clean {

// How the steps of a table split. `per_file` runs once for each part and is cached with it. From the first
// step on that is fitted or needs the whole table, the rest runs when a training frame is made, in order;
// but joins run once for each part wherever they stand.
struct CompiledRecipe {
  std::vector<table::Stage> per_file;
  table::Schema after_per_file;
  std::vector<model::FrameStep> later;
  table::Schema after;  // The table's schema.
  std::vector<std::string>
      whole_table;  // What plan says: "drop_duplicates by sched_dep, carrier, flight, origin".
};

// `sources`: schema of every source by name. `time`: the time column of the table's source, or "". All
// diagnostics with places: unknown columns (did you mean), a joined column that collides with one that is
// there, key types that differ, expressions that are refused.
Result<CompiledRecipe> compile(table::Engine& engine, const project::Table& table,
                               const std::map<std::string, table::Schema>& sources,
                               const std::string& time_zone, const std::string& time);

// Operation "clean": input "part" (one Parquet part of the source) and "join<i>" for the i-th LookupStage
// (parts of the joined source, in snapshot order). Runs the stages, adds the column "__row" (integer: the
// row's number in the part, from 0), writes "part.parquet". Result:
// {"rows_in","rows","schema","time_min","time_max"}.
inline constexpr const char* kRowColumn = "__row";
Json clean_params(const table::Schema& input, const std::vector<table::Stage>& stages,
                  const std::vector<table::Schema>& joined, const std::string& time_zone,
                  const std::string& time);
Result<Json> clean_part(const table::OperationRun& run);

}  // namespace trimtab::clean
