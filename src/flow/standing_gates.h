// Gates that every version is held to without anybody declaring them. Who passes them hears of them only when
// there is something to tell.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "flow/task.h"
#include "judge/gates.h"
#include "store/home.h"
#include "table/schema.h"
#include "table/snapshot.h"

namespace trimtab::flow {

// Whether a gate of that name is one of these.
bool is_standing_gate(std::string_view gate);

// "lineage": the training step is known, and made exactly the files that the manifest lists; each of them is
// stored as its hash says, and so is each part of the table in its size. Nothing when all of it is so.
// Errors: those of the database.
Result<std::optional<judge::GateResult>> lineage_gate(store::Home& home, const TaskResult& fitted,
                                                      const table::Snapshot& table);
// "schema": no column of a request has another type than the champion's requests have, so that no cell that
// was right before becomes wrong. Columns that came (each may be null) or went, and whole numbers that may
// have fractions now, are told of. Nothing when the columns are the same.
std::optional<judge::GateResult> schema_gate(const table::Schema& candidate, const table::Schema& champion);

}  // namespace trimtab::flow
