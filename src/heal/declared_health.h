// Whether an endpoint is as its owner wants it: the limits under `health:`, held against what is known. They
// decide no treatment (what is treated has to be shown in pairs, heal/policy.h, for a season breaks limits
// and no training mends it); a limit that does not hold makes the endpoint degraded and opens an incident,
// and so a person hears of it even if nothing can be healed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/limit_finding.h"
#include "heal/patient.h"
#include "project/project.h"
#include "store/home.h"

namespace trimtab::heal {

// What is known of the service without labels.
struct ServiceFigures {
  std::int64_t requests = 0, errors = 0;  // Lately.
  std::int64_t timed = 0, slow = 0;       // Of the last requests: longer than p99_ms.
  double p99_ms = 0;
  bool time_counts = true;       // False where a clock is moved by hand.
  std::optional<TimeUs> newest;  // Row whose truth is known; nothing: there is no age of it.
};

// Every limit, in the file's order. A metric is measured on what was answered in the newest labelled batches
// of the version that answers now, one more than `poison_budget`, so that as many as may be wrong break no
// limit alone; with fewer nothing is said. It is out of its limit when its whole 95 % interval is; ece, which
// chance alone makes larger, when it is by more than that. errors and p99_ms (1 % may be slower) are out by
// the evidence that counts for versions on trial (rate_evidence), freshness by its age.
std::vector<LimitFinding> weigh_limits(const std::vector<project::HealthLimit>& limits,
                                       const PolicyOptions& options, const PolicyState& state,
                                       const ServiceFigures& service, TimeUs now);

// Opens an incident when a limit is out, says in an open one which are, and closes it when all hold again.
// Journaled in one transaction each; nothing is said twice.
Status guard_health(store::Home& home, const base::Clock& clock, Patient& ward);
// Whether some limit is out, and which in words; empty: all hold.
std::string broken_limits_text(const std::vector<LimitFinding>& findings);

// Requests and errors of the last hour, from counters that only grow. For one thread.
class RecentTraffic {
 public:
  static constexpr TimeUs kWindow = base::kHourUs;
  struct Count {
    std::int64_t requests = 0, errors = 0;
  };
  // What came since the newest look that is an hour old, or since the first one.
  Count look(TimeUs now, Count total);

 private:
  std::deque<std::pair<TimeUs, Count>> looks_;
};

}  // namespace trimtab::heal
