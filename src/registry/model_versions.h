// Versions of registered models, as MLflow's clients make and change them: one table and one numbering with
// those that Trimtab trains. A number is never given twice while the model exists.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "registry/model_facts.h"

namespace trimtab::registry {

struct NewModelVersion {
  std::string model;
  std::string source;
  std::optional<std::string> run_id;
  std::optional<std::string> model_id;  // The logged model that becomes a version.
  std::string run_link;
  std::string description;
  std::vector<KeyValue> tags;  // Of a repeated key the last counts.
};

// Thread-safe, as store::Database. Errors of all: invalid (names, tags), not_found, in MLflow's words.
// The source must be something that the run or the logged model holds, or a place that is not this machine's:
// invalid for local paths, for what another run holds, and for anything with "..".
void create_version(const RegistryWriter& by, NewModelVersion version, Written<ModelVersion> done);
// Nothing: the description goes.
void describe_version(const RegistryWriter& by, std::string model, std::int64_t version,
                      std::optional<std::string> description, Written<ModelVersion> done);
// With `archive_others` the other versions of that stage become Archived. Errors: invalid (stage).
void change_stage(const RegistryWriter& by, std::string model, std::int64_t version, std::string stage,
                  bool archive_others, Written<ModelVersion> done);
// Its aliases go with it. Errors: conflict (an endpoint serves it).
void delete_version(const RegistryWriter& by, std::string model, std::int64_t version, Written<bool> done);
void set_version_tag(const RegistryWriter& by, std::string model, std::int64_t version, KeyValue tag,
                     Written<bool> done);
// An unknown key is fine.
void delete_version_tag(const RegistryWriter& by, std::string model, std::int64_t version, std::string key,
                        Written<bool> done);

Result<ModelVersion> find_model_version(store::Home& home, const std::string& model, std::int64_t version);

struct VersionSearch {
  std::string filter;  // "name = 'late' AND tags.team = 'x' AND version_number > 3"
  std::vector<std::string> order_by;
  std::int64_t max_results = 10'000;
  std::int64_t offset = 0;
  std::function<bool(const std::string& model)> may_see;  // Empty: everything.
};
struct VersionPage {
  std::vector<ModelVersion> versions;
  bool has_more = false;
};
// Errors: invalid (filter, order), with MLflow's words.
Result<VersionPage> search_versions(store::Home& home, const VersionSearch& search);

}  // namespace trimtab::registry
