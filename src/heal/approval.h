// `mode: suggest`: what the policy would do waits in the incident's journal as a plan until a person approves
// or rejects it. An approved plan is a treatment like any other: in the journal before its side effect, and
// carried out by the loop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/incident.h"
#include "heal/policy.h"
#include "http/caller.h"
#include "store/home.h"

namespace trimtab::heal {

// For how many batches the policy asks nothing more about a treatment that it has asked about, and about one
// that was rejected.
inline constexpr int kAskAgainBatches = 7;
inline constexpr int kRejectedBatches = 14;

// The treatments that the policy is not to reach now, each with the reason: those that wait for a person's
// word or were rejected lately.
std::map<Treatment, std::string> held_treatments(const std::vector<Incident>& open, TimeUs now,
                                                 TimeUs batch_length);

struct PlanDecision {
  std::int64_t incident = 0;
  bool approves = true;
  std::optional<std::int64_t> plan;  // The one that the person has seen; nothing: the newest.
  std::string reason;
  std::string actor = "cli";
  http::Role role = http::Role::admin;  // Of the actor in the project; who has the home's token is its owner.
};

struct DecisionReport {
  std::int64_t incident = 0;
  std::int64_t plan = 0;
  std::string endpoint;
  std::string treatment;
  bool approved = true;
  std::optional<std::int64_t> version = {};  // That waits (heal/version_approval.h), …
  std::int64_t missing = 0;                  // … for so many more approvals.

  std::string to_text() const;
  Json to_json() const;
};

// The endpoint of an incident. Errors: not_found.
Result<std::string> endpoint_of_incident(store::Home& home, std::int64_t incident);
Result<Incident> find_incident(store::Home& home, std::int64_t incident);

// One transaction: the decision, the treatment that it begins, the policy's new state (given back in
// `policy`) and an audit row that names the person. Errors: not_found; conflict: nothing waits, or what waits
// is another plan than `plan`, or was made for another champion than the present one, or the same person has
// approved the version already; forbidden: a version waits for another role.
Result<DecisionReport> decide_on_plan(store::Home& home, const base::Clock& clock, const PlanDecision& wish,
                                      PolicyState& policy);

}  // namespace trimtab::heal
