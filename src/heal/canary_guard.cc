#include "heal/canary_guard.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "heal/approval.h"
#include "heal/evidence.h"
#include "heal/incident.h"
#include "heal/journal.h"
#include "heal/recall.h"
#include "heal/rollout.h"
#include "heal/trial_counts.h"

namespace trimtab::heal {
namespace {

constexpr double kAlone = 0.5;
constexpr double kSlowShareDeclared = 0.01;  // What p99_ms allows.
constexpr double kSlowShare = 0.5;
constexpr double kNoMore = 40;  // ln of what a sum no longer feels.

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// ln of the chance of at most k in n draws, for k at or above the mean.
double log_at_most(std::int64_t k, std::int64_t n, double rate) {
  const auto draws = static_cast<double>(n);
  const double odds = std::log1p(-rate) - std::log(rate);
  double term = log_choose(draws, static_cast<double>(k)) + static_cast<double>(k) * std::log(rate) +
                static_cast<double>(n - k) * std::log1p(-rate);
  double largest = -INFINITY, sum = 0;
  for (std::int64_t i = k; i >= 0; --i) {
    const auto at = static_cast<double>(i);
    if (i < k) term += std::log((at + 1) / (draws - at)) + odds;
    if (term > largest) {
      sum = sum * std::exp(largest - term) + 1;
      largest = term;
    } else {
      sum += std::exp(term - largest);
      if (term < largest - kNoMore) break;
    }
  }
  return largest + std::log(sum);
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string version_text(std::int64_t version) { return "version " + std::to_string(version); }

double share_allowed(const ServiceTrial& trial) { return trial.ms_max > 0 ? kSlowShareDeclared : kSlowShare; }
double failure_evidence(const ServiceTrial& trial) {
  return rate_evidence(trial.failed_alone, trial.failed_alone + trial.against_failed_alone, kAlone);
}
double slow_evidence(const ServiceTrial& trial) {
  return std::min(rate_evidence(trial.slow_alone, trial.slow_alone + trial.against_slow_alone, kAlone),
                  rate_evidence(trial.slow_alone, trial.timed, share_allowed(trial)));
}

std::string failure_text(const ServiceTrial& trial) {
  std::string text = version_text(trial.version) + " failed " + std::to_string(trial.failed) + " of " +
                     std::to_string(trial.requests) + " requests, " + std::to_string(trial.failed_alone) +
                     " of them where " + version_text(trial.against) + " answered";
  if (trial.against_failed_alone > 0)
    text += ", which failed " + std::to_string(trial.against_failed_alone) + " that it answered";
  return text + "; the first at " + base::format_time(trial.failed_at) + ": " + trial.error;
}

std::string slow_text(const ServiceTrial& trial) {
  const std::string limit = trial.ms_max > 0 ? "longer than " + number_text(trial.ms_max) + " ms"
                                             : "more than " + std::to_string(serve::kManyTimes) +
                                                   " times as long as " + version_text(trial.against);
  return version_text(trial.version) + " took " + limit + " for " + std::to_string(trial.slow_alone) +
         " of " + std::to_string(trial.timed) + " rows, on average " + number_text(trial.ms) +
         " ms a row where " + version_text(trial.against) + " took " + number_text(trial.against_ms) + " ms";
}

// `served_is_on_trial`: the champion, beside the one before it.
ServiceTrial trial_of(const serve::PairVitals& pair, bool served_is_on_trial, const PolicyOptions& options) {
  ServiceTrial trial;
  const bool on = served_is_on_trial;
  trial.version = on ? pair.served : pair.other;
  trial.against = on ? pair.other : pair.served;
  trial.requests = pair.requests;
  trial.failed = on ? pair.served_failed : pair.other_failed;
  trial.failed_alone = on ? pair.only_served_failed : pair.only_other_failed;
  trial.against_failed_alone = on ? pair.only_other_failed : pair.only_served_failed;
  const serve::FirstFailure& first = on ? pair.served_first : pair.other_first;
  trial.failed_at = first.time;
  trial.error = first.error;
  trial.timed = pair.timed;
  trial.slow_alone = on ? pair.only_served_slow : pair.only_other_slow;
  trial.against_slow_alone = on ? pair.only_other_slow : pair.only_served_slow;
  const double ms = 1000 * std::max(1.0, static_cast<double>(pair.timed));
  trial.ms = (on ? pair.served_us : pair.other_us) / ms;
  trial.against_ms = (on ? pair.other_us : pair.served_us) / ms;
  trial.ms_max = static_cast<double>(options.time_max_us) / 1000;
  trial.time_counts = options.time_counts;
  return trial;
}

std::optional<serve::PairVitals> pair_of_rollout(const Patient& ward, const RolloutState& state) {
  for (const serve::PairVitals& pair : ward.vitals()) {
    if (pair.other == state.version && pair.served == state.champion) return pair;
  }
  return std::nullopt;
}

std::optional<serve::PairVitals> pair_of_champion(const Patient& ward) {
  if (!ward.policy().on_trial) return std::nullopt;
  for (const serve::PairVitals& pair : ward.vitals()) {
    if (pair.role == model::Role::previous && pair.served == ward.policy().served_version) return pair;
  }
  return std::nullopt;
}

std::optional<ServiceTrial> trial_of_rollout(const Patient& ward, const RolloutState& state) {
  const auto pair = pair_of_rollout(ward, state);
  return pair ? std::optional(trial_of(*pair, false, ward.options())) : std::nullopt;
}

std::optional<ServiceTrial> trial_of_champion(const Patient& ward) {
  const auto pair = pair_of_champion(ward);
  return pair ? std::optional(trial_of(*pair, true, ward.options())) : std::nullopt;
}

// Whatever is on trial now goes on after a restart.
Status keep_trials(store::Home& home, const Patient& ward, const std::vector<Incident>& open) {
  std::vector<serve::PairVitals> on_trial;
  for (const Incident& incident : open) {
    const IncidentEvent* rollout = incident.rollout();
    if (rollout == nullptr) continue;
    const auto pair = pair_of_rollout(ward, RolloutState::from_json(rollout->detail));
    if (pair) on_trial.push_back(*pair);
  }
  if (const auto pair = pair_of_champion(ward)) on_trial.push_back(*pair);
  return keep_counts(home, ward.name(), on_trial);
}

// The rollout's next step, which is the last.
Status guard_rollout(store::Home& home, TimeUs now, const Patient& ward, const Incident& incident) {
  RolloutState state = RolloutState::from_json(incident.rollout()->detail);
  const bool decided = state.step == RolloutStep::promote || state.step == RolloutStep::send_back;
  if (decided || !ward.options().rollout) return {};  // And about to be carried out.
  const std::optional<ServiceTrial> trial = trial_of_rollout(ward, state);
  const ServiceFinding finding = trial ? weigh_service(*trial) : ServiceFinding();
  if (!finding.is_ill) return {};
  state.step = RolloutStep::send_back;
  state.why = finding.why;
  Json detail = state.to_json();
  detail.set("share", rollout_share(*ward.options().rollout, state.stage)).set("service", trial->to_json());
  return home.database().write([&](store::Connection& connection) {
    return Journal(connection, ward, now).append(incident.id, "rollout", detail);
  });
}

// Why nothing is done by itself; empty: it is.
std::string reason_to_hold(const Patient& ward, const std::vector<Incident>& open, TimeUs now) {
  if (ward.options().heal.mode == project::HealMode::off) return "heal.mode is off";
  const auto held = held_treatments(open, now, ward.policy().batch_length);
  const auto found = held.find(Treatment::roll_back);
  return found == held.end() ? "" : found->second;
}

Status guard_champion(store::Home& home, TimeUs now, Patient& ward, const std::vector<Incident>& open) {
  const std::optional<ServiceTrial> trial = trial_of_champion(ward);
  const ServiceFinding ill = trial ? weigh_service(*trial) : ServiceFinding();
  if (!ill.is_ill) return {};
  Finding finding{{}, ward.policy()};
  Verdict& verdict = finding.verdict;
  verdict.hypothesis = ill.hypothesis;
  verdict.evidence = trial->to_json();
  verdict.evidence.set("why", ill.why);
  verdict.expected = reason_to_hold(ward, open, now);
  if (verdict.expected.empty()) {
    verdict.treatment = Treatment::roll_back;
    verdict.back_to = trial->against;
    verdict.expected = "the former champion answers again; nothing is trained";
    finding.proposes = ward.options().heal.mode == project::HealMode::suggest;
    finding.next.treating = !finding.proposes;
  } else {
    verdict.treatment = Treatment::hold;
  }
  TRY(home.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    const Occasion occasion{now, Json::object({{"version", trial->version}, {"why", ill.why}}),
                            trial->version};
    TRY(journal.write_verdict(occasion, finding, open.empty() ? nullptr : &open.front(), 0));
    return keep_policy(connection, ward.name(), finding.next, now);
  }));
  ward.policy() = std::move(finding.next);
  return {};
}

}  // namespace

double rate_evidence(std::int64_t count, std::int64_t of, double rate) {
  const auto k = static_cast<double>(count);
  const auto n = static_cast<double>(of);
  if (of <= 0 || k <= rate * n) return 0;
  // The integral is that of a Beta density over its upper part.
  const double upper = log_at_most(count, of + 1, rate);
  const double whole = -std::log(n + 1) - log_choose(n, k);
  const double log_e = whole + upper - std::log1p(-rate) - k * std::log(rate) - (n - k) * std::log1p(-rate);
  return std::max(0.0, log_e);
}

Json ServiceTrial::to_json() const {
  Json json = Json::object({{"version", version}, {"against", against}, {"requests", requests}});
  json.set("failed", failed).set("failed_alone", failed_alone);
  json.set("against_failed_alone", against_failed_alone).set("S_failed", failure_evidence(*this));
  if (failed_at > 0) json.set("first_failed_at", base::format_time(failed_at)).set("first_error", error);
  json.set("timed", timed).set("slow_alone", slow_alone).set("against_slow_alone", against_slow_alone);
  json.set("ms", ms).set("against_ms", against_ms);
  if (ms_max > 0) json.set("ms_max", ms_max);
  json.set("S_slow", slow_evidence(*this)).set("time_counts", time_counts);
  return json.set("alarm_at", kAlarmLog);
}

ServiceTrial ServiceTrial::from_json(const Json& json) {
  ServiceTrial trial;
  trial.version = json.int_or("version");
  trial.against = json.int_or("against");
  trial.requests = json.int_or("requests");
  trial.failed = json.int_or("failed");
  trial.failed_alone = json.int_or("failed_alone");
  trial.against_failed_alone = json.int_or("against_failed_alone");
  const Result<TimeUs> at = base::parse_time(json.text_or("first_failed_at"));
  if (at) trial.failed_at = *at;
  trial.error = json.text_or("first_error");
  trial.timed = json.int_or("timed");
  trial.slow_alone = json.int_or("slow_alone");
  trial.against_slow_alone = json.int_or("against_slow_alone");
  trial.ms = json.double_or("ms");
  trial.against_ms = json.double_or("against_ms");
  trial.ms_max = json.double_or("ms_max");
  trial.time_counts = json.bool_or("time_counts", true);
  return trial;
}

ServiceFinding weigh_service(const ServiceTrial& trial) {
  if (failure_evidence(trial) > kAlarmLog) {
    return {true,
            version_text(trial.version) + " fails requests that " + version_text(trial.against) + " answers",
            failure_text(trial)};
  }
  if (trial.time_counts && slow_evidence(trial) > kAlarmLog) {
    return {
        true,
        version_text(trial.version) + " takes too long where " + version_text(trial.against) + " does not",
        slow_text(trial)};
  }
  return {};
}

Status guard_service(store::Home& home, const base::Clock& clock, Patient& ward) {
  std::vector<Incident> open;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, ward.name(), true));
    return {};
  }));
  TRY(keep_trials(home, ward, open));
  for (const Incident& incident : open) {
    if (incident.rollout() != nullptr) return guard_rollout(home, clock.now(), ward, incident);
    if (incident.unfinished_treatment() != nullptr) return {};  // One thing at a time.
  }
  return guard_champion(home, clock.now(), ward, open);
}

bool is_service_ill(const Patient& ward) {
  const std::optional<ServiceTrial> trial = trial_of_champion(ward);
  return trial && weigh_service(*trial).is_ill;
}

}  // namespace trimtab::heal
