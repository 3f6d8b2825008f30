// Two Parquet files of the same columns, held against each other: what `trimtab drift` does, without a home,
// a model or a server.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "base/result.h"
#include "table/engine.h"

namespace trimtab::flow {

// The bins are quantiles of the reference's numbers (of an even sample, when it has more than a hundred
// thousand rows) and its most frequent texts; both files are then counted row by row, so that memory does not
// grow with them. Times are numbers here. Result: watch/column_report.h's, with {"reference_rows","rows",
// "not_compared":[{"name","why"}]}, the columns that only one file has or that are of another type; with
// `row_by_row` also {"row_by_row":{"classifier":watch::DomainVerdict,"samples":watch::SampleDrift}} of an
// even sample of 10,000 rows of each. Errors: not_found, invalid (no such Parquet file, no column in common),
// storage_broken.
Result<Json> compare_files(table::Engine& engine, const std::filesystem::path& reference,
                           const std::filesystem::path& current, bool row_by_row = false);

}  // namespace trimtab::flow
