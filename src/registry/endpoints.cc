#include "registry/endpoints.h"

#include <utility>

#include "base/diagnostics.h"
#include "registry/approvals.h"
#include "registry/model_events.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

std::optional<std::int64_t> optional_integer(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

Json version_json(std::optional<std::int64_t> version) { return version ? Json(*version) : Json(); }

EndpointFacts read_facts(const Statement& row) {
  EndpointFacts facts;
  facts.name = row.text(0);
  facts.project = row.text(1);
  facts.model = row.text(2);
  facts.serving_version = optional_integer(row, 3);
  facts.challenger_version = optional_integer(row, 4);
  facts.previous_version = optional_integer(row, 5);
  facts.health = row.text(6);
  facts.changed_at = row.integer(7);
  // A share belongs to one challenger: what is left of an earlier one says nothing.
  if (facts.challenger_version && !row.is_null(8) && row.integer(8) == *facts.challenger_version) {
    facts.challenger_share = row.real(9);
    facts.challenger_since = row.integer(10);
  }
  return facts;
}

constexpr std::string_view kShareSetting = "challenger_share/";  // + endpoint: {"version","share","since"}

Result<std::vector<EndpointFacts>> select_endpoints(Connection& connection) {
  std::vector<EndpointFacts> endpoints;
  Statement row = connection.prepare(
      "SELECT e.name, project, model, serving_version, challenger_version, previous_version, health, "
      "changed_at, json_extract(value, '$.version'), json_extract(value, '$.share'), "
      "json_extract(value, '$.since') FROM endpoint e LEFT JOIN setting s "
      "ON s.name = 'challenger_share/' || e.name ORDER BY e.name");  // kShareSetting
  while (TRY(row.step())) endpoints.push_back(read_facts(row));
  return endpoints;
}

// Endpoints are few, so the one that is meant is looked for among all, and a slip of the pen is answered with
// a name.
Result<EndpointFacts> select_endpoint(Connection& connection, const std::string& name) {
  std::vector<std::string> names;
  for (EndpointFacts& facts : TRY(select_endpoints(connection))) {
    if (facts.name == name) return std::move(facts);
    names.push_back(facts.name);
  }
  std::string hint = base::did_you_mean(name, names);
  if (hint.empty()) hint = "declare it under `endpoints:` and run `trimtab apply`";
  return fail(ErrorCode::not_found, "no endpoint is called '" + name + "'", hint);
}

// Who owns the endpoint, and where its project lies; the message of a name that is taken.
Error taken(const std::string& name, const std::string& project, const std::string& folder) {
  const std::string place = folder.empty() ? "" : " (folder " + folder + ")";
  return {ErrorCode::name_taken,
          "the endpoint name '" + name + "' belongs to project '" + project + "'" + place,
          "rename one of them", std::nullopt, nullptr};
}

// "champion" for the endpoint that bears its model's name, "<endpoint>-champion" for the others.
std::string alias_of(const EndpointFacts& endpoint, const std::string& role) {
  return endpoint.name == endpoint.model ? role : endpoint.name + "-" + role;
}

Status mirror(Connection& connection, TimeUs now, const EndpointFacts& endpoint, const std::string& role,
              std::optional<std::int64_t> version) {
  const std::string alias = alias_of(endpoint, role);
  if (version) {
    TRY(connection.prepare("INSERT OR REPLACE INTO model_alias (model, alias, version) VALUES (?, ?, ?)")
            .with(endpoint.model, alias, *version)
            .run());
  } else {
    TRY(connection.prepare("DELETE FROM model_alias WHERE model = ? AND alias = ?")
            .with(endpoint.model, alias)
            .run());
    if (connection.changes() == 0) return {};
  }
  return tell_alias(connection, now, endpoint.model, alias, version);
}

// A client has moved the champion's alias to a third version, and nobody has decided on that yet.
Result<bool> has_other_push(Connection& connection, const EndpointFacts& endpoint, std::int64_t version) {
  if (!endpoint.serving_version) return false;
  Statement row = connection.prepare("SELECT version FROM model_alias WHERE model = ? AND alias = ?");
  if (!TRY(row.with(endpoint.model, alias_of(endpoint, "champion")).step())) return false;
  return row.integer(0) != version && row.integer(0) != *endpoint.serving_version;
}

void bind_version(Statement& statement, int index, std::optional<std::int64_t> version) {
  if (version) {
    statement.bind(index, *version);
  } else {
    statement.bind_null(index);
  }
}

// Writes the endpoint as it now is, with the audit row. Its aliases are the caller's to mirror, and only when
// the role they stand for has changed: a client may have pushed another version to the alias meanwhile.
Status keep(Connection& connection, const EndpointFacts& facts, TimeUs now, const std::string& actor,
            const std::string& action, const Json& detail) {
  {
    Statement update = connection.prepare(
        "UPDATE endpoint SET model = ?, serving_version = ?, challenger_version = ?, previous_version = ?, "
        "health = ?, changed_at = ? WHERE name = ?");
    update.bind(0, facts.model);
    bind_version(update, 1, facts.serving_version);
    bind_version(update, 2, facts.challenger_version);
    bind_version(update, 3, facts.previous_version);
    update.bind(4, facts.health).bind(5, now).bind(6, facts.name);
    TRY(update.run());
  }
  return store::append_audit(connection, now, actor, action, "endpoint/" + facts.name, detail.dump());
}

// The gates' outcome of a version. Errors: not_found.
Result<std::string> gates_of(Connection& connection, const std::string& model, std::int64_t version) {
  Statement row = connection.prepare(
      "SELECT gates FROM model_version WHERE model = ? AND version = ? AND deleted_ms IS NULL");
  if (TRY(row.with(model, version).step())) return row.text(0);
  Statement newest = connection.prepare("SELECT max(version) FROM model_version WHERE model = ?");
  const bool has_any = TRY(newest.with(model).step()) && !newest.is_null(0);
  return fail(ErrorCode::not_found, "model '" + model + "' has no version " + std::to_string(version),
              has_any ? "its newest is version " + newest.text(0) : "run `trimtab apply`");
}

// Whether the history says that the endpoint has served this version of this model.
Result<bool> has_served(Connection& connection, const EndpointFacts& endpoint, std::int64_t version) {
  Statement row = connection.prepare(
      "SELECT 1 FROM audit WHERE object = ? AND action IN ('endpoint.promote', 'endpoint.refit', "
      "'endpoint.roll_back') "
      "AND json_extract(detail, '$.to') = ? AND json_extract(detail, '$.model') = ? LIMIT 1");
  return row.with("endpoint/" + endpoint.name, version, endpoint.model).step();
}

Status may_serve(Connection& connection, const EndpointFacts& endpoint, std::int64_t version,
                 const std::string& action) {
  const std::string gates = TRY(gates_of(connection, endpoint.model, version));
  if (gates == "passed") return {};
  if (action == "endpoint.roll_back" && TRY(has_served(connection, endpoint, version))) return {};
  if (TRY(awaited_approval(connection, endpoint.model, version))) {
    return fail(ErrorCode::conflict,
                "version " + std::to_string(version) + " of model '" + endpoint.model +
                    "' may not serve: it waits for approval",
                "`trimtab status` shows the command that approves it");
  }
  return fail(ErrorCode::conflict,
              "version " + std::to_string(version) + " of model '" + endpoint.model +
                  "' may not serve: its gates " +
                  (gates == "refused" ? "refused it" : "have not decided yet"),
              "the endpoint '" + endpoint.name + "' goes on as before; train a version that passes");
}

// Another model behind the same name: the versions of the old one mean nothing any longer.
Status change_model(Connection& connection, EndpointFacts facts, const std::string& model, TimeUs now,
                    const std::string& actor) {
  TRY(mirror(connection, now, facts, "champion", std::nullopt));
  TRY(mirror(connection, now, facts, "challenger", std::nullopt));
  Json detail = Json::object({{"model", model}, {"from_model", facts.model}});
  detail.set("from", version_json(facts.serving_version));
  facts.model = model;
  facts.serving_version = facts.challenger_version = facts.previous_version = std::nullopt;
  return keep(connection, facts, now, actor, "endpoint.declare", detail);
}

Status create(Connection& connection, const std::string& project, const std::string& name,
              const std::string& model, TimeUs now, const std::string& actor) {
  TRY(connection.prepare("INSERT INTO endpoint (name, project, model, changed_at) VALUES (?, ?, ?, ?)")
          .with(name, project, model, now)
          .run());
  const Json detail = Json::object({{"model", model}});
  return store::append_audit(connection, now, actor, "endpoint.declare", "endpoint/" + name, detail.dump());
}

}  // namespace

Json EndpointFacts::to_json() const {
  Json json = Json::object();
  json.set("name", name).set("project", project).set("model", model);
  json.set("champion", version_json(serving_version)).set("challenger", version_json(challenger_version));
  json.set("previous", version_json(previous_version)).set("health", health);
  if (challenger_version) json.set("challenger_share", challenger_share);
  return json.set("changed_at", base::format_time(changed_at));
}

Status declare_endpoint(store::Home& home, const base::Clock& clock, const std::string& project,
                        const std::string& name, const std::string& model, const std::string& actor) {
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    {
      Statement owner = connection.prepare(
          "SELECT e.project, coalesce(p.folder, '') FROM endpoint e LEFT JOIN project p ON p.name = "
          "e.project "
          "WHERE e.name = ?");
      const bool is_known = TRY(owner.with(name).step());
      if (is_known && owner.text(0) != project) return fail(taken(name, owner.text(0), owner.text(1)));
      Statement registered = connection.prepare("SELECT 1 FROM registered_model WHERE name = ?");
      if (!TRY(registered.with(model).step())) {
        return fail(ErrorCode::not_found,
                    "endpoint '" + name + "' cannot serve model '" + model + "': it has no version yet",
                    "`trimtab apply` trains the first one");
      }
      if (!is_known) return create(connection, project, name, model, now, actor);
    }
    const EndpointFacts facts = TRY(select_endpoint(connection, name));
    if (facts.model == model) return {};
    return change_model(connection, facts, model, now, actor);
  });
}

Result<EndpointFacts> find_endpoint(store::Home& home, const std::string& name) {
  EndpointFacts facts;
  TRY(home.database().read([&](Connection& connection) -> Status {
    facts = TRY(select_endpoint(connection, name));
    return {};
  }));
  return facts;
}

Result<std::vector<EndpointFacts>> list_endpoints(store::Home& home) {
  std::vector<EndpointFacts> endpoints;
  TRY(home.database().read([&](Connection& connection) -> Status {
    endpoints = TRY(select_endpoints(connection));
    return {};
  }));
  return endpoints;
}

Result<bool> has_served(store::Home& home, const std::string& endpoint, std::int64_t version) {
  bool served = false;
  TRY(home.database().read([&](Connection& connection) -> Status {
    served = TRY(has_served(connection, TRY(select_endpoint(connection, endpoint)), version));
    return {};
  }));
  return served;
}

Status change_champion(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                       std::int64_t version, const std::string& actor, const std::string& action,
                       const std::string& reason) {
  CHECK(action == "endpoint.promote" || action == "endpoint.roll_back" || action == "endpoint.refit");
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
    if (facts.serving_version == version) return {};
    TRY(may_serve(connection, facts, version, action));
    Json detail = Json::object({{"model", facts.model}});
    detail.set("from", version_json(facts.serving_version)).set("to", version).set("why", reason);
    const bool is_pushed = TRY(has_other_push(connection, facts, version));
    const bool keeps_previous = action == "endpoint.refit" && facts.previous_version;
    if (!keeps_previous) facts.previous_version = facts.serving_version;
    facts.serving_version = version;
    if (facts.challenger_version == version) {
      facts.challenger_version = std::nullopt;
      TRY(mirror(connection, now, facts, "challenger", std::nullopt));
    }
    if (!is_pushed) TRY(mirror(connection, now, facts, "champion", version));
    return keep(connection, facts, now, actor, action, detail);
  });
}

Result<bool> roll_back_within(Connection& connection, const std::string& endpoint, std::int64_t version,
                              TimeUs now, const std::string& actor, const std::string& reason) {
  EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
  if (facts.serving_version == version) return false;
  TRY(may_serve(connection, facts, version, "endpoint.roll_back"));
  Json detail = Json::object({{"model", facts.model}});
  detail.set("from", version_json(facts.serving_version)).set("to", version).set("why", reason);
  facts.serving_version = version;
  facts.previous_version = std::nullopt;
  facts.health = "healthy";
  if (facts.challenger_version == version) {
    facts.challenger_version = std::nullopt;
    TRY(mirror(connection, now, facts, "challenger", std::nullopt));
  }
  TRY(mirror(connection, now, facts, "champion", version));
  TRY(keep(connection, facts, now, actor, "endpoint.roll_back", detail));
  return true;
}

Result<std::int64_t> version_before(Connection& connection, const std::string& endpoint) {
  const EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
  if (!facts.serving_version) {
    return fail(ErrorCode::not_found, "the endpoint '" + endpoint + "' serves no version yet",
                "run `trimtab apply`");
  }
  Statement row = connection.prepare(
      "SELECT json_extract(detail, '$.from') FROM audit WHERE object = ? AND action = 'endpoint.promote' "
      "AND json_extract(detail, '$.to') = ? AND json_extract(detail, '$.model') = ? "
      "ORDER BY sequence DESC LIMIT 1");
  row.with("endpoint/" + endpoint, *facts.serving_version, facts.model);
  if (TRY(row.step()) && !row.is_null(0)) return row.integer(0);
  return fail(ErrorCode::not_found,
              "the endpoint '" + endpoint + "' served no version before version " +
                  std::to_string(*facts.serving_version),
              "name the version to go back to with --to");
}

Status change_challenger(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                         std::optional<std::int64_t> version, const std::string& actor,
                         const std::string& reason) {
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) {
    return change_challenger_within(connection, endpoint, version, now, actor, reason);
  });
}

Status change_challenger_within(Connection& connection, const std::string& endpoint,
                                std::optional<std::int64_t> version, TimeUs now, const std::string& actor,
                                const std::string& reason) {
  EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
  if (facts.challenger_version == version) return {};
  if (version) TRY(gates_of(connection, facts.model, *version));
  Json detail = Json::object({{"model", facts.model}});
  detail.set("from", version_json(facts.challenger_version))
      .set("to", version_json(version))
      .set("why", reason);
  facts.challenger_version = version;
  TRY(connection.prepare("DELETE FROM setting WHERE name = ?")
          .with(std::string(kShareSetting) + endpoint)
          .run());
  TRY(mirror(connection, now, facts, "challenger", version));
  return keep(connection, facts, now, actor, "endpoint.challenge", detail);
}

Status change_challenger_share(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                               std::int64_t version, double share, const std::string& actor,
                               const std::string& reason) {
  if (!(share >= 0 && share < 1)) {
    return fail(ErrorCode::invalid,
                "a challenger answers a share from 0 to below 1 of the rows, not " + Json(share).dump(),
                "make it the champion to let it answer all of them");
  }
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    const EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
    const std::string number = std::to_string(version);
    if (facts.challenger_version != version) {
      return fail(ErrorCode::conflict,
                  "version " + number + " is not the challenger of endpoint '" + endpoint + "'",
                  "make it that first: it scores along before it answers");
    }
    if (facts.challenger_share == share) return {};
    if (share > 0) TRY(may_serve(connection, facts, version, "endpoint.canary"));
    const Json kept = Json::object({{"version", version}, {"share", share}, {"since", now}});
    TRY(connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
            .with(std::string(kShareSetting) + endpoint, kept.dump())
            .run());
    Json detail = Json::object({{"model", facts.model}, {"version", version}});
    detail.set("from", facts.challenger_share).set("to", share).set("why", reason);
    return keep(connection, facts, now, actor, "endpoint.canary", detail);
  });
}

Status forget_previous(store::Home& home, const base::Clock& clock, const std::string& endpoint) {
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
    if (!facts.previous_version) return {};
    const Json detail = Json::object({{"previous", *facts.previous_version}});
    facts.previous_version = std::nullopt;
    return keep(connection, facts, now, "heal", "endpoint.forget_previous", detail);
  });
}

Status change_health(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                     const std::string& health, const std::string& reason) {
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    EndpointFacts facts = TRY(select_endpoint(connection, endpoint));
    if (facts.health == health) return {};
    const Json detail = Json::object({{"from", facts.health}, {"to", health}, {"why", reason}});
    facts.health = health;
    return keep(connection, facts, now, "heal", "endpoint.health", detail);
  });
}

}  // namespace trimtab::registry
