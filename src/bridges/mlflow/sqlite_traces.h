// The traces of MLflow's database file; for its reader of the rest, sqlite_record.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/imported_traces.h"
#include "store/connection.h"

namespace trimtab::bridges {

Result<std::vector<std::string>> select_trace_ids(store::Connection& connection, std::int64_t experiment_id);
// Errors: not_found (it has gone), unsupported (its spans are in MLflow's archive), malformed (a span that is
// none).
Result<registry::ImportedTrace> select_trace(store::Connection& connection, const std::string& id);

}  // namespace trimtab::bridges
