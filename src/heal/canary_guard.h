// Guards what is on trial (a version that is rolled out, or that the loop has made champion lately) by what
// is known at once, without labels: whether it fails requests that the other version answers, and how long it
// takes. A version that does worse is sent back or rolled back at once.
//
// Evidence. Under "it is no worse", of the requests that one of both fails alone at most every second is its
// own: a sign test (McNemar 1947) that may be looked at after every request. For k of n and a rate r,
//   E = 1/(1-r) · ∫ from r to 1 of (p/r)^k · ((1-p)/(1-r))^(n-k) dp
// is a mixture of likelihood ratios (Robbins 1970; as a bound on rates Howard, Ramdas, McAuliffe, Sekhon
// 2021): while the rate is at most r it never reaches 1,000 but in one case of 1,000, however often one looks
// (Ville 1939). That is the alarm here as everywhere (heal/evidence.h): 13 of 13 reach it, or 33 of 40.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/patient.h"
#include "serve/vitals.h"
#include "store/home.h"

namespace trimtab::heal {

// ln E of "more than `rate` of the `of`", 0 where it speaks against it.
double rate_evidence(std::int64_t count, std::int64_t of, double rate);

// A version on trial beside the one that would answer in its place, on the same requests.
struct ServiceTrial {
  std::int64_t version = 0;
  std::int64_t against = 0;
  std::int64_t requests = 0;
  std::int64_t failed = 0;        // By the version, …
  std::int64_t failed_alone = 0;  // … and of these again those that the other one answered.
  std::int64_t against_failed_alone = 0;
  TimeUs failed_at = 0;  // First.
  std::string error;
  std::int64_t timed = 0;
  std::int64_t slow_alone = 0, against_slow_alone = 0;  // As serve::is_slow has it.
  double ms = 0, against_ms = 0;                        // On average.
  double ms_max = 0;                                    // That the owner has declared; 0: nothing.
  bool time_counts = true;  // Where a clock moves by hand, time is told and never decides.

  Json to_json() const;
  static ServiceTrial from_json(const Json& json);
};

struct ServiceFinding {
  bool is_ill = false;
  std::string hypothesis;  // In words that stay the same while the counts go on.
  std::string why;         // With the counts.
};
// A pure function, so that the journal's counts give the journal's verdict again. Errors are looked at first.
// A version is slow when it is so alone more often than not, and in more than 1 % of the calls (a limit is
// declared: p99_ms) or in more than half of them (there is none).
ServiceFinding weigh_service(const ServiceTrial& trial);

// Looks at the version on trial. What is to be done stands in the journal then, and Rounds carries it out: a
// rollout is sent back; a champion on probation is rolled back, proposed, or left, as `heal.mode` wants it.
Status guard_service(store::Home& home, const base::Clock& clock, Patient& ward);
// Whether there is a champion on probation that should go for it.
bool is_service_ill(const Patient& ward);

}  // namespace trimtab::heal
