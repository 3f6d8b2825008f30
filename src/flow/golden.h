// Golden rows: a file of rows, each with the bounds within which every version of a model must answer it,
// whatever it has learnt since.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "judge/gates.h"
#include "model/artifact.h"
#include "project/project.h"
#include "table/engine.h"
#include "table/operation.h"
#include "table/schema.h"

namespace trimtab::flow {

inline constexpr const char* kGoldenGate = "golden";

// The hash of the file that the model declares. Errors: not_found, pointing at `golden:`.
Result<std::string> golden_hash(const project::Project& project, const project::Model& model);
// Reads the whole file. `columns`: those of the source, and `joined`: those that joins add, which a row may
// have as a request may. Errors: not_found; invalid, with file and line: a column that is none of these, no
// column of bounds, a cell that cannot be read, bounds that nothing lies between.
Status check_golden(table::Engine& engine, const project::Project& project, const project::Model& model,
                    const table::Schema& columns, const std::vector<std::string>& joined);

// The parameter "golden" of the operation "judge"; the file is its input "golden". `read`: how the source's
// files are read, as ingest::ingest_params has it.
Json golden_params(const project::Model& model, const std::string& sha256, const Json& read);
// Rows outside their bounds, of which there may be none; the detail names the first. A file without a row
// decides nothing. Errors: those of reading the file.
Result<judge::GateResult> judge_golden(const table::OperationRun& run,
                                       const std::shared_ptr<const model::Artifact>& artifact);
// Whether that result was decided by the file of this content: its detail says so.
bool is_decided_by(const std::string& detail, const std::string& sha256);

}  // namespace trimtab::flow
