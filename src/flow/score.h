// Batch scoring: a user's files through the same recipe and learner as an endpoint's requests.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "table/operation.h"

namespace trimtab::flow {

inline constexpr const char* kPredictionColumn = "prediction";

// Operation "score": inputs "file" (CSV or Parquet, with the columns that the model needs, as its source
// declares them; further ones pass through), "artifact/<file>" and "rows/<source>" (see ScoringKit). Writes
// the file that `output` names, CSV or Parquet by its ending: the files' rows in their order and the column
// `prediction`. Holds a few thousand rows at a time. A declared column is computed when the file has what it
// is made of, and else taken from the file; a joined column that the file has goes before the join.
// The rows grow in parts below "parts" of the output folder; with those of an interrupted run of the same
// files there, it goes on behind them. Result: {"rows","resumed_rows","files"}. Errors: invalid: a column
// that is missing, all of them named; a cell that does not fit, with file and line; a column `prediction`
// that is there already; files with different columns.
Json score_params(const Json& read, const std::string& output);
Result<Json> score_files(const table::OperationRun& run);

}  // namespace trimtab::flow
