// Traces and assessments as MLflow's JSON has them.
#pragma once

#include <string>
#include <vector>

#include "api/mlflow/wire.h"
#include "base/clock.h"
#include "base/json.h"
#include "registry/trace_facts.h"

namespace trimtab::api {

// TraceInfo of the present API.
Json trace_info_json(const registry::Trace& trace);
// {"trace_info": …, "spans": […]} as text; spans are JSON already.
std::string trace_text(const registry::Trace& trace, const std::vector<std::string>& spans);
// TraceInfo of the API before MLflow 3.
Json trace_info_v2_json(const registry::Trace& trace);

// Errors: invalid (a time, a duration or a state that is none; no trace id; no experiment).
Result<registry::Trace> read_trace_info(const MlflowParameters& info, TimeUs now);
// With an id, times and "valid"; what was not given is made. Errors: invalid (no name, neither feedback nor
// expectation).
Result<registry::Assessment> read_assessment(const Json& json, const std::string& trace_id, TimeUs now);

}  // namespace trimtab::api
