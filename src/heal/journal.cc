#include "heal/journal.h"

#include <cmath>
#include <span>
#include <utility>

#include "heal/bulletin.h"
#include "heal/lesson.h"
#include "heal/rollout.h"
#include "heal/version_approval.h"
#include "judge/metrics.h"

namespace trimtab::heal {
namespace {

Json measures(const watch::LabelledBatch& batch, std::span<const double> scores, bool binary) {
  std::vector<double> truth, score;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) continue;
    truth.push_back(batch.truth[i]);
    score.push_back(scores[i]);
  }
  Json json = Json::object();
  for (const std::string& name : judge::metric_names(binary)) {
    const Result<judge::Measure> measured = judge::measure(name, truth, score);
    json.set(name, measured && measured->value ? Json(*measured->value) : Json());
  }
  return json.set("rows", static_cast<std::int64_t>(truth.size()));
}

// The same verdict as the one that the journal ends with: said once is enough.
bool is_said(const Incident& incident, const Verdict& verdict) {
  if (incident.events.empty() || incident.events.back().kind != "verdict") return false;
  const Json& last = incident.events.back().detail;
  return last.text_or("treatment") == treatment_name(verdict.treatment) &&
         last.text_or("hypothesis") == verdict.hypothesis && last.text_or("expected") == verdict.expected;
}

Json treatment_of(const std::string& endpoint, const Occasion& occasion, const Finding& finding, TimeUs now,
                  TimeUs train_takes) {
  const Verdict& verdict = finding.verdict;
  Json treatment = Json::object({{"treatment", treatment_name(verdict.treatment)}});
  treatment.set("key", endpoint + "/" + std::to_string(occasion.number));
  treatment.set("as_of", now).set("test_from", verdict.test_from);
  treatment.set("champion", finding.next.served_version.value_or(occasion.served_version));
  if (verdict.back_to) treatment.set("back_to", *verdict.back_to);
  if (verdict.train_from > 0) treatment.set("train_from", verdict.train_from);
  if (!verdict.left_out.empty()) treatment.set("left_out", spans_json(verdict.left_out));
  if (!verdict.changes.empty()) {
    Json changes = Json::array();
    for (const TimeUs change : verdict.changes) changes.push(change);
    treatment.set("changes", std::move(changes)).set("batches", verdict.batches);
    treatment.set("gain_se", verdict.gain_se).set("refits", verdict.refits);
  }
  if (!verdict.gated) treatment.set("gated", false);
  const bool trains = verdict.treatment == Treatment::retrain;
  return treatment.set("available_at", trains ? now + train_takes : now);
}

}  // namespace

bool is_version_waiting(const Incident& incident) {
  const IncidentEvent* plan = incident.waiting_plan();
  return plan != nullptr && plan->detail.text_or("treatment") == kRollOut;
}

Occasion occasion_of(const watch::LabelledBatch& batch) {
  return {batch.number, Json::object({{"batch", base::format_time(batch.number)}}), batch.served_version};
}

BatchReport performance(const watch::LabelledBatch& batch, bool binary) {
  BatchReport rows;
  const Json served = measures(batch, batch.served, binary);
  rows.push_back({batch.served_version, "served", served.int_or("rows"), served.dump()});
  for (const auto& [version, scores] : batch.scores) {
    if (version == batch.served_version) continue;
    const Json of_version = measures(batch, scores, binary);
    const auto role = batch.roles.find(version);
    const bool previous = role != batch.roles.end() && role->second == model::Role::previous;
    rows.push_back({version, previous ? "previous" : "shadow", of_version.int_or("rows"), of_version.dump()});
  }
  return rows;
}

std::vector<TimeUs> changes_of(const Json& treatment) {
  std::vector<TimeUs> changes;
  if (!treatment["changes"].is_array()) return changes;
  for (const Json& change : treatment["changes"].as_array()) changes.push_back(change.as_int());
  return changes;
}

Status Journal::append(std::int64_t incident, const std::string& kind, const Json& detail) {
  return append_event(connection_, incident, kind, detail, now_);
}

Status Journal::say(const std::string& action, std::int64_t incident, const std::string& summary,
                    const Json& detail) {
  return tell(connection_, ward_.options().heal, {action, ward_.name(), incident, summary, detail}, now_);
}

Result<std::int64_t> Journal::open(const std::string& summary, const Json& detected) {
  const std::int64_t incident = TRY(open_incident(connection_, ward_.name(), summary, now_));
  TRY(append(incident, "detected", detected));
  TRY(say("opened", incident, summary, detected));
  return incident;
}

Status Journal::close(const Incident& incident, const Json& closed) {
  TRY(append(incident.id, "closed", closed));
  return say("closed", incident.id, incident.summary, closed);
}

Status Journal::write_performance(const watch::LabelledBatch& batch, const BatchReport& rows) {
  for (const VersionPerformance& row : rows) {
    TRY(connection_
            .prepare("INSERT OR IGNORE INTO batch_performance (endpoint, batch, version, role, predictions, "
                     "labels, "
                     "metrics_json, closed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .with(ward_.name(), batch.number, row.version, row.role, batch.predictions, row.labels,
                  row.metrics, now_)
            .run());
  }
  return {};
}

Status Journal::write_verdict(const Occasion& occasion, const Finding& finding, const Incident* open,
                              TimeUs train_takes) {
  const Verdict& verdict = finding.verdict;
  const bool holds = verdict.treatment == Treatment::hold;
  if (holds && open != nullptr && (is_said(*open, verdict) || open->waiting_plan() != nullptr)) return {};
  std::int64_t incident = open != nullptr ? open->id : 0;
  if (open == nullptr) {
    incident = TRY(this->open(verdict.hypothesis, occasion.detected));
  }
  TRY(append(incident, "verdict", verdict.to_json()));
  if (holds) return {};
  const Json treatment = treatment_of(ward_.name(), occasion, finding, now_, train_takes);
  TRY(append(incident, finding.proposes ? "plan" : "treatment", treatment));
  if (!finding.proposes) return {};
  return say("waiting", incident, verdict.hypothesis, verdict.to_json());
}

Status Journal::close_if_over(const Incident& incident, const PolicyState& state, bool is_ill) {
  const bool stands = is_ill || is_version_waiting(incident) || state.learnable.alarms() ||
                      state.previous_better.alarms() || state.levels.alarms();
  if (stands || incident.unfinished_treatment() != nullptr) return {};
  Json closed = Json::object({{"health", health_of(state)}});
  return close(incident, closed.set("why", "the evidence has gone"));
}

Status Journal::write_rollout(const watch::LabelledBatch& batch, const Incident& incident) {
  const IncidentEvent* newest = incident.rollout();
  const PolicyOptions& options = ward_.options();
  if (newest == nullptr || !options.rollout) return {};
  const RolloutState state = RolloutState::from_json(newest->detail);
  const bool decided = state.step == RolloutStep::promote || state.step == RolloutStep::send_back;
  if (decided) return {};  // And about to be carried out.
  const RolloutState next =
      weigh_rollout(*options.rollout, options.heal.poison_budget, options.binary, state, batch);
  Json detail = next.to_json();
  detail.set("batch", base::format_time(batch.number));
  return append(incident.id, "rollout", detail.set("share", rollout_share(*options.rollout, next.stage)));
}

Status Journal::say_if_person_is_called(const Incident& incident, const PolicyState& before,
                                        const PolicyState& after) {
  const bool calls = health_of(after) == "needs_attention" && health_of(before) != "needs_attention";
  if (!calls) return {};
  return say("needs_attention", incident.id, incident.summary,
             Json::object({{"failed_heals", after.failed_heals}}));
}

}  // namespace trimtab::heal
