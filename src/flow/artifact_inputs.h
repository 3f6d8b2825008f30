// A model's artifact and the rows of its joined tables, as a step finds them among its inputs.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "model/artifact.h"
#include "table/operation.h"
#include "table/row_program.h"

namespace trimtab::flow {

// From the inputs "<prefix>/<file>". Errors: those of Artifact::from_files.
Result<std::shared_ptr<const model::Artifact>> read_artifact(const table::OperationRun& run,
                                                             const std::string& prefix);
// The indexes of the recipe's joins, from the inputs "rows/<source>" (parts, in snapshot order).
Result<table::LookupTables> load_lookups(const table::OperationRun& run, const model::Recipe& recipe);

}  // namespace trimtab::flow
