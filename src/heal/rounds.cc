#include "heal/rounds.h"

#include <cmath>
#include <span>
#include <utility>

#include "base/log.h"
#include "judge/metrics.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::heal {
namespace {

constexpr int kProbationBatches = 8;  // So long the former champion stays warm and scores along.

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

// What every version that scored the batch did on it; the answers that were given stand under role "served".
BatchReport performance(const watch::LabelledBatch& batch, bool binary) {
  BatchReport rows;
  const Json served = measures(batch, batch.served, binary);
  rows.push_back({batch.served_version, "served", served.int_or("rows"), served.dump()});
  for (const auto& [version, scores] : batch.scores) {
    if (version == batch.served_version) continue;
    const Json of_version = measures(batch, scores, binary);
    const bool previous = batch.roles.at(version) == model::Role::previous;
    rows.push_back({version, previous ? "previous" : "shadow", of_version.int_or("rows"), of_version.dump()});
  }
  return rows;
}

Status write_performance(store::Connection& connection, const std::string& endpoint,
                         const watch::LabelledBatch& batch, const BatchReport& rows, TimeUs now) {
  for (const VersionPerformance& row : rows) {
    TRY(connection
            .prepare("INSERT OR IGNORE INTO batch_performance (endpoint, batch, version, role, predictions, "
                     "labels, "
                     "metrics_json, closed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .with(endpoint, batch.number, row.version, row.role, batch.predictions, row.labels, row.metrics,
                  now)
            .run());
  }
  return {};
}

Status write_policy(store::Connection& connection, const std::string& endpoint, const PolicyState& state,
                    TimeUs now) {
  return connection
      .prepare("INSERT OR REPLACE INTO heal_state (endpoint, state_json, updated_at) VALUES (?, ?, ?)")
      .with(endpoint, state.to_json().dump(), now)
      .run();
}

}  // namespace

Rounds::Rounds(store::Home& home, const base::Clock& clock, flow::Pipeline& pipeline, TimeUs train_takes)
    : home_(home), clock_(clock), pipeline_(pipeline), train_takes_(train_takes) {}

BatchReport Rounds::measure(Ward& ward, const watch::LabelledBatch& batch) const {
  return performance(batch, ward.options().binary);
}

Finding Rounds::weigh(Ward& ward, const watch::LabelledBatch& batch) const {
  Finding finding{{}, ward.policy()};
  finding.verdict = decide(ward.options(), finding.next, batch, clock_.now());
  return finding;
}

// One transaction: how the batch went, what the policy now remembers, and, if something is to be done, the
// incident with its evidence and the treatment that is about to begin.
Status Rounds::journal(Ward& ward, const watch::LabelledBatch& batch, const BatchReport& performance,
                       const Finding& finding) {
  const Verdict& verdict = finding.verdict;
  const TimeUs now = clock_.now();
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    TRY(write_performance(connection, ward.name(), batch, performance, now));
    TRY(write_policy(connection, ward.name(), finding.next, now));
    if (verdict.treatment == Treatment::none) return {};
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const bool has_open = !open.empty();
    const std::int64_t incident =
        has_open ? open.front().id : TRY(open_incident(connection, ward.name(), verdict.hypothesis, now));
    Json detected = Json::object({{"batch", base::format_time(batch.number)}});
    if (!has_open) TRY(append_event(connection, incident, "detected", detected, now));
    TRY(append_event(connection, incident, "verdict", verdict.to_json(), now));
    if (verdict.treatment == Treatment::hold) return {};
    Json treatment = Json::object({{"treatment", treatment_name(verdict.treatment)}});
    treatment.set("key", ward.name() + "/" + std::to_string(batch.number));
    treatment.set("as_of", now).set("test_from", verdict.test_from);
    const bool trains = verdict.treatment == Treatment::retrain;
    treatment.set("available_at", trains ? now + train_takes_ : now);
    return append_event(connection, incident, "treatment", treatment, now);
  }));
  ward.policy() = finding.next;
  return {};
}

Status Rounds::finish_treatments(Ward& ward) {
  std::vector<Incident> open;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, ward.name(), true));
    return {};
  }));
  for (const Incident& incident : open) {
    const IncidentEvent* treatment = incident.unfinished_treatment();
    if (treatment == nullptr || treatment->detail.int_or("available_at") > clock_.now()) continue;
    TRY(treat(ward, incident, *treatment));
  }
  return {};
}

Status Rounds::treat(Ward& ward, const Incident& incident, const IncidentEvent& treatment) {
  const std::string what = treatment.detail.text_or("treatment");
  const Status status = what == treatment_name(Treatment::roll_back)
                            ? roll_back(ward, incident)
                            : retrain(ward, incident, treatment.detail);
  if (status || status.error().code == ErrorCode::cancelled) return status;
  // A treatment that cannot be carried out is an outcome too; the champion goes on serving.
  base::log_warning("heal", ward.name() + ": " + base::render(status.error()));
  note_refusal(ward.policy(), clock_.now());
  Json outcome = Json::object({{"result", "failed"}, {"error", status.error().message}});
  return conclude(ward, incident, outcome, ward.policy().failed_heals >= 2 ? "needs_attention" : "degraded");
}

// Trains on what was known when the verdict was reached, judges on the newest batches against the champion,
// and promotes only what passes every gate. Safe to repeat: steps are cached, a step registers once.
Status Rounds::retrain(Ward& ward, const Incident& incident, const Json& treatment) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  TRY(registry::change_health(home_, clock_, ward.name(), "healing",
                              "incident " + std::to_string(incident.id)));
  flow::TrainingRequest request;
  request.model = facts.model;
  request.as_of = treatment.int_or("as_of");
  if (treatment.int_or("test_from") > 0) request.test_from = treatment.int_or("test_from");
  if (facts.serving_version) {
    request.champion_manifest =
        TRY(registry::find_version(home_, facts.model, *facts.serving_version)).manifest_sha256;
  }
  const flow::Candidate candidate = TRY(pipeline_.train(request, listener_));
  const registry::NewVersion version =
      flow::version_of(ward.project(), facts.model, candidate, "heal",
                       "incident " + std::to_string(incident.id) + ": " + incident.summary);
  const registry::VersionFacts made = TRY(registry::register_version(home_, clock_, version));
  Json outcome =
      Json::object({{"version", made.version}, {"gates", version.gates}, {"metrics", candidate.metrics}});
  if (!version.gates_passed) {
    note_refusal(ward.policy(), clock_.now());
    outcome.set("result", "refused");
    return conclude(ward, incident, outcome,
                    ward.policy().failed_heals >= 2 ? "needs_attention" : "degraded");
  }
  TRY(registry::change_champion(home_, clock_, ward.name(), made.version, "heal", "endpoint.promote",
                                "incident " + std::to_string(incident.id)));
  TRY(ward.redeploy());
  note_promotion(ward.policy(), made.version, clock_.now());
  outcome.set("result", "promoted");
  return conclude(ward, incident, outcome, "healthy");
}

Status Rounds::roll_back(Ward& ward, const Incident& incident) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  if (!facts.previous_version) return fail(ErrorCode::not_found, "there is no earlier version to go back to");
  const std::int64_t back = *facts.previous_version;
  TRY(registry::change_champion(home_, clock_, ward.name(), back, "heal", "endpoint.roll_back",
                                "incident " + std::to_string(incident.id)));
  TRY(registry::forget_previous(home_, clock_, ward.name()));
  TRY(ward.redeploy());
  note_rollback(ward.policy(), back, clock_.now());
  return conclude(ward, incident, Json::object({{"result", "rolled back"}, {"version", back}}), "healthy");
}

// The outcome, the policy's new state and the end of the incident in one transaction.
Status Rounds::conclude(Ward& ward, const Incident& incident, const Json& outcome,
                        const std::string& health) {
  const TimeUs now = clock_.now();
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    TRY(append_event(connection, incident.id, "outcome", outcome, now));
    TRY(write_policy(connection, ward.name(), ward.policy(), now));
    return append_event(connection, incident.id, "closed", Json::object({{"health", health}}), now);
  }));
  return registry::change_health(home_, clock_, ward.name(), health,
                                 "incident " + std::to_string(incident.id));
}

Status Rounds::end_probation(Ward& ward) {
  if (ward.policy().batches_since_promotion != kProbationBatches) return {};
  TRY(registry::forget_previous(home_, clock_, ward.name()));
  return ward.redeploy();
}

std::optional<TimeUs> Rounds::next_due(Ward& ward) const {
  std::optional<TimeUs> due = ward.batches().next_due();
  // An unreadable journal is reported by the look itself.
  (void)home_.database().read([&](store::Connection& connection) -> Status {
    for (const Incident& incident : TRY(list_incidents(connection, ward.name(), true))) {
      const IncidentEvent* treatment = incident.unfinished_treatment();
      if (treatment == nullptr) continue;
      const TimeUs available = treatment->detail.int_or("available_at");
      if (!due || available < *due) due = available;
    }
    return {};
  });
  return due;
}

}  // namespace trimtab::heal
