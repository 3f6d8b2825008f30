#include "heal/declared_health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "heal/canary_guard.h"
#include "heal/evidence.h"
#include "heal/incident.h"
#include "heal/journal.h"
#include "judge/metrics.h"

namespace trimtab::heal {
namespace {

constexpr const char* kOutOfLimits = "the endpoint is not as declared: ";
constexpr double kDays = 2 * 86'400;  // Seconds; from here on an age is told in days.
constexpr double kSlowMost = 0.01;    // What a p99 leaves.

std::string short_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string metric_of(const LimitFinding& finding) {
  return finding.limit.substr(0, finding.limit.find(' '));
}

// What was answered in the newest batches of the version that answers now, and what was true.
struct Answered {
  std::vector<double> score, truth;
  int batches = 0;
};

Answered answered_lately(const PolicyState& state, int batches) {
  Answered lately;
  for (auto batch = state.recent.rbegin(); batch != state.recent.rend() && lately.batches < batches;
       ++batch) {
    if (batch->served_version != state.served_version) continue;
    ++lately.batches;
    for (std::size_t row = 0; row < batch->truth.size(); ++row) {
      if (std::isnan(batch->served[row])) continue;
      lately.score.push_back(batch->served[row]);
      lately.truth.push_back(batch->truth[row]);
    }
  }
  return lately;
}

// What the calibration error of right scores is on average: Σ of the bins' E|scores - truths| / n, each near
// that of a normal variable.
double calibration_by_chance(const std::vector<double>& score) {
  constexpr int kBins = 10;
  std::array<double, kBins> variance{};
  for (const double p : score)
    variance[static_cast<std::size_t>(std::clamp(p * kBins, 0.0, kBins - 1.0))] += p * (1 - p);
  double sum = 0;
  for (const double one : variance) sum += std::sqrt(2 * one / M_PI);
  return score.empty() ? 0 : sum / static_cast<double>(score.size());
}

void weigh_metric(const project::HealthLimit& limit, const Answered& lately, int batches,
                  LimitFinding& finding) {
  finding.rows = std::ssize(lately.truth);
  if (lately.batches < batches) {
    finding.why = std::to_string(lately.batches) + " of " + std::to_string(batches) +
                  " labelled batches of this version are there";
    return;
  }
  const Result<judge::Measure> measured = judge::measure(limit.metric, lately.truth, lately.score);
  if (!measured || !measured->value) {
    finding.why = measured ? measured->reason : measured.error().message;
    return;
  }
  finding.value = measured->value;
  finding.low = measured->low;
  finding.high = measured->high;
  if (limit.metric == "ece")
    finding.low = std::max(0.0, *finding.value - calibration_by_chance(lately.score));
  finding.is_out = limit.at_least ? finding.high.value_or(*finding.value) < limit.threshold
                                  : finding.low.value_or(*finding.value) > limit.threshold;
}

// That more than the share fails is shown as it is of versions on trial.
void weigh_rate(std::int64_t count, std::int64_t of, double share, LimitFinding& finding) {
  finding.rows = of;
  if (of <= 0) {
    finding.why = "no requests";
    return;
  }
  // Where none may fail, one is too many.
  finding.is_out = share > 0 ? share < 1 && rate_evidence(count, of, share) > kAlarmLog : count > 0;
}

void weigh_service_limit(const project::HealthLimit& limit, const ServiceFigures& service, TimeUs now,
                         LimitFinding& finding) {
  if (limit.metric == "errors") {
    weigh_rate(service.errors, service.requests, limit.threshold, finding);
    if (service.requests > 0)
      finding.value = static_cast<double>(service.errors) / static_cast<double>(service.requests);
  } else if (limit.metric == "p99_ms") {
    weigh_rate(service.slow, service.timed, kSlowMost, finding);
    if (service.timed > 0) finding.value = service.p99_ms;
    finding.is_out = finding.is_out && service.time_counts;
  } else if (!service.newest) {
    finding.why = "the age of the newest row is not known";
  } else {
    finding.value = std::max(0.0, static_cast<double>(now - *service.newest) / base::kSecondUs);
    finding.is_out = *finding.value > limit.threshold;
  }
}

bool is_of_health(const IncidentEvent& event) {
  return event.kind == "verdict" && event.detail.text_or("hypothesis").starts_with(kOutOfLimits);
}

const IncidentEvent* newest_of_health(const Incident& incident) {
  const auto found = std::find_if(incident.events.rbegin(), incident.events.rend(), is_of_health);
  return found == incident.events.rend() ? nullptr : &*found;
}

// In words that stay the same while the figures go on.
std::string hypothesis_of(const std::vector<LimitFinding>& findings) {
  std::string text;
  for (const LimitFinding& finding : findings) {
    if (finding.is_out) text += (text.empty() ? "" : ", ") + finding.limit;
  }
  return kOutOfLimits + text + " does not hold";
}

Finding finding_of(const std::vector<LimitFinding>& findings, const Patient& ward) {
  Finding found{{}, ward.policy()};
  found.verdict.treatment = Treatment::hold;
  found.verdict.hypothesis = hypothesis_of(findings);
  Json limits = Json::array();
  for (const LimitFinding& finding : findings) limits.push(finding.to_json());
  found.verdict.evidence.set("limits", std::move(limits)).set("why", broken_limits_text(findings));
  found.verdict.expected = ward.options().heal.mode == project::HealMode::off
                               ? "heal.mode is off"
                               : "what can be healed is treated when the evidence shows what has changed; "
                                 "until then this needs a person's eye";
  return found;
}

}  // namespace

Json LimitFinding::to_json() const {
  Json json = Json::object({{"limit", limit}, {"holds", !is_out}});
  json.set("value", value ? Json(*value) : Json());
  if (low) json.set("low", *low);
  if (high) json.set("high", *high);
  json.set("threshold", threshold).set("rows", rows);
  if (!why.empty()) json.set("why", why);
  return json;
}

std::string LimitFinding::to_text() const {
  const std::string metric = metric_of(*this);
  const std::string declared = limit.substr(std::min(limit.size(), metric.size() + 1));
  const auto shown = [&metric](double of) {
    if (metric == "freshness" && of >= kDays) return short_text(of / (kDays / 2)) + "d";
    if (metric == "freshness") return base::format_duration(static_cast<TimeUs>(of) * base::kSecondUs);
    return metric == "errors" ? short_text(100 * of) + " %" : short_text(of);
  };
  std::string text = metric + " " + (value ? shown(*value) : "?");
  if (low && high) text += " (" + shown(*low) + " to " + shown(*high) + ")";
  return text + " where " + declared + " is declared";
}

std::string broken_limits_text(const std::vector<LimitFinding>& findings) {
  std::string text;
  for (const LimitFinding& finding : findings) {
    if (finding.is_out) text += (text.empty() ? "" : "; ") + finding.to_text();
  }
  return text;
}

std::vector<LimitFinding> weigh_limits(const std::vector<project::HealthLimit>& limits,
                                       const PolicyOptions& options, const PolicyState& state,
                                       const ServiceFigures& service, TimeUs now) {
  const int batches = std::min(options.heal.poison_budget + 1, static_cast<int>(kRecentBatches));
  std::vector<LimitFinding> findings;
  if (limits.empty()) return findings;
  const Answered lately = answered_lately(state, batches);
  for (const project::HealthLimit& limit : limits) {
    LimitFinding& finding = findings.emplace_back();
    finding.limit = limit.metric + " " + limit.text;
    finding.threshold = limit.threshold;
    const bool is_of_service =
        limit.metric == "errors" || limit.metric == "p99_ms" || limit.metric == "freshness";
    if (is_of_service) {
      weigh_service_limit(limit, service, now, finding);
    } else {
      weigh_metric(limit, lately, batches, finding);
    }
  }
  return findings;
}

Status guard_health(store::Home& home, const base::Clock& clock, Patient& ward) {
  const std::vector<LimitFinding> findings = ward.limits();
  if (findings.empty()) return {};
  std::vector<Incident> open;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, ward.name(), true));
    return {};
  }));
  const Incident* incident = open.empty() ? nullptr : &open.front();
  const bool is_busy = incident != nullptr &&
                       (incident->unfinished_treatment() != nullptr || incident->waiting_plan() != nullptr);
  if (is_busy) return {};  // One thing at a time.
  const IncidentEvent* said = incident == nullptr ? nullptr : newest_of_health(*incident);
  const TimeUs now = clock.now();
  if (!std::ranges::any_of(findings, &LimitFinding::is_out)) {
    if (said == nullptr) return {};
    return home.database().write([&](store::Connection& connection) {
      return Journal(connection, ward, now).close_if_over(*incident, ward.policy(), is_service_ill(ward));
    });
  }
  const Finding finding = finding_of(findings, ward);
  if (said != nullptr && said->detail.text_or("hypothesis") == finding.verdict.hypothesis) return {};
  const Occasion occasion{now, Json::object({{"health", broken_limits_text(findings)}}),
                          ward.policy().served_version.value_or(0)};
  return home.database().write([&](store::Connection& connection) {
    return Journal(connection, ward, now).write_verdict(occasion, finding, incident, 0);
  });
}

RecentTraffic::Count RecentTraffic::look(TimeUs now, Count total) {
  if (looks_.empty()) looks_.emplace_back(now, Count{});
  looks_.emplace_back(now, total);
  while (looks_.size() > 2 && now - looks_[1].first >= kWindow) looks_.pop_front();
  const Count& before = looks_.front().second;
  return {total.requests - before.requests, total.errors - before.errors};
}

}  // namespace trimtab::heal
