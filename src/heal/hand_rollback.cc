#include "heal/hand_rollback.h"

#include "heal/incident.h"
#include "registry/endpoints.h"

namespace trimtab::heal {
namespace {

Status close_incidents(store::Connection& connection, const HandRollback& wish, RollbackReport& report,
                       TimeUs now) {
  for (const Incident& incident : TRY(list_incidents(connection, wish.endpoint, true))) {
    Json outcome = Json::object({{"result", "superseded"}, {"by", "rollback"}, {"version", report.to}});
    outcome.set("actor", wish.actor).set("why", wish.reason);
    TRY(append_event(connection, incident.id, "outcome", outcome, now));
    TRY(append_event(connection, incident.id, "closed", Json::object({{"health", "healthy"}}), now));
    report.incidents_closed.push_back(incident.id);
  }
  return {};
}

Status keep_policy(store::Connection& connection, const std::string& endpoint, const PolicyState& policy,
                   TimeUs now) {
  return connection
      .prepare("INSERT OR REPLACE INTO heal_state (endpoint, state_json, updated_at) VALUES (?, ?, ?)")
      .with(endpoint, policy.to_json().dump(), now)
      .run();
}

}  // namespace

Result<RollbackReport> roll_back_by_hand(store::Home& home, const base::Clock& clock,
                                         const HandRollback& wish, PolicyState& policy) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, wish.endpoint));
  const TimeUs now = clock.now();
  RollbackReport report;
  PolicyState next = policy;
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    report = RollbackReport{wish.endpoint, facts.serving_version.value_or(0), 0, {}};
    report.to = wish.to ? *wish.to : TRY(registry::version_before(connection, wish.endpoint));
    const bool changed =
        TRY(registry::roll_back_within(connection, wish.endpoint, report.to, now, wish.actor, wish.reason));
    if (!changed) return {};
    TRY(close_incidents(connection, wish, report, now));
    // To the policy it is a new champion like any other: what it had gathered was about the old one.
    note_promotion(next, report.to, now);
    return keep_policy(connection, wish.endpoint, next, now);
  }));
  policy = std::move(next);
  return report;
}

Result<PolicyState> kept_policy(store::Home& home, const std::string& endpoint) {
  std::string text;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT state_json FROM heal_state WHERE endpoint = ?");
    if (TRY(row.with(endpoint).step())) text = row.text(0);
    return {};
  }));
  if (text.empty()) return PolicyState{};
  return PolicyState::from_json(TRY(base::parse_json(text)));
}

std::string RollbackReport::to_text() const {
  const std::string version = "version " + std::to_string(to);
  if (from == to) return "endpoint " + endpoint + ": " + version + " serves already; nothing was changed\n";
  std::string text = "endpoint " + endpoint + ": " + version + " serves now";
  if (from != 0) text += " in place of version " + std::to_string(from);
  text += "\n";
  for (const std::int64_t incident : incidents_closed) {
    text += "incident #" + std::to_string(incident) + " is closed: what healing had begun ends here\n";
  }
  return text;
}

Json RollbackReport::to_json() const {
  Json closed = Json::array();
  for (const std::int64_t incident : incidents_closed) closed.push(incident);
  Json json = Json::object({{"endpoint", endpoint}, {"from", from}, {"to", to}, {"changed", from != to}});
  return json.set("incidents_closed", std::move(closed)).set("text", to_text());
}

}  // namespace trimtab::heal
