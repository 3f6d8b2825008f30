// A run as MLflow's JSON has it. Written as text and not through a tree: a search answers with a thousand of
// them.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/result.h"
#include "registry/run_facts.h"
#include "store/home.h"

namespace trimtab::api {

// Where the artifacts of an experiment's runs are. It never changes, so it is read once. Thread-safe.
class ArtifactRoots {
 public:
  explicit ArtifactRoots(store::Home& home) : home_(home) {}
  // "mlflow-artifacts:/7". Reads the database for an experiment that was not asked for before. Errors:
  // not_found.
  Result<std::string> of(std::int64_t experiment_id);

 private:
  store::Home& home_;
  std::mutex mutex_;
  std::map<std::int64_t, std::string> known_;
};

// MLflow leaves out of an answer what its handler did not ask for, even as an empty object.
struct RunParts {
  bool model_inputs = true;  // A search does not give them.
  bool outputs = true;       // The answer to runs/create has none.
};

void append_run_info(std::string& out, const registry::RunInfo& info, const std::string& artifact_root);
// {"info":{…},"data":{…},"inputs":{…},"outputs":{…}}
void append_run(std::string& out, const registry::RunFacts& run, const std::string& artifact_root,
                RunParts parts = {});
// {"key","value","timestamp","step"}, and "run_id" when it is not empty.
void append_metric(std::string& out, const registry::MetricPoint& point, const std::string& run_id = {});

}  // namespace trimtab::api
