#include "registry/model_versions.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "registry/model_events.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"
#include "registry/row_values.h"
#include "registry/version_source.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

std::string object_of(const std::string& model, std::int64_t version) {
  return "model/" + model + "/" + std::to_string(version);
}

Status write_tag(Connection& connection, const std::string& model, std::int64_t version,
                 const KeyValue& tag) {
  return connection
      .prepare("INSERT OR REPLACE INTO model_version_tag (model, version, key, value) VALUES (?, ?, ?, ?)")
      .with(model, version, tag.key, tag.value)
      .run();
}

// Deleted versions count: their numbers may stand in someone's notes.
Result<std::int64_t> next_number(Connection& connection, const std::string& model) {
  Statement last =
      connection.prepare("SELECT 1 + coalesce(max(version), 0) FROM model_version WHERE model = ?");
  TRY(last.with(model).step());
  return last.integer(0);
}

Status insert_row(Connection& connection, const ModelVersion& version) {
  Statement insert = connection.prepare(
      "INSERT INTO model_version (model, version, run_id, status, gates, created_ms, updated_ms, source, "
      "location, "
      "run_link, description) VALUES (?, ?, ?, 'READY', 'open', ?, ?, ?, ?, ?, ?)");
  insert.bind(0, version.model).bind(1, version.version);
  bind_or_null(insert, 2, version.run_id);
  insert.bind(3, version.created_ms).bind(4, version.created_ms);
  insert.bind(5, version.source).bind(6, version.location);
  bind_or_null(insert, 7, version.run_link);
  bind_or_null(insert, 8, version.description);
  return insert.run();
}

// The logged model remembers what it became: the tag is a JSON list of names and versions, laid out as MLflow
// does.
Status remember_in_logged_model(Connection& connection, const std::string& model_id,
                                const ModelVersion& version) {
  constexpr std::string_view kTag = "mlflow.modelVersions";
  std::string list = "[";
  {
    Statement row = connection.prepare("SELECT value FROM logged_model_tag WHERE model_id = ? AND key = ?");
    const bool has_list = TRY(row.with(model_id, kTag).step()) && row.text(0).ends_with("}]");
    if (has_list) list = row.text(0).substr(0, row.text(0).size() - 1) + ", ";
  }
  list +=
      "{\"name\": " + Json(version.model).dump() + ", \"version\": " + std::to_string(version.version) + "}]";
  return connection.prepare("INSERT OR REPLACE INTO logged_model_tag (model_id, key, value) VALUES (?, ?, ?)")
      .with(model_id, kTag, list)
      .run();
}

Result<ModelVersion> insert_version(Connection& connection, const RegistryWriter& by,
                                    const NewModelVersion& given) {
  const VersionSource source = TRY(resolve_source(connection, given));
  TRY(require_model(connection, given.model));
  ModelVersion version;
  version.model = given.model;
  version.version = TRY(next_number(connection, given.model));
  version.created_ms = by.now_ms();
  version.source = source.source;
  version.location = source.location;
  // What was not given is empty and not absent, as MLflow answers it.
  version.run_id = source.run_id.value_or("");
  version.run_link = given.run_link;
  version.description = given.description;
  TRY(insert_row(connection, version));
  for (const KeyValue& tag : given.tags) TRY(write_tag(connection, given.model, version.version, tag));
  TRY(touch_model(connection, given.model, version.created_ms));
  if (source.model_id) TRY(remember_in_logged_model(connection, *source.model_id, version));
  Json detail = Json::object({{"source", source.source}, {"run_id", *version.run_id}, {"gates", "open"}});
  TRY(audit_model(connection, by, "model_version.create", object_of(given.model, version.version), detail));
  ModelVersion made = TRY(select_version(connection, given.model, version.version));
  TRY(tell_version_created(connection, by.clock.now(), made));
  return made;
}

Status write_stage(Connection& connection, const RegistryWriter& by, const std::string& model,
                   std::int64_t version, const std::string& stage) {
  std::string before;
  {
    Statement row = connection.prepare("SELECT stage FROM model_version WHERE model = ? AND version = ?");
    if (TRY(row.with(model, version).step())) before = row.text(0);
  }
  TRY(connection.prepare("UPDATE model_version SET stage = ?, updated_ms = ? WHERE model = ? AND version = ?")
          .with(stage, by.now_ms(), model, version)
          .run());
  return audit_model(connection, by, "model_version.stage", object_of(model, version),
                     Json::object({{"from", before}, {"to", stage}}));
}

Result<ModelVersion> move_stage(Connection& connection, const RegistryWriter& by, const std::string& model,
                                std::int64_t version, const std::string& stage, bool archive_others) {
  TRY(require_version(connection, model, version));
  std::vector<std::int64_t> others;
  if (archive_others) {
    Statement row = connection.prepare(
        "SELECT version FROM model_version WHERE model = ? AND stage = ? AND version <> ? AND deleted_ms IS "
        "NULL");
    row.with(model, stage, version);
    while (TRY(row.step())) others.push_back(row.integer(0));
  }
  for (const std::int64_t other : others) TRY(write_stage(connection, by, model, other, "Archived"));
  TRY(write_stage(connection, by, model, version, stage));
  TRY(touch_model(connection, model, by.now_ms()));
  return select_version(connection, model, version);
}

// An endpoint's present, next and previous version stay: the endpoint would lose what it answers with.
Status require_not_serving(Connection& connection, const std::string& model, std::int64_t version) {
  Statement row = connection.prepare(
      "SELECT name FROM endpoint WHERE model = ?1 AND ?2 IN (serving_version, challenger_version, "
      "previous_version)");
  if (!TRY(row.with(model, version).step())) return {};
  return fail(ErrorCode::conflict,
              "Model Version (name=" + model + ", version=" + std::to_string(version) +
                  ") cannot be deleted: the endpoint '" + row.text(0) + "' serves it",
              "promote another version first");
}

// The row stays, so that its number, its lineage and its gate results do; its training step may register
// anew.
Result<bool> remove_version(Connection& connection, const RegistryWriter& by, const std::string& model,
                            std::int64_t version) {
  const ModelVersion gone = TRY(select_version(connection, model, version));
  TRY(require_not_serving(connection, model, version));
  TRY(connection.prepare("DELETE FROM model_alias WHERE model = ? AND version = ?")
          .with(model, version)
          .run());
  TRY(connection
          .prepare(
              "UPDATE model_version SET deleted_ms = ?, step_key = NULL, description = NULL, user_id = NULL, "
              "status_message = NULL WHERE model = ? AND version = ?")
          .with(by.now_ms(), model, version)
          .run());
  TRY(connection.prepare("DELETE FROM artifact WHERE root = ?")
          .with("model/" + model + "/" + std::to_string(version))
          .run());
  TRY(touch_model(connection, model, by.now_ms()));
  for (const std::string& alias : gone.aliases) {
    Json detail = Json::object({{"alias", alias}, {"from", version}, {"to", Json()}});
    detail.set("why", "its version was deleted");
    TRY(tell_alias(connection, by.clock.now(), model, alias, std::nullopt));
    TRY(audit_model(connection, by, "model_alias.delete", "model/" + model + "@" + alias, detail));
  }
  TRY(audit_model(connection, by, "model_version.delete", object_of(model, version),
                  Json::object({{"source", gone.source}, {"run_id", gone.run_id.value_or("")}})));
  return true;
}

}  // namespace

void create_version(const RegistryWriter& by, NewModelVersion version, Written<ModelVersion> done) {
  Status valid = check_model_name(version.model);
  for (const KeyValue& tag : version.tags) {
    if (valid) valid = check_version_tag(tag);
  }
  if (!valid) return done(fail(valid.error()));
  write_value<ModelVersion>(
      by.home,
      [by, version = std::move(version)](Connection& connection) {
        return insert_version(connection, by, version);
      },
      std::move(done));
}

void describe_version(const RegistryWriter& by, std::string model, std::int64_t version,
                      std::optional<std::string> description, Written<ModelVersion> done) {
  write_value<ModelVersion>(
      by.home,
      [by, model = std::move(model), version,
       description = std::move(description)](Connection& connection) -> Result<ModelVersion> {
        TRY(require_version(connection, model, version));
        {
          Statement update = connection.prepare(
              "UPDATE model_version SET description = ?, updated_ms = ? WHERE model = ? AND version = ?");
          bind_or_null(update, 0, description);
          TRY(update.bind(1, by.now_ms()).bind(2, model).bind(3, version).run());
        }
        TRY(audit_model(connection, by, "model_version.describe", object_of(model, version),
                        Json::object({{"description", description.value_or("")}})));
        return select_version(connection, model, version);
      },
      std::move(done));
}

void change_stage(const RegistryWriter& by, std::string model, std::int64_t version, std::string stage,
                  bool archive_others, Written<ModelVersion> done) {
  const Result<std::string> canonical = canonical_stage(stage);
  if (!canonical) return done(fail(canonical.error()));
  if (archive_others && *canonical != "Staging" && *canonical != "Production") {
    return done(fail(ErrorCode::invalid,
                     "Model version transition cannot archive existing model versions because '" + stage +
                         "' is not an Active stage. Valid stages are ['Staging', 'Production']"));
  }
  write_value<ModelVersion>(
      by.home,
      [by, model = std::move(model), version, stage = *canonical, archive_others](Connection& connection) {
        return move_stage(connection, by, model, version, stage, archive_others);
      },
      std::move(done));
}

void delete_version(const RegistryWriter& by, std::string model, std::int64_t version, Written<bool> done) {
  write_value<bool>(
      by.home,
      [by, model = std::move(model), version](Connection& connection) {
        return remove_version(connection, by, model, version);
      },
      std::move(done));
}

void set_version_tag(const RegistryWriter& by, std::string model, std::int64_t version, KeyValue tag,
                     Written<bool> done) {
  if (const Status valid = check_version_tag(tag); !valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, model = std::move(model), version, tag = std::move(tag)](Connection& connection) -> Result<bool> {
        TRY(require_version(connection, model, version));
        TRY(write_tag(connection, model, version, tag));
        TRY(tell_version_tag(connection, by.clock.now(), model, version, tag.key, tag.value));
        TRY(audit_model(connection, by, "model_version.set_tag", object_of(model, version),
                        Json::object({{"key", tag.key}})));
        return true;
      },
      std::move(done));
}

void delete_version_tag(const RegistryWriter& by, std::string model, std::int64_t version, std::string key,
                        Written<bool> done) {
  if (const Status valid = check_tag_key(key); !valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, model = std::move(model), version, key = std::move(key)](Connection& connection) -> Result<bool> {
        TRY(require_version(connection, model, version));
        TRY(connection.prepare("DELETE FROM model_version_tag WHERE model = ? AND version = ? AND key = ?")
                .with(model, version, key)
                .run());
        TRY(tell_version_tag(connection, by.clock.now(), model, version, key, std::nullopt));
        TRY(audit_model(connection, by, "model_version.delete_tag", object_of(model, version),
                        Json::object({{"key", key}})));
        return true;
      },
      std::move(done));
}

Result<ModelVersion> find_model_version(store::Home& home, const std::string& model, std::int64_t version) {
  ModelVersion found;
  TRY(home.database().read([&](Connection& connection) -> Status {
    found = TRY(select_version(connection, model, version));
    return {};
  }));
  return found;
}

}  // namespace trimtab::registry
