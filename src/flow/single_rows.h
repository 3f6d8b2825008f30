// What a candidate costs whoever serves it, row by row: measured here, in the process of the step that
// judges, with nothing training beside it.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "flow/raw_scorer.h"
#include "judge/metrics.h"
#include "table/operation.h"

namespace trimtab::flow {

// p99_ms: single rows of the source's parts, one after the other and warm, as a request with one row is
// answered. Without a value when there are too few rows.
Result<judge::Measure> time_single_rows(const table::OperationRun& run, RawScorer& scorer,
                                        const std::vector<std::filesystem::path>& parts);
// memory_mb: by how much the process grows from before the candidate's artifact is loaded until it has
// answered the warm rows, in 1,000,000 bytes; never below 0.
Result<judge::Measure> memory_of_single_rows(const table::OperationRun& run,
                                             const std::vector<std::filesystem::path>& parts);

}  // namespace trimtab::flow
