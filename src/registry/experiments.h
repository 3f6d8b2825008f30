// Experiments of the record: few, so they are read from the database as they are asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/model_facts.h"
#include "registry/run_facts.h"
#include "store/home.h"

namespace trimtab::registry {

struct ExperimentFacts {
  std::int64_t id = 0;  // 0 is "Default", which is there from the start.
  std::string name;
  std::string artifact_location;  // "mlflow-artifacts:/0"
  bool is_deleted = false;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::vector<KeyValue> tags;
};

struct ExperimentSearch {
  std::string filter;
  std::vector<std::string> order_by;
  bool with_active = true;
  bool with_deleted = false;
  std::int64_t max_results = 1000;
  std::int64_t offset = 0;
  std::function<bool(std::int64_t id)> may_see;  // Empty: everything.
};

struct ExperimentPage {
  std::vector<ExperimentFacts> experiments;
  bool has_more = false;
};

using DoneExperiment = std::function<void(Result<std::int64_t>)>;
using DoneChange = std::function<void(Status)>;

// Thread-safe, as store::Database; writes answer on the commit thread after the fsync, with an audit row.
// Errors: already_exists (also the name of a deleted one), invalid; not_found; MLflow's words.
void create_experiment(const RegistryWriter& by, std::string name, std::string artifact_location,
                       std::vector<KeyValue> tags, DoneExperiment done);
void rename_experiment(const RegistryWriter& by, std::int64_t id, std::string name, DoneChange done);
// A deleted experiment takes its runs with it, and gives them back when it is restored.
void set_experiment_deleted(const RegistryWriter& by, std::int64_t id, bool deleted, DoneChange done);
void set_experiment_tag(const RegistryWriter& by, std::int64_t id, KeyValue tag, DoneChange done);
void delete_experiment_tag(const RegistryWriter& by, std::int64_t id, std::string key, DoneChange done);

Result<ExperimentFacts> find_experiment(store::Home& home, std::int64_t id);
Result<ExperimentFacts> find_experiment_by_name(store::Home& home, std::string_view name);
Result<ExperimentPage> search_experiments(store::Home& home, const ExperimentSearch& search);

}  // namespace trimtab::registry
