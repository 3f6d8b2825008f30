#include "registry/pushes.h"

#include "base/json.h"
#include "registry/approvals.h"
#include "registry/endpoints.h"
#include "registry/model_events.h"
#include "registry/record.h"
#include "store/audit.h"
#include "store/database.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

std::string champion_alias(const EndpointFacts& endpoint) {
  return endpoint.name == endpoint.model ? "champion" : endpoint.name + "-champion";
}

Result<std::optional<std::int64_t>> alias_at(Connection& connection, const EndpointFacts& endpoint) {
  Statement row = connection.prepare("SELECT version FROM model_alias WHERE model = ? AND alias = ?");
  if (!TRY(row.with(endpoint.model, champion_alias(endpoint)).step())) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>(row.integer(0));
}

Status move(Connection& connection, const EndpointFacts& endpoint, std::int64_t version, TimeUs now) {
  const std::string alias = champion_alias(endpoint);
  TRY(connection.prepare("INSERT OR REPLACE INTO model_alias (model, alias, version) VALUES (?, ?, ?)")
          .with(endpoint.model, alias, version)
          .run());
  return tell_alias(connection, now, endpoint.model, alias, version);
}

}  // namespace

Result<std::optional<std::int64_t>> pushed_version(store::Home& home, const std::string& name) {
  const EndpointFacts endpoint = TRY(find_endpoint(home, name));
  std::optional<std::int64_t> pushed;
  TRY(home.database().read([&](Connection& connection) -> Status {
    pushed = TRY(alias_at(connection, endpoint));
    const bool is_first = pushed && !endpoint.serving_version;
    if (is_first && !TRY(awaited_approval(connection, endpoint.model, *pushed))) pushed.reset();
    return {};
  }));
  if (pushed == endpoint.serving_version) pushed.reset();
  return pushed;
}

Status push_version(store::Home& home, const base::Clock& clock, const std::string& name,
                    std::int64_t version, const std::string& actor, const std::string& reason) {
  const EndpointFacts endpoint = TRY(find_endpoint(home, name));
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    if (TRY(alias_at(connection, endpoint)) == version) return {};
    TRY(move(connection, endpoint, version, now));
    const Json detail = Json::object({{"alias", champion_alias(endpoint)},
                                      {"to", version},
                                      {"endpoint", name},
                                      {"push", true},
                                      {"why", reason}});
    return store::append_audit(connection, now, actor, "model_alias.set",
                               "model/" + endpoint.model + "@" + champion_alias(endpoint), detail.dump());
  });
}

Status refuse_push(store::Home& home, const base::Clock& clock, const std::string& name, std::int64_t version,
                   const std::string& reason) {
  const EndpointFacts endpoint = TRY(find_endpoint(home, name));
  if (!endpoint.serving_version || endpoint.serving_version == version) return {};
  const TimeUs now = clock.now();
  return home.database().write([&](Connection& connection) -> Status {
    if (TRY(alias_at(connection, endpoint)) != version) return {};
    TRY(move(connection, endpoint, *endpoint.serving_version, now));
    TRY(connection
            .prepare(
                "INSERT OR REPLACE INTO model_version_tag (model, version, key, value) VALUES (?, ?, ?, ?)")
            .with(endpoint.model, version, std::string(kRefusedTag), reason)
            .run());
    const Json detail =
        Json::object({{"version", version}, {"to", *endpoint.serving_version}, {"why", reason}});
    return store::append_audit(connection, now, "heal", "endpoint.refuse", "endpoint/" + name, detail.dump());
  });
}

Result<std::string> why_refused(store::Home& home, const std::string& model, std::int64_t version) {
  std::string why;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row =
        connection.prepare("SELECT value FROM model_version_tag WHERE model = ? AND version = ? AND key = ?");
    if (TRY(row.with(model, version, std::string(kRefusedTag)).step())) why = row.text(0);
    return {};
  }));
  return why;
}

Status may_be_pushed(store::Home& home, const std::string& name, std::int64_t version) {
  const EndpointFacts endpoint = TRY(find_endpoint(home, name));
  const VersionFacts facts = TRY(find_version(home, endpoint.model, version));
  if (facts.gates == "passed") return {};
  if (std::string why = TRY(why_rejected(home, endpoint.model, version)); !why.empty()) {
    return fail(ErrorCode::conflict,
                "version " + std::to_string(version) + " of model '" + endpoint.model + "' was " + why,
                "the endpoint '" + name + "' goes on as before");
  }
  const std::string gates = facts.gates == "refused" ? "refused it" : "have not decided yet";
  return fail(ErrorCode::conflict,
              "version " + std::to_string(version) + " of model '" + endpoint.model +
                  "' may not serve: its gates " + gates,
              "the endpoint '" + name + "' goes on as before; train a version that passes");
}

}  // namespace trimtab::registry
