// Registered models: a name with versions, tags and aliases. What is changed is in the audit chain for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_facts.h"

namespace trimtab::registry {

struct NewModel {
  std::string name;
  std::string description;
  std::vector<KeyValue> tags;  // Of a repeated key the last counts.
};

// Thread-safe, as store::Database. Errors of all that name a model: invalid (the name), not_found, in
// MLflow's words. A model that an endpoint serves keeps its name and is not deleted: conflict. Errors:
// already_exists (and whether a model or a prompt has the name), invalid (tags).
void create_model(const RegistryWriter& by, NewModel model, Written<RegisteredModel> done);
void describe_model(const RegistryWriter& by, std::string name, std::string description,
                    Written<RegisteredModel> done);
void rename_model(const RegistryWriter& by, std::string name, std::string new_name,
                  Written<RegisteredModel> done);
// With its versions, aliases and tags. A later model of that name counts from 1 again.
void delete_model(const RegistryWriter& by, std::string name, Written<bool> done);
void set_model_tag(const RegistryWriter& by, std::string name, KeyValue tag, Written<bool> done);
// An unknown key is fine.
void delete_model_tag(const RegistryWriter& by, std::string name, std::string key, Written<bool> done);

// Moves the alias at once. For the alias that mirrors an endpoint's champion this is a push: the audit row
// says so, and the endpoint keeps its champion until a rollout has judged the version. Errors: not_found
// (version).
void set_alias(const RegistryWriter& by, std::string name, std::string alias, std::int64_t version,
               Written<bool> done);
void delete_alias(const RegistryWriter& by, std::string name, std::string alias, Written<bool> done);

Result<RegisteredModel> find_model(store::Home& home, const std::string& name);
// The newest version of each of the stages; of all when there are none.
Result<std::vector<ModelVersion>> latest_versions(store::Home& home, const std::string& name,
                                                  const std::vector<std::string>& stages);
// "latest" is the newest version. Errors: invalid ("Registered model alias x not found.").
Result<ModelVersion> find_by_alias(store::Home& home, const std::string& name, const std::string& alias);

struct ModelSearch {
  std::string filter;  // "name LIKE 'a%' AND tags.team = 'x'". Prompts only when it asks for them.
  std::vector<std::string> order_by;
  std::int64_t max_results = 100;
  std::int64_t offset = 0;
  std::function<bool(const std::string& name)> may_see;  // Empty: everything.
};
struct ModelPage {
  std::vector<RegisteredModel> models;
  bool has_more = false;
};
// Errors: invalid (filter, order), with MLflow's words.
Result<ModelPage> search_models(store::Home& home, const ModelSearch& search);

}  // namespace trimtab::registry
