// The traces of a running MLflow server; for its reader of the rest, server_record.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bridges/mlflow/mlflow_server.h"
#include "registry/imported_traces.h"

namespace trimtab::bridges {

// Errors of both: what the server says; unsupported (a server before MLflow 3, which tells no traces so).
// `run`: only those that belong to it; "": all.
Result<std::vector<std::string>> fetch_trace_ids(MlflowServer& server, std::int64_t experiment_id,
                                                 const std::string& run);
// Errors, too: malformed (a span that is none).
Result<registry::ImportedTrace> fetch_trace(MlflowServer& server, const std::string& id);

}  // namespace trimtab::bridges
