#include "heal/rounds.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/log.h"
#include "heal/approval.h"
#include "heal/canary_guard.h"
#include "heal/declared_health.h"
#include "heal/label_doubt.h"
#include "heal/lesson.h"
#include "heal/recall.h"
#include "heal/rollout.h"
#include "heal/version_approval.h"
#include "judge/gates.h"
#include "judge/metrics.h"
#include "registry/approvals.h"
#include "registry/endpoints.h"
#include "registry/pushes.h"
#include "registry/record.h"

namespace trimtab::heal {
namespace {

// Of the version that serves now; read once.
void know_weakness(Patient& ward, PolicyState& policy) {
  if (!policy.served_version || policy.weakness_of == *policy.served_version) return;
  policy.weakness_of = *policy.served_version;
  policy.weakness = ward.weakness_of(*policy.served_version);
  policy.weakness_helps = 0;
}

// Which labels are doubted, in the words of the version's columns.
void say_where(Patient& ward, const PolicyState& policy, Json& evidence) {
  if (!evidence["where"].is_array() || !policy.served_version) return;
  evidence.set("where", where_text(evidence["where"], ward.features_of(*policy.served_version)));
}

// What the served version would have said to rows that the former one answered. Where it cannot be asked,
// those rows say nothing of it.
void ask_champion(Patient& ward, const PolicyState& policy, watch::LabelledBatch& batch) {
  if (!wants_scores(policy, batch)) return;
  Result<std::vector<double>> scores = ward.score_again(*policy.served_version, batch);
  if (scores) batch.scores[*policy.served_version] = std::move(*scores);
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

Status Rounds::guard(Patient& ward) {
  TRY(guard_service(home_, clock_, ward));
  return guard_health(home_, clock_, ward);
}

BatchReport Rounds::measure(Patient& ward, const watch::LabelledBatch& batch) const {
  return performance(batch, ward.options().binary);
}

Finding Rounds::weigh(Patient& ward, const watch::LabelledBatch& answered) const {
  Finding finding{{}, ward.policy()};
  know_weakness(ward, finding.next);
  watch::LabelledBatch batch = answered;
  ask_champion(ward, finding.next, batch);
  for (watch::LabelledBatch& earlier : finding.next.recent) ask_champion(ward, finding.next, earlier);
  PolicyOptions options = ward.options();
  const bool suggests = options.heal.mode == project::HealMode::suggest;
  if (suggests) {
    // An unreadable journal is reported by whoever writes to it next.
    (void)home_.database().read([&](store::Connection& connection) -> Status {
      options.held = held_treatments(TRY(list_incidents(connection, ward.name(), true)), clock_.now(),
                                     batch.end - batch.number);
      return {};
    });
  }
  finding.verdict = decide(options, finding.next, batch, clock_.now());
  say_where(ward, finding.next, finding.verdict.evidence);
  if (!suggests) return finding;
  const Treatment treatment = finding.verdict.treatment;
  finding.proposes = treatment != Treatment::none && treatment != Treatment::hold;
  if (!finding.proposes) return finding;
  // What waits is not under way, and has not cost anything yet.
  finding.next.treating = false;
  if (treatment == Treatment::retrain && !finding.next.retrains.empty()) finding.next.retrains.pop_back();
  return finding;
}

// One transaction: how the batch went, what the policy now remembers, and, if something is to be done, the
// incident with its evidence and the treatment that is about to begin.
Status Rounds::journal(Patient& ward, const watch::LabelledBatch& batch, const BatchReport& performance,
                       const Finding& finding) {
  const TimeUs now = clock_.now();
  const bool is_ill = is_service_ill(ward) || !broken_limits_text(ward.limits()).empty();
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    TRY(journal.write_performance(batch, performance));
    TRY(keep_policy(connection, ward.name(), finding.next, now));
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const Incident* incident = open.empty() ? nullptr : &open.front();
    const bool is_sound = finding.next.doubtful_batches == 0;
    if (incident != nullptr && is_sound) TRY(journal.write_rollout(batch, *incident));
    if (finding.verdict.treatment == Treatment::none) {
      return incident != nullptr ? journal.close_if_over(*incident, finding.next, is_ill) : Status();
    }
    return journal.write_verdict(occasion_of(batch), finding, incident, train_takes_);
  }));
  ward.policy() = finding.next;
  ward.answer_at(ward.policy().levels.served());
  return {};
}

namespace {

Result<std::vector<Incident>> open_incidents(store::Home& home, const std::string& endpoint) {
  std::vector<Incident> open;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    open = TRY(list_incidents(connection, endpoint, true));
    return {};
  }));
  return open;
}

// Found out before the version is made champion. Whatever stands in its way, it is this version's: the loop
// does not wait for it.
Error does_not_load(std::int64_t version, const Error& why) {
  return Error{ErrorCode::conflict, "version " + std::to_string(version) + " does not load: " + why.message,
               why.hint, std::nullopt, nullptr};
}

// What did not come off is a failed heal, unless it was a person's wish: then their alias returns.
Status note_setback(store::Home& home, const base::Clock& clock, const Patient& ward,
                    const Incident& incident, const std::string& why, PolicyState& policy) {
  const IncidentEvent* treatment = incident.unfinished_treatment();
  const bool is_wish = treatment != nullptr && treatment->detail.text_or("treatment") == kRollOut &&
                       !treatment->detail.bool_or("healed");
  if (!is_wish) {
    note_refusal(policy, clock.now());
    return {};
  }
  policy.treating = false;
  return registry::refuse_push(home, clock, ward.name(), treatment->detail.int_or("version"), why);
}

Result<bool> is_still_open(store::Home& home, std::int64_t incident) {
  return !TRY(find_incident(home, incident)).closed_at.has_value();
}

bool is_under_way(const Incident& incident) { return incident.unfinished_treatment() != nullptr; }

}  // namespace

Status Rounds::finish_treatments(Patient& ward) {
  bool acted = false;
  std::vector<Incident> open = TRY(open_incidents(home_, ward.name()));
  for (const Incident& incident : open) {
    const IncidentEvent* treatment = incident.unfinished_treatment();
    if (treatment == nullptr || treatment->detail.int_or("available_at") > clock_.now()) continue;
    const IncidentEvent* rollout = incident.rollout();
    acted = true;
    TRY(rollout != nullptr ? carry_rollout(ward, incident, *rollout)
                           : treat(ward, incident, treatment->detail));
  }
  if (acted) open = TRY(open_incidents(home_, ward.name()));
  return std::any_of(open.begin(), open.end(), is_under_way) ? Status() : settle(ward);
}

Status Rounds::treat(Patient& ward, const Incident& incident, const Json& treatment) {
  const std::string name = treatment.text_or("treatment");
  if (name == treatment_name(Treatment::roll_back)) return roll_back(ward, incident, treatment);
  if (name == treatment_name(Treatment::follow_level)) return change_level(ward, incident, true);
  if (name == treatment_name(Treatment::leave_level)) return change_level(ward, incident, false);
  if (name == kRollOut) return roll_out(ward, incident, treatment.int_or("version"));
  return retrain(ward, incident, treatment);
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
  request.changes = changes_of(treatment);
  if (facts.serving_version) {
    request.champion_manifest =
        TRY(registry::find_version(home_, facts.model, *facts.serving_version)).manifest_sha256;
  }
  Result<Trained> trained = train_(request, name + ": " + incident.summary);
  // Meanwhile a person may have rolled back: then this is no longer the loop's to finish.
  if (!TRY(is_still_open(home_, incident.id))) return {};
  if (!trained) return give_up(ward, incident, trained.error());
  registry::NewVersion& version = trained->version;
  const bool declared_pass = version.gates_passed || version.waits;
  if (!treatment.bool_or("gated", true)) {
    version.gates_passed = true;
    version.waits = false;
  } else if (!request.changes.empty() && trained->gain.rows > 1) {
    const judge::GateResult gate = judge::gain_gate(trained->gain, treatment.double_or("gain_se"));
    version.gates.push(gate.to_json());
    version.gates_passed = version.gates_passed && gate.verdict == judge::Verdict::pass;
    version.waits = version.waits && gate.verdict == judge::Verdict::pass;
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
  if (!serves && version.waits && made.gates == "open") {
    PolicyState next = ward.policy();
    note_not_yet(next, clock_.now());
    if (treatment.bool_or("refits")) note_learnt(next, request.changes.back(), treatment.int_or("batches"));
    return ask_about_trained(home_, clock_, ward, incident, treatment, std::move(outcome), std::move(next));
  }
  if (!serves && (version.gates_passed || (version.waits && made.gates == "passed"))) {
    const bool rolls_out =
        ward.options().rollout && facts.serving_version && treatment.bool_or("gated", true);
    if (rolls_out) return begin_rollout(ward, incident, made.version, outcome);
    return promote(ward, incident, made.version, std::move(outcome));
  }
  outcome.set("result", "refused");
  if (serves) outcome.set("why", "the training brought the champion again");
  PolicyState next = ward.policy();
  if (treatment.bool_or("refits")) {
    note_learnt(next, request.changes.back(), treatment.int_or("batches"));
  } else if (declared_pass && !serves) {
    note_not_yet(next, clock_.now());
  } else {
    note_refusal(next, clock_.now());
  }
  return conclude(ward, incident, outcome, std::move(next));
}

// A version that a person has pushed, or an apply, and whose gates have passed: it comes to answer as one
// does that healing has trained.
Status Rounds::roll_out(Patient& ward, const Incident& incident, std::int64_t version) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  const Json outcome = Json::object({{"version", version}});
  if (ward.options().rollout && facts.serving_version && facts.serving_version != version) {
    return begin_rollout(ward, incident, version, outcome);
  }
  return promote(ward, incident, version, outcome);
}

// The rollout stands in the journal before anything of it is done; the next step is carry_rollout's.
Status Rounds::begin_rollout(Patient& ward, const Incident& incident, std::int64_t version,
                             const Json& judged) {
  if (const Status loads = ward.can_serve(version); !loads) {
    return give_up(ward, incident, does_not_load(version, loads.error()));
  }
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  RolloutState state;
  state.version = version;
  state.begun = clock_.now();
  state.champion = *facts.serving_version;
  state.why = "it has passed its gates, and scores along";
  Json detail = state.to_json();
  detail.set("share", 0.0).set("judged", judged);
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    return Journal(connection, ward, clock_.now()).append(incident.id, "rollout", detail);
  }));
  return carry_rollout(ward, incident, {0, clock_.now(), "rollout", detail});
}

// Brings into operation what the newest step says. Safe to repeat: it says what is to be, not what is to be
// done.
Status Rounds::carry_rollout(Patient& ward, const Incident& incident, const IncidentEvent& newest) {
  const RolloutState state = RolloutState::from_json(newest.detail);
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  Json outcome = Json::object({{"version", state.version}, {"why", state.why}});
  // Also after a crash between the promotion and its entry.
  const bool promotes = state.step == RolloutStep::promote || facts.serving_version == state.version;
  if (facts.serving_version != state.champion && facts.serving_version != state.version) {
    outcome.set("why", "the champion has been changed since").set("result", "sent back");
    return end_rollout(ward, incident, outcome);
  }
  if (promotes) return promote(ward, incident, state.version, std::move(outcome));
  if (state.step == RolloutStep::send_back || !ward.options().rollout) {
    if (!ward.options().rollout) outcome.set("why", "no rollout is declared any more");
    return end_rollout(ward, incident, outcome.set("result", "sent back"));
  }
  const std::string name = "incident " + std::to_string(incident.id);
  const int stages = static_cast<int>(ward.options().rollout->canary.size());
  const double share = rollout_share(*ward.options().rollout, std::min(state.stage, stages));
  const bool is_so = facts.challenger_version == state.version && facts.challenger_share == share;
  if (is_so) return {};
  Status changed = registry::change_challenger(home_, clock_, ward.name(), state.version, "heal", name);
  if (changed) {
    changed =
        registry::change_challenger_share(home_, clock_, ward.name(), state.version, share, "heal", name);
  }
  if (!changed && changed.error().code == ErrorCode::conflict) {
    return end_rollout(ward, incident,
                       outcome.set("result", "sent back").set("why", changed.error().message));
  }
  TRY(Status(changed));
  return ward.redeploy();
}

// It did not come to answer everything: the champion goes on, and that is a failed heal.
Status Rounds::end_rollout(Patient& ward, const Incident& incident, const Json& outcome) {
  TRY(registry::change_challenger(home_, clock_, ward.name(), std::nullopt, "heal",
                                  "incident " + std::to_string(incident.id)));
  TRY(ward.redeploy());
  PolicyState next = ward.policy();
  TRY(note_setback(home_, clock_, ward, incident, outcome.text_or("why"), next));
  return conclude(ward, incident, outcome, std::move(next));
}

Status Rounds::promote(Patient& ward, const Incident& incident, std::int64_t version, Json outcome) {
  const std::string name = "incident " + std::to_string(incident.id);
  if (const Status loads = ward.can_serve(version); !loads) {
    return give_up(ward, incident, does_not_load(version, loads.error()));
  }
  if (!TRY(is_still_open(home_, incident.id))) return {};
  const IncidentEvent* treatment = incident.unfinished_treatment();
  const bool refits = treatment != nullptr && treatment->detail.bool_or("refits");
  const Status allowed = registry::change_champion(home_, clock_, ward.name(), version, "heal",
                                                   refits ? "endpoint.refit" : "endpoint.promote", name);
  // A version that an earlier judgement refused stays refused.
  if (!allowed && allowed.error().code == ErrorCode::conflict)
    return give_up(ward, incident, allowed.error());
  TRY(Status(allowed));
  TRY(ward.redeploy());
  PolicyState next = ward.policy();
  note_promotion(next, version, clock_.now());
  if (treatment != nullptr) {
    const std::vector<TimeUs> changes = changes_of(treatment->detail);
    if (!changes.empty()) note_learnt(next, changes.back(), treatment->detail.int_or("batches"));
  }
  return conclude(ward, incident, outcome.set("result", "promoted"), std::move(next));
}

// Back to the version that the journal names, never to "the previous one": after a crash half way that would
// be the one that is to go.
Status Rounds::roll_back(Patient& ward, const Incident& incident, const Json& treatment) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(home_, ward.name()));
  const std::int64_t back = treatment.int_or("back_to");
  const bool is_done = facts.serving_version == back;
  if (const Status loads = ward.can_serve(back); !is_done && !loads) {
    return give_up(ward, incident, does_not_load(back, loads.error()));
  }
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
  // A version on trial was a mistake; one that was right once may be so again.
  if (ward.policy().on_trial) TRY(registry::forget_previous(home_, clock_, ward.name()));
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
  TRY(note_setback(home_, clock_, ward, incident, error.message, next));
  return conclude(ward, incident, Json::object({{"result", "failed"}, {"error", error.message}}),
                  std::move(next));
}

// The outcome, the policy's new state and the end of the incident in one transaction.
Status Rounds::conclude(Patient& ward, const Incident& incident, const Json& outcome, PolicyState next) {
  const TimeUs now = clock_.now();
  const Json closed = Json::object({{"health", health_of(next)}});
  const std::string result = outcome.text_or("result");
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    TRY(journal.append(incident.id, "outcome", outcome));
    TRY(keep_policy(connection, ward.name(), next, now));
    if (result == "promoted") TRY(journal.say("promoted", incident.id, incident.summary, outcome));
    if (result == "rolled back") TRY(journal.say("rolled_back", incident.id, incident.summary, outcome));
    TRY(journal.say_if_person_is_called(incident, ward.policy(), next));
    // A version that waited before waits again, unless there is another champion now.
    const IncidentEvent* aside = incident.plan_set_aside();
    const bool is_other = result == "promoted" || result == "rolled back";
    if (aside != nullptr && !is_other) return journal.append(incident.id, "plan", aside->detail);
    return journal.close(incident, closed);
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
  if (known.challenger_version) {
    // Of a rollout that a person has ended.
    TRY(registry::change_challenger(home_, clock_, ward.name(), std::nullopt, "heal", "its rollout is over"));
    TRY(ward.redeploy());
  }
  if (known.serving_version != ward.policy().served_version) TRY(ward.redeploy());
  std::string health(health_of(ward.policy()));
  std::string reason = broken_limits_text(ward.limits());
  if (health == "healthy" && !reason.empty()) health = "degraded";
  if (reason.empty()) reason = "what the batches and heals so far say";
  if (known.health != health) {
    TRY(registry::change_health(home_, clock_, ward.name(), health, reason));
  }
  const auto pushed = TRY(registry::pushed_version(home_, ward.name()));
  return pushed ? take_up_push(ward, *pushed, known.serving_version.value_or(0)) : Status();
}

namespace {

constexpr std::size_t kReplayedBatches = 3;
constexpr std::int64_t kReplayedRowsMin = 100;  // Fewer say nothing of a version.
constexpr double kClearlyWorse = 2;             // Standard errors.

// What a version said to the rows of a batch, or would have.
Result<std::vector<double>> scores_of(Patient& ward, std::int64_t version,
                                      const watch::LabelledBatch& batch) {
  const auto known = batch.scores.find(version);
  return known != batch.scores.end() ? known->second : ward.score_again(version, batch);
}

// What the newest labelled rows say of a version that has not answered them. Errors: conflict: it is clearly
// worse than the champion.
Status replay(Patient& ward, std::int64_t version, std::int64_t champion) {
  std::vector<double> of_version, of_champion;
  std::size_t left = kReplayedBatches;
  const auto& recent = ward.policy().recent;
  for (auto batch = recent.rbegin(); batch != recent.rend() && left > 0; ++batch, --left) {
    const Result<std::vector<double>> scores = scores_of(ward, version, *batch);
    // Others than the champion of today may have answered them.
    const Result<std::vector<double>> answers = scores_of(ward, champion, *batch);
    if (!scores || !answers) {
      base::log_warning("heal", ward.name() + ": version " + std::to_string(version) +
                                    " cannot be held against the champion on former rows: " +
                                    base::render(scores ? answers.error() : scores.error()));
      return {};
    }
    for (std::size_t row = 0; row < scores->size(); ++row) {
      if (std::isnan((*scores)[row]) || std::isnan((*answers)[row])) continue;
      of_version.push_back(std::pow((*scores)[row] - batch->truth[row], 2));
      of_champion.push_back(std::pow((*answers)[row] - batch->truth[row], 2));
    }
  }
  const judge::PairedDifference worse = judge::paired_difference(of_version, of_champion);
  if (worse.rows < kReplayedRowsMin || !(worse.mean > kClearlyWorse * worse.standard_error)) return {};
  return fail(ErrorCode::conflict,
              "version " + std::to_string(version) + " is clearly worse than the champion: on the newest " +
                  std::to_string(worse.rows) + " labelled rows its squared error is higher by " +
                  Json(worse.mean).dump() + " (standard error " + Json(worse.standard_error).dump() + ")");
}

}  // namespace

// A person's push meets the gates that healing's own versions meet. What may not answer has its alias taken
// back; anything else is a treatment like those of the policy, in the journal before it is begun.
Status Rounds::take_up_push(Patient& ward, std::int64_t version, std::int64_t champion) {
  const auto facts = TRY(registry::find_endpoint(home_, ward.name()));
  const bool waits = TRY(registry::awaited_approval(home_, facts.model, version)).has_value();
  if (waits && is_asked_about(TRY(open_incidents(home_, ward.name())), version, champion)) return {};
  Status may = waits ? Status() : registry::may_be_pushed(home_, ward.name(), version);
  if (may) {
    if (const Status loads = ward.can_serve(version); !loads)
      may = fail(does_not_load(version, loads.error()));
  }
  if (may) may = replay(ward, version, champion);
  if (!may) return registry::refuse_push(home_, clock_, ward.name(), version, may.error().message);
  if (waits) return ask_about_push(home_, clock_, ward, version, champion);
  const TimeUs now = clock_.now();
  PolicyState next = ward.policy();
  next.treating = true;
  Json treatment = Json::object({{"treatment", kRollOut}, {"version", version}, {"champion", champion}});
  treatment.set("as_of", now).set("available_at", now);
  TRY(home_.database().write([&](store::Connection& connection) -> Status {
    Journal journal(connection, ward, now);
    const std::vector<Incident> open = TRY(list_incidents(connection, ward.name(), true));
    const Json detected = Json::object({{"pushed", version}});
    const std::int64_t incident =
        open.empty() ? TRY(journal.open("version " + std::to_string(version) + " was pushed", detected))
                     : open.front().id;
    TRY(journal.append(incident, "treatment", treatment));
    return keep_policy(connection, ward.name(), next, now);
  }));
  ward.policy() = std::move(next);
  return finish_treatments(ward);
}

Status Rounds::end_probation(Patient& ward) {
  if (ward.policy().batches_since_promotion < kWarmBatches) return {};
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
