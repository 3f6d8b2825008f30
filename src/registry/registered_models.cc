#include "registry/registered_models.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "registry/model_events.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"
#include "registry/run_rules.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

std::string object_of(const std::string& name) { return "model/" + name; }

bool is_prompt(const std::vector<KeyValue>& tags) {
  bool is = false;
  for (const KeyValue& tag : tags) {
    if (tag.key == kIsPromptTag) is = says_prompt(tag);
  }
  return is;
}

Error name_exists(const std::string& name, bool old_is_prompt, bool new_is_prompt) {
  const auto kind = [](bool prompt) { return prompt ? "prompt" : "registered model"; };
  std::string message =
      std::string(new_is_prompt ? "Prompt" : "Registered Model") + " (name=" + name + ") already exists.";
  if (old_is_prompt != new_is_prompt) {
    message = std::string("Tried to create a ") + kind(new_is_prompt) + " with name " + python_repr(name) +
              ", but the name is already taken by a " + kind(old_is_prompt) +
              ". MLflow does not allow creating a model and a prompt with the same name.";
  }
  return {ErrorCode::already_exists, std::move(message), {}, std::nullopt, nullptr};
}

Status write_tag(Connection& connection, const std::string& name, const KeyValue& tag) {
  return connection
      .prepare("INSERT OR REPLACE INTO registered_model_tag (model, key, value) VALUES (?, ?, ?)")
      .with(name, tag.key, tag.value)
      .run();
}

Result<RegisteredModel> insert_model(Connection& connection, const RegistryWriter& by,
                                     const NewModel& model) {
  const std::int64_t now = by.now_ms();
  {
    Statement known = connection.prepare("SELECT 1 FROM registered_model WHERE name = ?");
    if (TRY(known.with(model.name).step())) {
      const std::vector<KeyValue> tags = TRY(select_model_tags(connection, model.name));
      return fail(name_exists(model.name, is_prompt(tags), is_prompt(model.tags)));
    }
  }
  TRY(connection
          .prepare(
              "INSERT INTO registered_model (name, description, created_ms, updated_ms) VALUES (?, ?, ?, ?)")
          .with(model.name, model.description, now, now)
          .run());
  for (const KeyValue& tag : model.tags) TRY(write_tag(connection, model.name, tag));
  TRY(audit_model(connection, by, "registered_model.create", object_of(model.name), Json::object()));
  RegisteredModel made = TRY(select_model(connection, model.name));
  TRY(tell_model_created(connection, by.clock.now(), made));
  return made;
}

// What trimtab.yaml declares or an endpoint serves is changed there and not by a client of the registry.
Status require_free(Connection& connection, const std::string& name, const std::string& what) {
  const std::string endpoints = TRY(endpoints_of(connection, name));
  if (!endpoints.empty()) {
    return fail(ErrorCode::conflict,
                "Registered Model with name=" + name + " cannot be " + what + ": the endpoint " + endpoints +
                    " serves it",
                "remove the endpoint from trimtab.yaml and apply first");
  }
  Statement owner = connection.prepare("SELECT coalesce(project, '') FROM registered_model WHERE name = ?");
  if (what != "renamed" || !TRY(owner.with(name).step()) || owner.text(0).empty()) return {};
  return fail(ErrorCode::conflict,
              "Registered Model with name=" + name + " cannot be renamed: project '" + owner.text(0) +
                  "' declares it",
              "rename it in trimtab.yaml and apply");
}

Result<RegisteredModel> change_name(Connection& connection, const RegistryWriter& by, const std::string& name,
                                    const std::string& new_name) {
  TRY(require_model(connection, name));
  TRY(require_free(connection, name, "renamed"));
  {
    Statement taken = connection.prepare("SELECT 1 FROM registered_model WHERE name = ?");
    if (TRY(taken.with(new_name).step())) {
      return fail(ErrorCode::already_exists, "Registered Model (name=" + new_name + ") already exists.");
    }
  }
  const std::int64_t now = by.now_ms();
  // Versions, tags and aliases follow by their foreign keys.
  TRY(connection.prepare("UPDATE registered_model SET name = ?, updated_ms = ? WHERE name = ?")
          .with(new_name, now, name)
          .run());
  TRY(connection.prepare("UPDATE model_version SET updated_ms = ? WHERE model = ? AND deleted_ms IS NULL")
          .with(now, new_name)
          .run());
  TRY(audit_model(connection, by, "registered_model.rename", object_of(new_name),
                  Json::object({{"from", name}, {"to", new_name}})));
  return select_model(connection, new_name);
}

Status remove_model(Connection& connection, const RegistryWriter& by, const std::string& name) {
  const RegisteredModel model = TRY(select_model(connection, name));
  TRY(require_free(connection, name, "deleted"));
  for (const char* sql :
       {"DELETE FROM model_alias WHERE model = ?", "DELETE FROM gate_result WHERE model = ?",
        "DELETE FROM model_version_tag WHERE model = ?", "DELETE FROM registered_model_tag WHERE model = ?",
        "DELETE FROM artifact WHERE root IN (SELECT 'model/' || model || '/' || version FROM "
        "model_version WHERE model = ?)",
        "DELETE FROM model_version WHERE model = ?", "DELETE FROM registered_model WHERE name = ?"}) {
    TRY(connection.prepare(sql).with(name).run());
  }
  Json aliases = Json::object();
  for (const AliasFact& alias : model.aliases) aliases.set(alias.alias, alias.version);
  return audit_model(connection, by, "registered_model.delete", object_of(name),
                     Json::object({{"aliases", std::move(aliases)}}));
}

// The endpoint whose champion (or challenger) this alias mirrors; "" when it mirrors none.
Result<std::string> mirrored_endpoint(Connection& connection, const std::string& model,
                                      const std::string& alias) {
  Statement row = connection.prepare(
      "SELECT name FROM endpoint WHERE model = ?1 AND ?2 IN (CASE WHEN name = model THEN '' ELSE name || '-' "
      "END "
      "|| 'champion', CASE WHEN name = model THEN '' ELSE name || '-' END || 'challenger')");
  return TRY(row.with(model, alias).step()) ? row.text(0) : std::string();
}

// Nothing: the alias goes. The endpoint's champion is not touched: only a rollout changes it, and until one
// opens for a push, the alias and the endpoint may differ. The audit row is what makes that honest.
Status move_alias(Connection& connection, const RegistryWriter& by, const std::string& name,
                  const std::string& alias, std::optional<std::int64_t> to) {
  Json detail = Json::object({{"alias", alias}, {"from", Json()}, {"to", to ? Json(*to) : Json()}});
  for (const AliasFact& known : TRY(select_aliases(connection, name))) {
    if (known.alias == alias) detail.set("from", known.version);
  }
  if (!to && detail["from"].is_null()) return {};
  const std::string endpoint = TRY(mirrored_endpoint(connection, name, alias));
  if (!endpoint.empty()) detail.set("endpoint", endpoint).set("push", true);
  if (to) {
    TRY(connection.prepare("INSERT OR REPLACE INTO model_alias (model, alias, version) VALUES (?, ?, ?)")
            .with(name, alias, *to)
            .run());
  } else {
    TRY(connection.prepare("DELETE FROM model_alias WHERE model = ? AND alias = ?").with(name, alias).run());
  }
  TRY(tell_alias(connection, by.clock.now(), name, alias, to));
  return audit_model(connection, by, to ? "model_alias.set" : "model_alias.delete",
                     object_of(name) + "@" + alias, detail);
}

Result<bool> done_after(const Status& status) {
  TRY(Status(status));
  return true;
}

}  // namespace

void create_model(const RegistryWriter& by, NewModel model, Written<RegisteredModel> done) {
  Status valid = check_model_name(model.name);
  for (const KeyValue& tag : model.tags) {
    if (valid) valid = check_model_tag(tag);
  }
  if (!valid) return done(fail(valid.error()));
  write_value<RegisteredModel>(
      by.home,
      [by, model = std::move(model)](Connection& connection) { return insert_model(connection, by, model); },
      std::move(done));
}

void describe_model(const RegistryWriter& by, std::string name, std::string description,
                    Written<RegisteredModel> done) {
  write_value<RegisteredModel>(
      by.home,
      [by, name = std::move(name),
       description = std::move(description)](Connection& connection) -> Result<RegisteredModel> {
        TRY(require_model(connection, name));
        TRY(connection.prepare("UPDATE registered_model SET description = ?, updated_ms = ? WHERE name = ?")
                .with(description, by.now_ms(), name)
                .run());
        TRY(audit_model(connection, by, "registered_model.describe", object_of(name),
                        Json::object({{"description", description}})));
        return select_model(connection, name);
      },
      std::move(done));
}

void rename_model(const RegistryWriter& by, std::string name, std::string new_name,
                  Written<RegisteredModel> done) {
  Status valid = check_model_name(new_name);
  if (new_name.find_first_not_of(" \t\r\n") == std::string::npos) {
    valid = fail(ErrorCode::invalid, "Missing value for required parameter 'new_name'.");
  }
  if (!valid) return done(fail(valid.error()));
  write_value<RegisteredModel>(
      by.home,
      [by, name = std::move(name), new_name = std::move(new_name)](Connection& connection) {
        return change_name(connection, by, name, new_name);
      },
      std::move(done));
}

void delete_model(const RegistryWriter& by, std::string name, Written<bool> done) {
  write_value<bool>(
      by.home,
      [by, name = std::move(name)](Connection& connection) {
        return done_after(remove_model(connection, by, name));
      },
      std::move(done));
}

void set_model_tag(const RegistryWriter& by, std::string name, KeyValue tag, Written<bool> done) {
  Status valid = check_model_name(name);
  if (valid) valid = check_model_tag(tag);
  if (!valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, name = std::move(name), tag = std::move(tag)](Connection& connection) -> Result<bool> {
        TRY(require_model(connection, name));
        TRY(write_tag(connection, name, tag));
        TRY(tell_model_tag(connection, by.clock.now(), name, tag.key, tag.value));
        TRY(audit_model(connection, by, "registered_model.set_tag", object_of(name),
                        Json::object({{"key", tag.key}})));
        return true;
      },
      std::move(done));
}

void delete_model_tag(const RegistryWriter& by, std::string name, std::string key, Written<bool> done) {
  Status valid = check_model_name(name);
  if (valid) valid = check_tag_key(key);
  if (!valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, name = std::move(name), key = std::move(key)](Connection& connection) -> Result<bool> {
        TRY(require_model(connection, name));
        TRY(tell_model_tag(connection, by.clock.now(), name, key, std::nullopt));
        TRY(connection.prepare("DELETE FROM registered_model_tag WHERE model = ? AND key = ?")
                .with(name, key)
                .run());
        TRY(audit_model(connection, by, "registered_model.delete_tag", object_of(name),
                        Json::object({{"key", key}})));
        return true;
      },
      std::move(done));
}

void set_alias(const RegistryWriter& by, std::string name, std::string alias, std::int64_t version,
               Written<bool> done) {
  Status valid = check_model_name(name);
  if (valid) valid = check_alias(alias);
  if (valid) valid = check_alias_is_free(alias);
  if (!valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, name = std::move(name), alias = std::move(alias),
       version](Connection& connection) -> Result<bool> {
        TRY(require_version(connection, name, version));
        return done_after(move_alias(connection, by, name, alias, version));
      },
      std::move(done));
}

void delete_alias(const RegistryWriter& by, std::string name, std::string alias, Written<bool> done) {
  Status valid = check_model_name(name);
  if (valid) valid = check_alias(alias);
  if (!valid) return done(fail(valid.error()));
  write_value<bool>(
      by.home,
      [by, name = std::move(name), alias = std::move(alias)](Connection& connection) -> Result<bool> {
        TRY(require_model(connection, name));
        return done_after(move_alias(connection, by, name, alias, std::nullopt));
      },
      std::move(done));
}

Result<RegisteredModel> find_model(store::Home& home, const std::string& name) {
  RegisteredModel model;
  TRY(home.database().read([&](Connection& connection) -> Status {
    model = TRY(select_model(connection, name));
    return {};
  }));
  return model;
}

Result<std::vector<ModelVersion>> latest_versions(store::Home& home, const std::string& name,
                                                  const std::vector<std::string>& stages) {
  std::vector<ModelVersion> chosen;
  TRY(home.database().read([&](Connection& connection) -> Status {
    const RegisteredModel model = TRY(select_model(connection, name));
    std::vector<std::string> wanted;
    for (const std::string& stage : stages) wanted.push_back(TRY(canonical_stage(stage)));
    for (ModelVersion version : model.latest_versions) {
      const bool is_wanted =
          wanted.empty() || std::find(wanted.begin(), wanted.end(), version.stage) != wanted.end();
      if (!is_wanted) continue;
      for (const AliasFact& alias : model.aliases) {
        if (alias.version == version.version) version.aliases.push_back(alias.alias);
      }
      chosen.push_back(std::move(version));
    }
    return {};
  }));
  return chosen;
}

Result<ModelVersion> find_by_alias(store::Home& home, const std::string& name, const std::string& alias) {
  TRY(check_model_name(name));
  TRY(check_alias(alias));
  ModelVersion version;
  TRY(home.database().read([&](Connection& connection) -> Status {
    TRY(require_model(connection, name));
    std::optional<std::int64_t> number;
    if (means_latest(alias)) {
      for (const ModelVersion& latest : TRY(select_latest(connection, name))) number = latest.version;
      if (!number) return fail(ErrorCode::not_found, "Latest version not found for model " + name + ".");
    }
    for (const AliasFact& known : TRY(select_aliases(connection, name))) {
      if (known.alias == alias) number = known.version;
    }
    if (!number) return fail(ErrorCode::invalid, "Registered model alias " + alias + " not found.");
    version = TRY(select_version(connection, name, *number));
    return {};
  }));
  return version;
}

}  // namespace trimtab::registry
