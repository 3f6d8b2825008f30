// A run as MLflow's JSON has it. Written as text and not through a tree: a search answers with a thousand of
// them, and runs/get is the hottest route.
#pragma once

#include <span>
#include <string>

#include "registry/run_facts.h"

namespace trimtab::registry {

// MLflow leaves out of an answer what its handler did not ask for, even as an empty object.
struct RunParts {
  bool model_inputs = true;  // A search does not give them.
  bool outputs = true;       // The answer to runs/create has none.
};

void append_run_info(std::string& out, const RunInfo& info);
// {"info":{…},"data":{…},"inputs":{…},"outputs":{…}}. RunColumns::json() writes the same of a run that it
// holds.
void append_run(std::string& out, const RunFacts& run, RunParts parts = {});
// Points of one metric, with a comma behind each: {"key","value","timestamp","step"}, and "run_id" when it is
// not empty.
void append_history(std::string& out, std::span<const MetricPoint> points, const std::string& run_id);

}  // namespace trimtab::registry
