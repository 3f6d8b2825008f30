// The journal of what went wrong and what was done: detected → diagnosed → treated → verified → closed. A
// treatment stands in the journal before its side effect, so that after a crash it is finished, not repeated
// or forgotten.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/database.h"

namespace trimtab::heal {

struct IncidentEvent {
  int ordinal = 0;
  TimeUs time = 0;
  std::string kind;  // "detected", "verdict", "plan", "approval" (one of several), "approved", "rejected",
                     // "treatment", "rollout", "outcome", "verified", "closed"
  Json detail = Json::object();
};

struct Incident {
  std::int64_t id = 0;
  std::string endpoint;
  std::string state;  // "detected" … "closed"; "waiting" while a plan waits for approval
  std::string summary;
  TimeUs opened_at = 0;
  std::optional<TimeUs> closed_at;
  std::vector<IncidentEvent> events;

  // The last treatment when it has no outcome yet.
  const IncidentEvent* unfinished_treatment() const;
  // The newest step of the rollout that the unfinished treatment has come to, if it has.
  const IncidentEvent* rollout() const;
  // The newest plan when nobody has decided on it yet. Its ordinal is its number.
  const IncidentEvent* waiting_plan() const;
  // The plan of a version that waited when the newest treatment began, which nobody has decided on.
  const IncidentEvent* plan_set_aside() const;
  Json to_json() const;
};

// Work for Database::submit or write.
Result<std::int64_t> open_incident(store::Connection& connection, const std::string& endpoint,
                                   const std::string& summary, TimeUs now);
// Appends and moves the incident's state on to what the kind implies.
Status append_event(store::Connection& connection, std::int64_t incident, const std::string& kind,
                    const Json& detail, TimeUs now);

Result<std::optional<Incident>> read_incident_row(store::Connection& connection, std::int64_t id);
// Newest first. `endpoint` empty: all.
Result<std::vector<Incident>> list_incidents(store::Connection& connection, const std::string& endpoint,
                                             bool open_only, int count_max = 1000);

}  // namespace trimtab::heal
