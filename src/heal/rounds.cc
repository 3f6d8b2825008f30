#include "heal/rounds.h"

#include <cmath>
#include <span>
#include <utility>

#include "base/log.h"
#include "heal/push.h"
#include "heal/sense.h"
#include "judge/gates.h"
#include "judge/metrics.h"
#include "registry/endpoints.h"
#include "registry/record.h"

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

// What every version that scored the batch did on it; the answers that were given stand under role "served".
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

// The same verdict as the one that the journal ends with: said once is enough.
bool is_said(const Incident& incident, const Verdict& verdict) {
  if (incident.events.empty() || incident.events.back().kind != "verdict") return false;
  const Json& last = incident.events.back().detail;
  return last.text_or("treatment") == treatment_name(verdict.treatment) &&
         last.text_or("hypothesis") == verdict.hypothesis && last.text_or("expected") == verdict.expected;
}

Json treatment_of(const std::string& endpoint, const watch::LabelledBatch& batch, const Finding& finding,
                  TimeUs now, TimeUs train_takes) {
  const Verdict& verdict = finding.verdict;
  Json treatment = Json::object({{"treatment", treatment_name(verdict.treatment)}});
  treatment.set("key", endpoint + "/" + std::to_string(batch.number));
  treatment.set("as_of", now).set("test_from", verdict.test_from);
  treatment.set("champion", finding.next.served_version.value_or(batch.served_version));
  if (verdict.back_to) treatment.set("back_to", *verdict.back_to);
  if (verdict.train_from > 0) treatment.set("train_from", verdict.train_from);
  if (!verdict.left_out.empty()) treatment.set("left_out", spans_json(verdict.left_out));
  if (verdict.since > 0) treatment.set("since", verdict.since);
  if (!verdict.gated) treatment.set("gated", false);
  const bool trains = verdict.treatment == Treatment::retrain;
  return treatment.set("available_at", trains ? now + train_takes : now);
}

// The verdict, in the open incident or in a new one, and the treatment that it begins.
Status write_verdict(store::Connection& connection, const std::string& endpoint,
                     const watch::LabelledBatch& batch, const Finding& finding, const Incident* open,
                     TimeUs now, TimeUs train_takes) {
  const Verdict& verdict = finding.verdict;
  if (verdict.treatment == Treatment::hold && open != nullptr && is_said(*open, verdict)) return {};
  std::int64_t incident = open != nullptr ? open->id : 0;
  if (open == nullptr) {
    incident = TRY(open_incident(connection, endpoint, verdict.hypothesis, now));
    const Json detected = Json::object({{"batch", base::format_time(batch.number)}});
    TRY(append_event(connection, incident, "detected", detected, now));
  }
  TRY(append_event(connection, incident, "verdict", verdict.to_json(), now));
  if (verdict.treatment == Treatment::hold || verdict.treatment == Treatment::quarantine) return {};
  return append_event(connection, incident, "treatment",
                      treatment_of(endpoint, batch, finding, now, train_takes), now);
}

// An incident that only waited is over when what it waited for has gone.
Status close_if_over(store::Connection& connection, const Incident& incident, const PolicyState& state,
                     TimeUs now) {
  const bool stands = evidence_stands(state) || state.levels.alarms();
  if (stands || incident.unfinished_treatment() != nullptr) return {};
  Json closed = Json::object({{"health", health_of(state)}});
  return append_event(connection, incident.id, "closed", closed.set("why", "the evidence has gone"), now);
}

// Adds to a batch what `version` says of it. A version that cannot be asked stays unknown.
void ask(Patient& ward, std::int64_t version, watch::LabelledBatch& batch) {
  if (batch.width == 0 || batch.scores.contains(version) || batch.served_version == version) return;
  const Result<std::vector<double>> scores = ward.rescore(version, batch);
  if (!scores) {
    base::log_warning("heal", ward.name() + ": version " + std::to_string(version) +
                                  " cannot be asked about past rows: " + base::render(scores.error()));
  } else if (scores->size() == batch.truth.size()) {
    batch.scores[version] = *scores;
  }
}

}  // namespace

Train train_with(flow::Pipeline& pipeline, const project::Project& project) {
  return [&pipeline, &project](const flow::TrainingRequest& request,
                               const std::string& reason) -> Result<Trained> {
    flow::ProgressListener silent;
    const flow::Candidate candidate = TRY(pipeline.train(request, silent));
    return Trained{flow::version_of(project, request.model, candidate, "heal", reason), candidate.metrics,
                   candidate.gain};
  };
}

Rounds::Rounds(store::Home& home, const base::Clock& clock, Train train, TimeUs train_takes)
    : home_(home), clock_(clock), train_(std::move(train)), train_takes_(train_takes) {}

BatchReport Rounds::measure(Patient& ward, const watch::LabelledBatch& batch) const {
  return performance(batch, ward.options().binary);
}

Finding Rounds::weigh(Patient& ward, const watch::LabelledBatch& batch) const {
  Finding finding{{}, ward.policy()};
  PolicyState& next = finding.next;
  watch::LabelledBatch asked = batch;
  for (const std::int64_t version : versions_to_score(next)) ask(ward, version, asked);
  // After a promotion: what the new champion would have said of batches that it had not learnt from.
  for (watch::LabelledBatch& earlier : next.recent) {
    if (next.served_version && earlier.number >= next.learnt_until) ask(ward, *next.served_version, earlier);
  }
  finding.verdict = decide(ward.options(), next, asked, clock_.now());
  return finding;
}

Status Rounds::meet_push(Patient& ward) {
  const Result<std::optional<std::int64_t>> found = registry::pushed_version(home_, ward.name());
  if (!found && found.error().code == ErrorCode::not_found) return {};  // Declared, but not applied yet.
  const std::optional<std::int64_t> pushed = TRY(Result<std::optional<std::int64_t>>(found));
  PolicyState next = ward.policy();
  if (!pushed || next.treating || !next.served_version) return {};
  std::vector<watch::LabelledBatch> newest;
  for (auto batch = next.recent.rbegin(); batch != next.recent.rend() && newest.size() < kPushBatches;
       ++batch) {
    if (is_left_out(next, *batch)) continue;
    newest.push_back(*batch);
    for (const std::int64_t version : {*next.served_version, *pushed}) ask(ward, version, newest.back());
  }
  Finding finding{weigh_push(*next.served_version, *pushed, newest), std::move(next)};
  finding.next.treating = true;
  const TimeUs now = clock_.now();
  watch::LabelledBatch about;
  about.number = newest.empty() ? now : newest.front().number;
  about.served_version = *finding.next.served_version;
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    TRY(write_policy(connection, ward.name(), finding.next, now));
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const Incident* incident = open.empty() ? nullptr : &open.front();
    return write_verdict(connection, ward.name(), about, finding, incident, now, train_takes_);
  }));
  ward.policy() = finding.next;
  return finish_treatments(ward);
}

// One transaction: how the batch went, what the policy now remembers, and, if something is to be done, the
// incident with its evidence and the treatment that is about to begin.
Status Rounds::journal(Patient& ward, const watch::LabelledBatch& batch, const BatchReport& performance,
                       const Finding& finding) {
  const TimeUs now = clock_.now();
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    TRY(write_performance(connection, ward.name(), batch, performance, now));
    TRY(write_policy(connection, ward.name(), finding.next, now));
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const Incident* incident = open.empty() ? nullptr : &open.front();
    if (finding.verdict.treatment == Treatment::none) {
      return incident != nullptr ? close_if_over(connection, *incident, finding.next, now) : Status();
    }
    return write_verdict(connection, ward.name(), batch, finding, incident, now, train_takes_);
  }));
  ward.policy() = finding.next;
  ward.answer_at(ward.policy().levels.served());
  return {};
}

Status Rounds::finish_treatments(Patient& ward) {
  std::vector<Incident> open;
  TRY(home_.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, ward.name(), true));
    return {};
  }));
  bool is_waiting = false;
  for (const Incident& incident : open) {
    const IncidentEvent* treatment = incident.unfinished_treatment();
    if (treatment == nullptr) continue;
    if (treatment->detail.int_or("available_at") > clock_.now()) {
      is_waiting = true;
      continue;
    }
    TRY(treat(ward, incident, treatment->detail));
  }
  return is_waiting ? Status() : settle(ward);
}

Status Rounds::treat(Patient& ward, const Incident& incident, const Json& treatment) {
  const std::string name = treatment.text_or("treatment");
  if (name == treatment_name(Treatment::roll_back)) return roll_back(ward, incident, treatment);
  if (name == treatment_name(Treatment::follow_level)) return change_level(ward, incident, true);
  if (name == treatment_name(Treatment::leave_level)) return change_level(ward, incident, false);
  if (name == treatment_name(Treatment::serve_push)) return serve_push(ward, incident, treatment);
  if (name == treatment_name(Treatment::refuse_push)) {
    return refuse_push(ward, incident, treatment, incident.summary);
  }
  return retrain(ward, incident, treatment);
}

// A push meets what every version meets: gates that have refused it, an artifact that does not load.
Status Rounds::serve_push(Patient& ward, const Incident& incident, const Json& treatment) {
  const std::int64_t version = treatment.int_or("back_to");
  const std::string name = "incident " + std::to_string(incident.id);
  const Status allowed =
      registry::change_champion(home_, clock_, ward.name(), version, "push", "endpoint.promote", name);
  if (!allowed &&
      (allowed.error().code == ErrorCode::conflict || allowed.error().code == ErrorCode::not_found))
    return refuse_push(ward, incident, treatment, allowed.error().message);
  TRY(Status(allowed));
  TRY(ward.redeploy());
  PolicyState next = ward.policy();
  next.candidate_learns_until = 0;
  note_promotion(next, version, clock_.now());
  next.on_trial = false;
  return conclude(ward, incident, Json::object({{"result", "promoted"}, {"version", version}}),
                  std::move(next));
}

Status Rounds::refuse_push(Patient& ward, const Incident& incident, const Json& treatment,
                           const std::string& why) {
  const std::int64_t version = treatment.int_or("back_to");
  TRY(registry::refuse_push(home_, clock_, ward.name(), version, why));
  PolicyState next = ward.policy();
  next.treating = false;
  const Json outcome = Json::object({{"result", "push refused"}, {"version", version}, {"why", why}});
  return conclude(ward, incident, outcome, std::move(next));
}

// Trains on what was known when the verdict was reached, judges on the newest batches against the champion,
// and promotes only what passes every gate.
Status Rounds::retrain(Patient& ward, const Incident& incident, const Json& treatment) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  const std::string name = "incident " + std::to_string(incident.id);
  TRY(registry::change_health(home_, clock_, ward.name(), "healing", name));
  flow::TrainingRequest request;
  request.model = facts.model;
  request.as_of = treatment.int_or("as_of");
  if (treatment.int_or("test_from") > 0) request.test_from = treatment.int_or("test_from");
  if (treatment.int_or("train_from") > 0) request.train_from = treatment.int_or("train_from");
  request.left_out = spans_from(treatment["left_out"]);
  if (treatment.int_or("since") > 0) request.since = treatment.int_or("since");
  if (facts.serving_version) {
    request.champion_manifest =
        TRY(registry::find_version(home_, facts.model, *facts.serving_version)).manifest_sha256;
  }
  Result<Trained> trained = train_(request, name + ": " + incident.summary);
  if (!trained) return give_up(ward, incident, trained.error());
  registry::NewVersion& version = trained->version;
  if (!treatment.bool_or("gated", true)) {
    version.gates_passed = true;
  } else if (trained->gain.rows > 1) {
    const judge::GateResult gate = judge::gain_gate(trained->gain);
    version.gates.push(gate.to_json());
    version.gates_passed = version.gates_passed && gate.verdict == judge::Verdict::pass;
  }
  const registry::VersionFacts made = TRY(registry::register_version(home_, clock_, version));
  Json outcome = Json::object({{"version", made.version}, {"gates", version.gates}});
  outcome.set("metrics", trained->metrics);
  const bool serves = facts.serving_version == made.version;
  // A crash after the promotion: the gates were passed against the champion of that time, and are not asked
  // again about the version against itself.
  if (serves && treatment.int_or("champion") != made.version) {
    return promote(ward, incident, made.version, std::move(outcome));
  }
  if (!serves && version.gates_passed) return promote(ward, incident, made.version, std::move(outcome));
  outcome.set("result", "refused");
  if (serves) outcome.set("why", "the training brought the champion again");
  PolicyState next = ward.policy();
  note_refusal(next, clock_.now());
  return conclude(ward, incident, outcome, std::move(next));
}

Status Rounds::promote(Patient& ward, const Incident& incident, std::int64_t version, Json outcome) {
  const std::string name = "incident " + std::to_string(incident.id);
  const Status allowed =
      registry::change_champion(home_, clock_, ward.name(), version, "heal", "endpoint.promote", name);
  // A version that an earlier judgement refused stays refused.
  if (!allowed && allowed.error().code == ErrorCode::conflict)
    return give_up(ward, incident, allowed.error());
  TRY(Status(allowed));
  TRY(ward.redeploy());
  PolicyState next = ward.policy();
  note_promotion(next, version, clock_.now());
  return conclude(ward, incident, outcome.set("result", "promoted"), std::move(next));
}

// Back to the version that the journal names, never to "the previous one": after a crash half way that would
// be the one that is to go.
Status Rounds::roll_back(Patient& ward, const Incident& incident, const Json& treatment) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  const std::int64_t back = treatment.int_or("back_to");
  const bool is_done = facts.serving_version == back;
  if (!is_done && facts.serving_version != treatment.int_or("champion")) {
    const std::string words = "the champion has been changed since: there is nothing to go back from";
    return give_up(ward, incident, Error{ErrorCode::conflict, words, {}, std::nullopt, nullptr});
  }
  const Status changed =
      registry::change_champion(home_, clock_, ward.name(), back, "heal", "endpoint.roll_back",
                                "incident " + std::to_string(incident.id));
  if (!changed &&
      (changed.error().code == ErrorCode::not_found || changed.error().code == ErrorCode::conflict))
    return give_up(ward, incident, changed.error());
  TRY(Status(changed));
  TRY(registry::forget_previous(home_, clock_, ward.name()));
  TRY(ward.redeploy());
  PolicyState next = ward.policy();
  note_rollback(next, back, clock_.now());
  const Json outcome = Json::object({{"result", "rolled back"}, {"version", back}});
  return conclude(ward, incident, outcome, std::move(next));
}

Status Rounds::change_level(Patient& ward, const Incident& incident, bool follows) {
  PolicyState next = ward.policy();
  note_level(next, follows);
  Json outcome = Json::object({{"result", follows ? "follows the level" : "left the level"}});
  outcome.set("level", next.levels.served());
  return conclude(ward, incident, outcome, std::move(next));
}

// A treatment that cannot be carried out is an outcome too; the champion goes on serving. What stands in the
// way of every treatment alike (no space, no disk, the server's end) says nothing about this one.
Status Rounds::give_up(Patient& ward, const Incident& incident, const Error& error) {
  switch (error.code) {
    case ErrorCode::cancelled:
    case ErrorCode::storage_full:
    case ErrorCode::storage_broken:
      return fail(error);
    default:
      break;
  }
  base::log_warning("heal", ward.name() + ": " + base::render(error));
  PolicyState next = ward.policy();
  note_refusal(next, clock_.now());
  return conclude(ward, incident, Json::object({{"result", "failed"}, {"error", error.message}}),
                  std::move(next));
}

// The outcome, the policy's new state and the end of the incident in one transaction.
Status Rounds::conclude(Patient& ward, const Incident& incident, const Json& outcome, PolicyState next) {
  const TimeUs now = clock_.now();
  const Json closed = Json::object({{"health", health_of(next)}});
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    TRY(append_event(connection, incident.id, "outcome", outcome, now));
    TRY(write_policy(connection, ward.name(), next, now));
    return append_event(connection, incident.id, "closed", closed, now);
  }));
  ward.policy() = std::move(next);
  ward.answer_at(ward.policy().levels.served());
  return {};
}

// The champion in operation and the health are levels, not messages: what was changed by hand, or left
// half-way, is put right at the next look.
Status Rounds::settle(Patient& ward) {
  const Result<registry::EndpointFacts> facts = registry::find_endpoint(home_, ward.name());
  if (!facts && facts.error().code == ErrorCode::not_found) return {};  // Declared, but not applied yet.
  const registry::EndpointFacts known = TRY(Result<registry::EndpointFacts>(facts));
  if (known.serving_version != ward.policy().served_version) TRY(ward.redeploy());
  const std::string health(health_of(ward.policy()));
  if (known.health == health) return {};
  return registry::change_health(home_, clock_, ward.name(), health, "what the batches and heals so far say");
}

Status Rounds::end_probation(Patient& ward) {
  if (ward.policy().batches_since_promotion < kProbationBatches) return {};
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  if (!facts.previous_version) return {};
  TRY(registry::forget_previous(home_, clock_, ward.name()));
  return ward.redeploy();
}

std::optional<TimeUs> Rounds::next_due(Patient& ward) const {
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
