// A version waits for people (the gate `approvals`): as a plan in an incident, like what `mode: suggest`
// proposes, so that the same words approve and reject it. Enough approvals begin the treatment that lets it
// answer, by a rollout where one is declared; until then the champion goes on, and a newer candidate takes
// the waiting one's place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/approval.h"
#include "heal/incident.h"
#include "heal/patient.h"
#include "store/home.h"

namespace trimtab::heal {

// The treatment that no policy reaches: a version that somebody has pushed (registry/pushes.h), or that
// people have approved, comes to answer.
inline constexpr std::string_view kRollOut = "roll_out";

// Whether the plan of one of them waits about this version in place of this champion (0: there is none).
bool is_asked_about(const std::vector<Incident>& open, std::int64_t version, std::int64_t champion);
// The version of the treatment to train, which has passed every other gate, waits: outcome and plan in one
// transaction. `judged`: the outcome's figures.
Status ask_about_trained(store::Home& home, const base::Clock& clock, Patient& ward, const Incident& incident,
                         const Json& treatment, Json judged, PolicyState next);
// A pushed version waits, in the open incident or a new one.
Status ask_about_push(store::Home& home, const base::Clock& clock, Patient& ward, std::int64_t version,
                      std::int64_t champion);

// What decide_on_plan does to the version of such a plan. True: it may answer now.
Result<bool> decide_on_version(store::Connection& connection, const PlanDecision& wish,
                               const Incident& incident, const IncidentEvent& plan, TimeUs now,
                               DecisionReport& report);

// [{"incident":3,"plan":5,"treatment":"roll_out","version":2,"approvals":0,"wanted":1}]: what of the endpoint
// waits for a person, plans of `mode: suggest` included.
Result<Json> waiting_json(store::Home& home, const std::string& endpoint);

}  // namespace trimtab::heal
