#include "heal/version_approval.h"

#include <algorithm>
#include <string>
#include <utility>

#include "heal/journal.h"
#include "heal/recall.h"
#include "registry/approvals.h"
#include "registry/endpoints.h"

namespace trimtab::heal {
namespace {

using registry::AwaitedApproval;

// `like`: the treatment that trained it, of which the plan keeps what a promotion has to know.
Json plan_for(Json like, std::int64_t version, std::int64_t champion, const AwaitedApproval& awaited,
              TimeUs now) {
  like.set("treatment", kRollOut).set("version", version).set("champion", champion);
  like.set("as_of", now).set("available_at", now);
  return like.set("wanted", awaited.wanted).set("role", awaited.role);
}

Json waiting_words(std::int64_t version, const AwaitedApproval& awaited) {
  Json words = Json::object({{"version", version}, {"approvals", awaited.by.size()}});
  return words.set("wanted", awaited.wanted).set("role", awaited.role);
}

Result<AwaitedApproval> demand_awaited(store::Home& home, const std::string& model, std::int64_t version) {
  const std::optional<AwaitedApproval> awaited = TRY(registry::awaited_approval(home, model, version));
  CHECK(awaited);
  return *awaited;
}

Status demand_role(const PlanDecision& wish, const Json& plan) {
  const std::string wanted = plan.text_or("role");
  if (wish.role >= http::find_role(wanted).value_or(http::Role::admin)) return {};
  return fail(ErrorCode::forbidden,
              wish.actor + " has the role " + std::string(http::role_name(wish.role)) + ", but version " +
                  std::to_string(plan.int_or("version")) + " waits for the role " + wanted,
              "ask somebody who has it, or change the gate `approvals`");
}

Result<std::string> model_of(store::Connection& connection, const std::string& endpoint) {
  store::Statement row = connection.prepare("SELECT model FROM endpoint WHERE name = ?");
  CHECK(TRY(row.with(endpoint).step()));
  return row.text(0);
}

}  // namespace

bool is_asked_about(const std::vector<Incident>& open, std::int64_t version, std::int64_t champion) {
  return std::any_of(open.begin(), open.end(), [&](const Incident& incident) {
    const IncidentEvent* plan = incident.waiting_plan();
    return plan != nullptr && plan->detail.text_or("treatment") == kRollOut &&
           plan->detail.int_or("version") == version && plan->detail.int_or("champion") == champion;
  });
}

Status ask_about_trained(store::Home& home, const base::Clock& clock, Patient& ward, const Incident& incident,
                         const Json& treatment, Json judged, PolicyState next) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, ward.name()));
  const std::int64_t version = judged.int_or("version");
  const AwaitedApproval awaited = TRY(demand_awaited(home, facts.model, version));
  const TimeUs now = clock.now();
  Json plan = plan_for(treatment, version, facts.serving_version.value_or(0), awaited, now);
  plan.set("healed", true);
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    TRY(journal.append(incident.id, "outcome", judged.set("result", "waits for approval")));
    TRY(journal.append(incident.id, "plan", plan));
    TRY(journal.say("waiting", incident.id, incident.summary, waiting_words(version, awaited)));
    return keep_policy(connection, ward.name(), next, now);
  }));
  ward.policy() = std::move(next);
  return {};
}

Status ask_about_push(store::Home& home, const base::Clock& clock, Patient& ward, std::int64_t version,
                      std::int64_t champion) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home, ward.name()));
  const AwaitedApproval awaited = TRY(demand_awaited(home, facts.model, version));
  const TimeUs now = clock.now();
  const Json plan = plan_for(Json::object(), version, champion, awaited, now);
  const std::string summary = "version " + std::to_string(version) + " waits for approval";
  return home.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const std::int64_t incident =
        open.empty() ? TRY(journal.open(summary, Json::object({{"pushed", version}}))) : open.front().id;
    TRY(journal.append(incident, "plan", plan));
    return journal.say("waiting", incident, summary, waiting_words(version, awaited));
  });
}

Result<bool> decide_on_version(store::Connection& connection, const PlanDecision& wish,
                               const Incident& incident, const IncidentEvent& plan, TimeUs now,
                               DecisionReport& report) {
  TRY(demand_role(wish, plan.detail));
  const std::string model = TRY(model_of(connection, incident.endpoint));
  report.version = plan.detail.int_or("version");
  if (!wish.approves) {
    TRY(registry::reject_version(connection, model, *report.version, wish.actor, wish.reason, now));
    return false;
  }
  const AwaitedApproval awaited =
      TRY(registry::approve_version(connection, model, *report.version, wish.actor, wish.reason, now));
  report.missing = awaited.missing();
  return report.missing <= 0;
}

Result<Json> waiting_json(store::Home& home, const std::string& endpoint) {
  Json list = Json::array();
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    for (const Incident& incident : TRY(list_incidents(connection, endpoint, true))) {
      const IncidentEvent* plan = incident.waiting_plan();
      if (plan == nullptr) continue;
      Json entry = Json::object({{"incident", incident.id}, {"plan", plan->ordinal}});
      entry.set("treatment", plan->detail["treatment"]);
      if (plan->detail.text_or("treatment") == kRollOut) {
        const std::int64_t version = plan->detail.int_or("version");
        const std::string model = TRY(model_of(connection, incident.endpoint));
        const auto awaited = TRY(registry::awaited_approval(connection, model, version));
        entry.set("version", version).set("wanted", plan->detail["wanted"]).set("role", plan->detail["role"]);
        entry.set("approvals", awaited ? awaited->by.size() : 0);
      }
      list.push(std::move(entry));
    }
    return {};
  }));
  return list;
}

}  // namespace trimtab::heal
