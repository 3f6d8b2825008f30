#include "heal/hand_rollback.h"

#include <algorithm>
#include <utility>

#include "heal/incident.h"
#include "heal/recall.h"
#include "heal/trial_counts.h"
#include "heal/ward.h"
#include "registry/endpoints.h"
#include "registry/pushes.h"

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

}  // namespace

namespace {

Result<std::vector<Incident>> open_incidents(store::Home& home, const std::string& endpoint) {
  std::vector<Incident> open;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, endpoint, true));
    return {};
  }));
  return open;
}

// A version that does not load is no champion: it would be named as such, and another one would answer. Which
// version is meant, and whether there is one, the transaction decides.
Status expect_loads(store::Home& home, const HandRollback& wish, const registry::EndpointFacts& facts) {
  std::optional<std::int64_t> wanted = wish.to;
  if (!wanted) {
    TRY(home.database().read([&](store::Connection& connection) -> Status {
      const Result<std::int64_t> before = registry::version_before(connection, wish.endpoint);
      if (before) wanted = *before;
      return {};
    }));
  }
  if (!wanted || wanted == facts.serving_version) return {};
  const auto loaded = load_version(home, facts.model, *wanted);
  if (loaded || loaded.error().code == ErrorCode::not_found) return {};
  return fail(base::wrap(loaded.error(), "version " + std::to_string(*wanted) + " of endpoint '" +
                                             wish.endpoint + "' does not load; nothing was changed"));
}

// The version that is being rolled out, by an incident that is open. Its alias returns when somebody had
// pushed it, else the loop would take it up again.
Result<bool> withdraw_rollout(store::Home& home, const base::Clock& clock, const HandRollback& wish,
                              const std::vector<Incident>& open) {
  bool found = false;
  for (const Incident& incident : open) {
    const IncidentEvent* treatment = incident.unfinished_treatment();
    if (treatment == nullptr) continue;
    found = found || incident.rollout() != nullptr;
    const Json& version = treatment->detail["version"];
    if (!version.is_int()) continue;
    const std::string why = "a person took it back" + (wish.reason.empty() ? "" : ": " + wish.reason);
    TRY(registry::refuse_push(home, clock, wish.endpoint, version.as_int(), why));
  }
  return found;
}

}  // namespace

Result<RollbackReport> roll_back_by_hand(store::Home& home, const base::Clock& clock,
                                         const HandRollback& wish, PolicyState& policy) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, wish.endpoint));
  const std::vector<Incident> open = TRY(open_incidents(home, wish.endpoint));
  const bool is_in_rollout = std::any_of(open.begin(), open.end(), [](const Incident& incident) {
    return incident.unfinished_treatment() != nullptr && incident.rollout() != nullptr;
  });
  if (wish.to || !is_in_rollout) TRY(expect_loads(home, wish, facts));
  const bool ends_rollout = TRY(withdraw_rollout(home, clock, wish, open));
  const TimeUs now = clock.now();
  RollbackReport report;
  PolicyState next = policy;
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    next = policy;
    report = RollbackReport{wish.endpoint, facts.serving_version.value_or(0), 0, {}};
    // Of a rollout the version that is taken back is the one that was to come; the champion stays.
    report.to = wish.to        ? *wish.to
                : ends_rollout ? report.from
                               : TRY(registry::version_before(connection, wish.endpoint));
    const bool changed =
        TRY(registry::roll_back_within(connection, wish.endpoint, report.to, now, wish.actor, wish.reason));
    if (!changed && !ends_rollout) return {};
    TRY(close_incidents(connection, wish, report, now));
    // It answers nothing more, and does not wait for the loop to hear of it.
    TRY(registry::change_challenger_within(connection, wish.endpoint, std::nullopt, now, wish.actor,
                                           wish.reason));
    TRY(forget_counts(connection, wish.endpoint));
    next.treating = false;
    if (changed) note_taken_back(next, report.to, now);
    return keep_policy(connection, wish.endpoint, next, now);
  }));
  policy = std::move(next);
  return report;
}

Status adopt_rollback(store::Home& home, const base::Clock& clock, const RollbackReport& report,
                      PolicyState& policy) {
  if (report.from == report.to && report.incidents_closed.empty()) return {};
  const TimeUs now = clock.now();
  PolicyState next = policy;
  next.treating = false;
  if (report.from != report.to) note_taken_back(next, report.to, now);
  TRY(home.database().write(
      [&](store::Connection& connection) { return keep_policy(connection, report.endpoint, next, now); }));
  policy = std::move(next);
  return {};
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
  std::string text = "endpoint " + endpoint + ": " + version;
  if (from == to) {
    text += incidents_closed.empty() ? " serves already; nothing was changed" : " goes on serving";
  } else {
    text += " serves now";
    if (from != 0) text += " in place of version " + std::to_string(from);
  }
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
