// The two operations that need several rooms at once: a frame becomes an artifact (train/ and model/), and an
// artifact is scored from the raw rows and judged (model/ and judge/).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "judge/gates.h"
#include "model/artifact.h"
#include "model/recipe.h"
#include "project/project.h"
#include "table/operation.h"

namespace trimtab::flow {

// Operation "train": input "frame". Fits the learner and writes the artifact's files
// (model::Artifact::to_files). Result: {"learner","rounds","train_rows","test_rows"}.
Json train_params(const model::Recipe& recipe, const project::Model& model);
Result<Json> train_artifact(const table::OperationRun& run);

// Operation "judge": inputs "frame", "part" (the source's raw parts, in frame order), "rows/<source>" (parts
// of each joined source), "candidate/<file>" and, when there is a champion, "champion/<file>" (the artifacts'
// files). Scores the test rows from the raw rows through the whole recipe, as the endpoint will, and refuses
// a candidate whose scores differ from the frame's by a bit: training and serving must be the same. Result:
// {"metrics":{name:Measure},"champion_metrics"?,"gates":[GateResult],"rows"}; writes "report.json" (the
// same).
// With the parameter "golden" and an input of that name it is held to golden rows, too (golden.h).
// `quarantined`: share of the table's rows that broke the contract; a parameter only when a gate asks for it.
Json judge_params(const project::Model& model, const table::Schema& source, double quarantined = 0);
Result<Json> judge_artifact(const table::OperationRun& run);

// The scores of rows as a frame has them encoded: rows × width. Errors: those of the learner.
Result<std::vector<double>> score_frame(const model::Artifact& artifact, const std::vector<double>& values,
                                        std::size_t rows);

}  // namespace trimtab::flow
