#include "heal/approval.h"

#include <utility>

#include "heal/recall.h"
#include "heal/version_approval.h"
#include "registry/endpoints.h"
#include "store/audit.h"

namespace trimtab::heal {
namespace {

std::string name_of(std::int64_t incident) { return "incident " + std::to_string(incident); }

std::string commands_for(std::int64_t incident) {
  const std::string id = std::to_string(incident);
  return "`trimtab approve " + id + "` or `trimtab reject " + id + "`";
}

std::optional<Treatment> treatment_called(std::string_view name) {
  for (const Treatment treatment :
       {Treatment::retrain, Treatment::roll_back, Treatment::follow_level, Treatment::leave_level}) {
    if (treatment_name(treatment) == name) return treatment;
  }
  return std::nullopt;
}

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(ErrorCode::conflict, std::move(message), std::move(hint));
}

Result<Incident> read_incident(store::Connection& connection, std::int64_t wanted) {
  std::optional<Incident> incident = TRY(read_incident_row(connection, wanted));
  if (incident) return *std::move(incident);
  return fail(ErrorCode::not_found, "there is no " + name_of(wanted), "`trimtab incidents` lists them");
}

// The plan that is decided on. A person decides on what they have seen: never on another one.
Result<const IncidentEvent*> waiting_plan(const Incident& incident, const PlanDecision& wish) {
  const IncidentEvent* plan = incident.waiting_plan();
  if (plan == nullptr) {
    return refuse("nothing of " + name_of(incident.id) + " waits for approval: it is " + incident.state,
                  "`trimtab incidents " + std::to_string(incident.id) + "` shows its journal");
  }
  if (!wish.plan || *wish.plan == plan->ordinal) return plan;
  return refuse("plan " + std::to_string(*wish.plan) + " of " + name_of(incident.id) +
                    " does not wait any more: plan " + std::to_string(plan->ordinal) + " has taken its place",
                "look at it with `trimtab incidents " + std::to_string(incident.id) + "`, then decide");
}

Status demand_same_champion(store::Connection& connection, const Incident& incident, const Json& plan) {
  store::Statement row = connection.prepare("SELECT serving_version FROM endpoint WHERE name = ?");
  const bool found = TRY(row.with(incident.endpoint).step());
  const std::int64_t champion = found && !row.is_null(0) ? row.integer(0) : 0;
  if (champion == plan.int_or("champion")) return {};
  return refuse("the plan of " + name_of(incident.id) + " was made for version " +
                    std::to_string(plan.int_or("champion")) + ", but the champion of '" + incident.endpoint +
                    "' is version " + std::to_string(champion) + " now",
                "reject it; the next batches say what the present champion needs");
}

// The plan as a treatment that begins now: it learns from what is known by now.
Json begun(const IncidentEvent& plan, const PlanDecision& wish, TimeUs now) {
  Json treatment = plan.detail;
  const TimeUs takes = treatment.int_or("available_at") - treatment.int_or("as_of");
  treatment.set("as_of", now).set("available_at", now + takes);
  return treatment.set("plan", plan.ordinal).set("approved_by", wish.actor);
}

// `begins`: it is enough to begin the treatment.
Status write_decision(store::Connection& connection, const PlanDecision& wish, const Incident& incident,
                      const IncidentEvent& plan, bool begins, TimeUs now) {
  Json words = Json::object({{"plan", plan.ordinal}, {"actor", wish.actor}, {"why", wish.reason}});
  words.set("treatment", plan.detail.text_or("treatment"));
  const char* kind = begins ? "approved" : wish.approves ? "approval" : "rejected";
  TRY(append_event(connection, incident.id, kind, words, now));
  if (begins) {
    TRY(append_event(connection, incident.id, "treatment", begun(plan, wish, now), now));
  }
  words.set("endpoint", incident.endpoint);
  return store::append_audit(connection, now, wish.actor,
                             wish.approves ? "incident.approve" : "incident.reject",
                             "incident/" + std::to_string(incident.id), words.dump());
}

// Nothing else was the matter: the champion goes on, and an alias that was pushed returns by itself.
Status close_rejected(store::Connection& connection, const Incident& incident, const PolicyState& policy,
                      TimeUs now) {
  return append_event(connection, incident.id, "closed", Json::object({{"health", health_of(policy)}}), now);
}

}  // namespace

std::map<Treatment, std::string> held_treatments(const std::vector<Incident>& open, TimeUs now,
                                                 TimeUs batch_length) {
  std::map<Treatment, std::string> held;
  for (const Incident& incident : open) {
    const IncidentEvent* waiting = incident.waiting_plan();
    if (waiting != nullptr && waiting->detail.text_or("treatment") == kRollOut) {
      // What else is proposed here would take its place.
      const std::string version = "version " + std::to_string(waiting->detail.int_or("version"));
      for (const Treatment other : {Treatment::retrain, Treatment::follow_level, Treatment::leave_level}) {
        held[other] = version + " waits for a person's word: " + commands_for(incident.id);
      }
    }
    for (const IncidentEvent& event : incident.events) {
      const std::optional<Treatment> treatment = treatment_called(event.detail.text_or("treatment"));
      if (!treatment) continue;
      if (&event == waiting && now - event.time < kAskAgainBatches * batch_length) {
        held[*treatment] = "it waits for a person's word: " + commands_for(incident.id);
      }
      const bool is_fresh = now - event.time < kRejectedBatches * batch_length;
      if (event.kind == "rejected" && is_fresh) held[*treatment] = "a person rejected it lately";
    }
  }
  return held;
}

Result<Incident> find_incident(store::Home& home, std::int64_t wanted) {
  Incident incident;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    incident = TRY(read_incident(connection, wanted));
    return {};
  }));
  return incident;
}

Result<std::string> endpoint_of_incident(store::Home& home, std::int64_t incident) {
  return TRY(find_incident(home, incident)).endpoint;
}

Result<DecisionReport> decide_on_plan(store::Home& home, const base::Clock& clock, const PlanDecision& wish,
                                      PolicyState& policy) {
  const TimeUs now = clock.now();
  DecisionReport report;
  PolicyState next = policy;
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    next = policy;
    const Incident incident = TRY(read_incident(connection, wish.incident));
    const IncidentEvent* plan = TRY(waiting_plan(incident, wish));
    const std::string treatment = plan->detail.text_or("treatment");
    report = {incident.id, plan->ordinal, incident.endpoint, treatment, wish.approves};
    if (wish.approves) TRY(demand_same_champion(connection, incident, plan->detail));
    const bool is_version = treatment == kRollOut;
    const bool begins =
        is_version ? TRY(decide_on_version(connection, wish, incident, *plan, now, report)) : wish.approves;
    if (begins) next.treating = true;
    if (begins && treatment == treatment_name(Treatment::retrain)) next.retrains.push_back(now);
    TRY(write_decision(connection, wish, incident, *plan, begins, now));
    if (is_version && !wish.approves) TRY(close_rejected(connection, incident, next, now));
    return keep_policy(connection, incident.endpoint, next, now);
  }));
  policy = std::move(next);
  return report;
}

std::string DecisionReport::to_text() const {
  const std::string place = name_of(incident) + ", endpoint " + endpoint + ": ";
  if (version) {
    const std::string it = place + "version " + std::to_string(*version);
    if (!approved) return it + " is rejected; the champion goes on answering\n";
    if (missing <= 0) return it + " is approved; the server lets it answer\n";
    return it + " is approved by one person more; missing: " + std::to_string(missing) + "\n";
  }
  const std::string what = place + treatment;
  if (approved) return what + " is approved; the server carries it out\n";
  return what + " is rejected; nothing is done\n";
}

Json DecisionReport::to_json() const {
  Json json = Json::object({{"incident", incident}, {"plan", plan}, {"endpoint", endpoint}});
  json.set("treatment", treatment).set("decision", approved ? "approved" : "rejected");
  if (version) json.set("version", *version).set("missing", missing);
  return json.set("text", to_text());
}

}  // namespace trimtab::heal
