#include "registry/model_rows.h"

#include <utility>

#include "registry/model_rules.h"
#include "registry/row_values.h"
#include "store/audit.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

tl::unexpected<Error> no_version(const std::string& name, std::int64_t version) {
  return fail(ErrorCode::not_found,
              "Model Version (name=" + name + ", version=" + std::to_string(version) + ") not found");
}

}  // namespace

ModelVersion read_version_row(const Statement& row) {
  ModelVersion version;
  version.model = row.text(0);
  version.version = row.integer(1);
  version.created_ms = row.integer(2);
  version.updated_ms = row.integer(3);
  version.stage = row.text(4);
  version.source = row.text(5);
  version.location = row.text(6);
  version.status = row.text(7);
  version.run_id = optional_text(row, 8);
  version.run_link = optional_text(row, 9);
  version.description = optional_text(row, 10);
  version.user_id = optional_text(row, 11);
  version.status_message = optional_text(row, 12);
  return version;
}

Result<std::vector<KeyValue>> select_version_tags(Connection& connection, const std::string& name,
                                                  std::int64_t version) {
  return select_pairs(connection,
                      "SELECT key, value FROM model_version_tag WHERE model = ? AND version = ? ORDER BY key",
                      name, version);
}

Result<std::vector<KeyValue>> select_model_tags(Connection& connection, const std::string& name) {
  return select_pairs(connection, "SELECT key, value FROM registered_model_tag WHERE model = ? ORDER BY key",
                      name);
}

Result<std::vector<AliasFact>> select_aliases(Connection& connection, const std::string& name) {
  std::vector<AliasFact> aliases;
  Statement row = connection.prepare("SELECT alias, version FROM model_alias WHERE model = ? ORDER BY alias");
  row.with(name);
  while (TRY(row.step())) aliases.push_back({row.text(0), row.integer(1)});
  return aliases;
}

Result<std::vector<ModelVersion>> select_latest(Connection& connection, const std::string& name) {
  std::vector<ModelVersion> latest;
  {
    static const std::string kSql =
        std::string(kSelectVersions) +
        " AND model = ?1 AND version IN (SELECT max(version) FROM model_version "
        "WHERE model = ?1 AND deleted_ms IS NULL GROUP BY stage) ORDER BY version";
    Statement row = connection.prepare(kSql);
    row.with(name);
    while (TRY(row.step())) latest.push_back(read_version_row(row));
  }
  for (ModelVersion& version : latest)
    version.tags = TRY(select_version_tags(connection, name, version.version));
  return latest;
}

Status require_model(Connection& connection, const std::string& name) {
  TRY(check_model_name(name));
  Statement row = connection.prepare("SELECT 1 FROM registered_model WHERE name = ?");
  if (TRY(row.with(name).step())) return {};
  return fail(ErrorCode::not_found, "Registered Model with name=" + name + " not found");
}

Result<RegisteredModel> select_model(Connection& connection, const std::string& name) {
  TRY(require_model(connection, name));
  RegisteredModel model;
  model.name = name;
  {
    Statement row =
        connection.prepare("SELECT description, created_ms, updated_ms FROM registered_model WHERE name = ?");
    TRY(row.with(name).step());
    model.description = row.text(0);
    model.created_ms = row.integer(1);
    model.updated_ms = row.integer(2);
  }
  model.tags = TRY(select_model_tags(connection, name));
  model.aliases = TRY(select_aliases(connection, name));
  model.latest_versions = TRY(select_latest(connection, name));
  return model;
}

Status require_version(Connection& connection, const std::string& name, std::int64_t version) {
  TRY(check_model_name(name));
  Statement row = connection.prepare(
      "SELECT 1 FROM model_version WHERE model = ? AND version = ? AND deleted_ms IS NULL");
  if (TRY(row.with(name, version).step())) return {};
  return no_version(name, version);
}

Result<ModelVersion> select_version(Connection& connection, const std::string& name, std::int64_t version) {
  TRY(check_model_name(name));
  ModelVersion found;
  {
    static const std::string kSql = std::string(kSelectVersions) + " AND model = ? AND version = ?";
    Statement row = connection.prepare(kSql);
    if (!TRY(row.with(name, version).step())) return no_version(name, version);
    found = read_version_row(row);
  }
  found.tags = TRY(select_version_tags(connection, name, version));
  for (AliasFact& alias : TRY(select_aliases(connection, name))) {
    if (alias.version == version) found.aliases.push_back(std::move(alias.alias));
  }
  return found;
}

Status audit_model(Connection& connection, const RegistryWriter& by, std::string_view action,
                   const std::string& object, const Json& detail) {
  return store::append_audit(connection, by.clock.now(), by.actor, action, object, detail.dump());
}

Status touch_model(Connection& connection, const std::string& name, std::int64_t now_ms) {
  return connection.prepare("UPDATE registered_model SET updated_ms = ? WHERE name = ?")
      .with(now_ms, name)
      .run();
}

Result<std::string> endpoints_of(Connection& connection, const std::string& model) {
  std::string names;
  Statement row = connection.prepare("SELECT name FROM endpoint WHERE model = ? ORDER BY name");
  row.with(model);
  while (TRY(row.step())) names += (names.empty() ? "'" : ", '") + row.text(0) + "'";
  return names;
}

}  // namespace trimtab::registry
