// Figures that gates ask for and that are not computed from scores alone: whether test rows were learnt from,
// what a missing column does, how many rows broke the contract. Taken only when a gate asks for them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "judge/metrics.h"
#include "model/artifact.h"
#include "project/project.h"
#include "table/operation.h"

namespace trimtab::flow {

// leakage: share of the test rows that are, features and target alike, among the training rows, too.
// robustness: by how much the loss (log loss; of a regression the mean squared error, as a share of it) rises
//   at most when one feature is missing in all test rows; the reason names the feature.
// size_mb: the bytes of all files of the artifact, in 1,000,000 bytes.
// quarantined: the share that the run's parameters give (see judge_params).
// Errors: those of reading the frame and of the learner.
Result<std::map<std::string, judge::Measure>> given_figures(const table::OperationRun& run,
                                                            const std::vector<project::Gate>& gates,
                                                            const model::Artifact& artifact);

}  // namespace trimtab::flow
