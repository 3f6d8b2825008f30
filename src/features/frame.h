// Shapes rows for a learner: binds the declared features, fits what has to be fitted on the training rows alone,
// and writes the training frame. The fitted recipe goes into the model; the endpoint runs the very same one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostics.h"
#include "base/json.h"
#include "model/frame_step.h"
#include "model/recipe.h"
#include "project/project.h"
#include "table/operation.h"
#include "table/row_program.h"

namespace trimtab::features {

// All that the frame of one model depends on, beside the rows.
struct FrameSpec {
  table::Schema source;                     // Of the `from` source: what a request may hold.
  std::vector<table::Stage> per_file;       // Ran already on each part; part of the fitted recipe.
  table::Schema table;                      // Of the parts that come in (cleaned and checked).
  std::vector<model::FrameStep> steps;      // Run here, in order.
  std::vector<table::NamedExpression> features;
  table::NamedExpression target;            // Boolean (binary) or number.
  table::NamedExpression label_time;        // When the label is known.
  std::string time;                         // The table's event time column.
  std::string time_zone;
  std::vector<std::string> slices;          // Columns that gates slice by.
  std::vector<model::JoinedTable> joined;
  project::Split split;
  bool binary = true;

  Json to_json() const;
  static Result<FrameSpec> from_json(const Json& json);
};

// Checks features and target against the schema, all diagnostics at once with places: unknown column, refused
// expression, a feature of type time (hint: hour(…), epoch(…)), a feature that uses the target or a column that
// only the target's expression and label_time read, duplicate names.
Status validate(table::Engine& engine, const project::Model& model, const table::Schema& table,
                const std::string& time_zone);

// Operation "frame": input "part" (kept parts, in snapshot order). Uses rows with time ≤ as_of, label_time ≤ as_of
// and a target that is not null; splits by time (the newest are the test; `gap` before them is left out); fits
// fills and levels on the training rows; writes "frame.parquet": features by name, "__target", "__time",
// "__part" ("train"/"test"), "__origin" (integer: index of the part), "__row", and a text column "__slice_<c>"
// for each slice. Result: {"recipe","train_rows","test_rows","unlabelled","from","to","test_from"}.
// `test_from` overrides the split: rows at or after it are the test (healing judges on the newest batches).
Json frame_params(const FrameSpec& spec, TimeUs as_of, std::optional<TimeUs> test_from = std::nullopt);
Result<Json> make_frame(const table::OperationRun& run);

}  // namespace trimtab::features
