// Rows of registered models and versions as facts; for the files of this room that read or change them, and
// for whoever reads the same columns in another database.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "registry/model_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

// With tags, aliases and latest versions. Errors: invalid (the name), not_found; MLflow's words.
Result<RegisteredModel> select_model(store::Connection& connection, const std::string& name);
// Only that it is there.
Status require_model(store::Connection& connection, const std::string& name);
// With tags and aliases; a deleted one is not found.
Result<ModelVersion> select_version(store::Connection& connection, const std::string& name,
                                    std::int64_t version);
Status require_version(store::Connection& connection, const std::string& name, std::int64_t version);

// The columns of a version in the order that read_version_row reads.
inline constexpr std::string_view kSelectVersions =
    "SELECT model, version, created_ms, updated_ms, stage, source, location, status, run_id, run_link, "
    "description, "
    "user_id, status_message FROM model_version WHERE deleted_ms IS NULL";
ModelVersion read_version_row(const store::Statement& row);
Result<std::vector<KeyValue>> select_version_tags(store::Connection& connection, const std::string& name,
                                                  std::int64_t version);
Result<std::vector<KeyValue>> select_model_tags(store::Connection& connection, const std::string& name);
Result<std::vector<AliasFact>> select_aliases(store::Connection& connection, const std::string& name);
// The newest version of each stage, by version, with their tags.
Result<std::vector<ModelVersion>> select_latest(store::Connection& connection, const std::string& name);

// One audit row; `object` is "model/late", "model/late/3" or "model/late@champion".
Status audit_model(store::Connection& connection, const RegistryWriter& by, std::string_view action,
                   const std::string& object, const Json& detail);
Status touch_model(store::Connection& connection, const std::string& name, std::int64_t now_ms);

// The endpoints that serve this model, as "'late', 'later'"; "" when there is none.
Result<std::string> endpoints_of(store::Connection& connection, const std::string& model);

}  // namespace trimtab::registry
