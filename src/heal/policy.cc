// The declared policy, in the order in which it thinks: is the former champion better than the one that
// serves (then go back to it)? Do whole batches lie too low or too high in a way that can be foreseen (then
// answer at the expected level, which needs no training)? Is there something to learn that the champion does
// not know, in more batches than the owner allows to be wrong (then retrain)? Everything is compared in pairs
// on the same rows, so that a season is no evidence.
#include "heal/policy.h"

#include <algorithm>
#include <utility>

#include "heal/naive_policy.h"
#include "heal/sense.h"

namespace trimtab::heal {
namespace {

// A week of days: fewer cannot tell a real gain from luck. Tried: no more than half of the batches since the
// change, so that a candidate always learns from some of them; on the flights of 2013 it was worse (log loss
// 0.550 against 0.547 from April to July).
constexpr std::size_t kTestBatches = 7;
constexpr int kBackoffBatches = 2;  // Doubled with each failed heal.
constexpr const char* kCallsAPerson = "two heals in a row have failed: this needs a person";

std::string time_text(TimeUs time) { return base::format_time(time); }

}  // namespace

Json spans_json(const std::vector<features::TimeSpan>& spans) {
  Json json = Json::array();
  for (const features::TimeSpan& span : spans) {
    json.push(Json::object({{"from", span.from}, {"until", span.until}}));
  }
  return json;
}

std::vector<features::TimeSpan> spans_from(const Json& json) {
  std::vector<features::TimeSpan> spans;
  if (!json.is_array()) return spans;
  for (const Json& span : json.as_array()) spans.push_back({span.int_or("from"), span.int_or("until")});
  return spans;
}

std::vector<std::int64_t> versions_to_score(const PolicyState& state) {
  std::vector<std::int64_t> versions;
  if (state.served_version) versions.push_back(*state.served_version);
  for (const auto& [version, better] : state.earlier_better) versions.push_back(version);
  return versions;
}

TimeUs test_start(const PolicyState& state, const watch::LabelledBatch& batch) {
  const auto since_change = static_cast<std::size_t>(std::max(1, state.learnable.length() / 2));
  const std::size_t before = std::min({kTestBatches, since_change, state.recent.size() + 1}) - 1;
  return before == 0 ? batch.number : state.recent[state.recent.size() - before].number;
}

namespace {

Verdict retrain_verdict(PolicyState& state, const watch::LabelledBatch& batch, std::string hypothesis,
                        Json evidence, TimeUs now) {
  Verdict verdict;
  verdict.treatment = Treatment::retrain;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.test_from = test_start(state, batch);
  verdict.since = state.learnable.since() + 1;
  verdict.left_out = state.left_out;
  state.candidate_learns_until = verdict.test_from;
  verdict.expected =
      "one training; the candidate must pass every gate on the batches since " + time_text(verdict.test_from);
  state.retrains.push_back(now);
  state.treating = true;
  return verdict;
}

Verdict hold(std::string hypothesis, Json evidence, std::string expected) {
  Verdict verdict;
  verdict.treatment = Treatment::hold;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.expected = std::move(expected);
  return verdict;
}

// Why the loop may not act at all; empty: it may.
std::string reason_to_leave_it(const PolicyOptions& options, const PolicyState& state) {
  if (options.heal.mode == project::HealMode::off) return "heal.mode is off";
  if (options.heal.mode == project::HealMode::suggest) return "heal.mode is suggest: a person decides";
  if (state.failed_heals >= kFailedHealsMax) return kCallsAPerson;
  return {};
}

// An earlier champion is better: back to it, unless a person wants to be asked or has to be.
Verdict rollback_verdict(const PolicyOptions& options, PolicyState& state, std::int64_t served,
                         std::int64_t earlier, Json evidence) {
  std::string hypothesis = state.batches_since_promotion <= kProbationBatches
                               ? "version " + std::to_string(served) + " is worse than the one before it"
                               : "the world that version " + std::to_string(earlier) + " knows has come back";
  const std::string wait = reason_to_leave_it(options, state);
  if (!wait.empty()) return hold(std::move(hypothesis), std::move(evidence), wait);
  state.treating = true;
  Verdict verdict;
  verdict.treatment = Treatment::roll_back;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.expected = "version " + std::to_string(earlier) + " answers again; nothing is trained";
  verdict.back_to = earlier;
  return verdict;
}

// Which of the reasons to wait holds; empty: none.
std::string reason_to_wait(const PolicyOptions& options, const PolicyState& state, TimeUs now,
                           Json& evidence) {
  const project::Heal& heal = options.heal;
  evidence.set("retrains_in_window", static_cast<std::int64_t>(state.retrains.size()));
  evidence.set("retrains_max", heal.retrains_max).set("failed_heals", state.failed_heals);
  if (std::string reason = reason_to_leave_it(options, state); !reason.empty()) return reason;
  if (state.not_before && now < *state.not_before)
    return "the last candidate was refused: waiting for more rows";
  if (std::ssize(state.retrains) >= heal.retrains_max) return "the retrain budget is used up";
  return {};
}

// To answer at the expected level, or no longer to: undone as easily as done, so it needs no gate but the
// evidence itself.
Verdict level_verdict(const PolicyOptions& options, PolicyState& state, Json evidence) {
  const bool follows = !state.levels.followed;
  std::string hypothesis =
      follows
          ? "whole batches lie too low or too high, and it lasts: the level of the next one can be foreseen"
          : "the level of the next batch can no longer be foreseen";
  const std::string wait = reason_to_leave_it(options, state);
  if (!wait.empty()) return hold(std::move(hypothesis), std::move(evidence), wait);
  state.treating = true;
  Verdict verdict;
  verdict.treatment = follows ? Treatment::follow_level : Treatment::leave_level;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.expected = follows ? "answers move with the level of the batches before; nothing is trained"
                             : "the champion's own scores are answered again; nothing is trained";
  return verdict;
}

// Evidence that rose to an alarm and then went away again was no change that lasted: wrong labels, or a world
// that was back before anything was learnt. Nobody learns from those batches.
void leave_out_if_over(PolicyState& state, bool alarmed, TimeUs until) {
  if (!alarmed || state.learnable.alarms()) return;
  leave_out(state, {state.learnable.since() + 1, until});
  if (state.failed_heals < kFailedHealsMax) state.failed_heals = 0;
  state.not_before.reset();
}

// Is there something to learn, and may it be learnt now?
Verdict weigh_learning(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                       Json evidence, TimeUs now) {
  const int budget = options.heal.poison_budget;
  const EvidenceCusum& learnable = state.learnable;
  evidence.set("S", learnable.value()).set("alarm_at", kAlarmLog).set("since", time_text(learnable.since()));
  evidence.set("batches", learnable.length()).set("newest_ln_e", learnable.newest());
  evidence.set("S_without_budget", learnable.without_strongest(budget)).set("poison_budget", budget);
  // Wrong labels in as many batches as the owner declared must not be able to make the case: without those
  // that say most, the others still have to say the same.
  const bool confirmed = learnable.alarms() && learnable.length() > budget && learnable.newest() > 0 &&
                         learnable.without_strongest(budget) > 0;
  if (!confirmed) return {};
  const std::string hypothesis = "the relation between features and label has changed since " +
                                 time_text(learnable.since()) +
                                 ": a correction learnt from recent batches beats the champion";
  const std::string wait = reason_to_wait(options, state, now, evidence);
  if (!wait.empty()) return hold(hypothesis, evidence, wait);
  return retrain_verdict(state, batch, hypothesis, evidence, now);
}

Verdict quarantine_verdict(const watch::LabelledBatch& batch, const Breach& breach) {
  Verdict verdict;
  verdict.treatment = Treatment::quarantine;
  verdict.hypothesis = "the batch of " + time_text(batch.number) + " is not what batches of this stream are";
  verdict.evidence = breach.to_json();
  verdict.expected = "nobody learns from it and it is no evidence; its answers stand";
  return verdict;
}

// `version` is the champion, and what it says of the batch is known.
Verdict weigh_declared(const PolicyOptions& options, PolicyState& state, std::int64_t version,
                       const watch::LabelledBatch& batch, TimeUs now) {
  Json evidence = Json::object({{"rows", batch.rows()}, {"served_version", version}});
  const std::optional<std::int64_t> earlier = sense_earlier(state, version, batch, evidence);
  if (earlier) return rollback_verdict(options, state, version, *earlier, std::move(evidence));
  if (!options.binary) return {};
  Json about_level = evidence;
  const auto ahead = static_cast<int>((now - batch.number) / std::max<TimeUs>(1, state.batch_length));
  state.levels.learn(as_answered_by(batch, version, state.levels.served()), options.heal.poison_budget, ahead,
                     about_level);
  const bool alarmed = state.learnable.alarms();
  sense_learnable(state, version, batch, evidence);
  leave_out_if_over(state, alarmed, batch.number);
  Verdict of_level;
  if (state.levels.should_follow(options.heal.poison_budget) || state.levels.should_leave()) {
    of_level = level_verdict(options, state, std::move(about_level));
  }
  if (of_level.treatment == Treatment::follow_level || of_level.treatment == Treatment::leave_level) {
    return of_level;
  }
  Verdict verdict = weigh_learning(options, state, batch, std::move(evidence), now);
  return verdict.treatment == Treatment::none ? of_level : verdict;
}

}  // namespace

std::string_view treatment_name(Treatment treatment) {
  switch (treatment) {
    case Treatment::none:
      return "none";
    case Treatment::hold:
      return "hold";
    case Treatment::retrain:
      return "retrain";
    case Treatment::roll_back:
      return "roll_back";
    case Treatment::follow_level:
      return "follow_level";
    case Treatment::leave_level:
      return "leave_level";
    case Treatment::serve_push:
      return "serve_push";
    case Treatment::refuse_push:
      return "refuse_push";
    case Treatment::quarantine:
      return "quarantine";
  }
  return "none";
}

Json Verdict::to_json() const {
  Json json = Json::object({{"treatment", treatment_name(treatment)}, {"hypothesis", hypothesis}});
  json.set("evidence", evidence).set("expected", expected);
  if (train_from > 0) json.set("train_from", time_text(train_from));
  if (test_from > 0) json.set("test_from", time_text(test_from));
  if (since > 0) json.set("since", time_text(since));
  if (back_to) json.set("back_to", *back_to);
  return json;
}

namespace {

// Batches that an earlier champion answered go on arriving after a promotion, as late as their labels. They
// say something about the present one when it was asked about them afterwards and had not learnt from them.
bool is_about(const PolicyState& state, std::int64_t version, const watch::LabelledBatch& batch) {
  return batch.number >= state.learnt_until && batch.scores.contains(version) && !is_left_out(state, batch);
}

void count_batch(PolicyState& state) {
  ++state.batches_since_promotion;
  if (!state.on_trial || state.batches_since_promotion < kProbationBatches) return;
  state.on_trial = false;
  // Who has been called is told by a person that all is well, not by time.
  if (state.failed_heals < kFailedHealsMax) state.failed_heals = 0;
}

}  // namespace

Verdict decide(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
               TimeUs now) {
  state.batch_length = batch.end - batch.number;
  std::erase_if(state.retrains, [&](TimeUs time) { return now - time >= options.heal.retrains_window; });
  Verdict verdict;
  if (options.kind != PolicyKind::declared) {
    if (!state.treating) verdict = weigh_naive(options, state, batch, now);
  } else if (const Breach breach = state.contract.look(batch); breach.is_broken()) {
    leave_out(state, {batch.number, batch.end});
    if (!state.treating) verdict = quarantine_verdict(batch, breach);
  } else {
    const std::int64_t champion = state.served_version.value_or(batch.served_version);
    if (batch.served_version == champion) count_batch(state);
    const bool is_evidence = !state.treating && is_about(state, champion, batch);
    if (is_evidence) verdict = weigh_declared(options, state, champion, batch, now);
  }
  state.recent.push_back(batch);
  if (state.recent.size() > kRecentBatches) state.recent.pop_front();
  return verdict;
}

void note_promotion(PolicyState& state, std::int64_t version, TimeUs) {
  const std::optional<std::int64_t> leaves = state.served_version;
  // One that answered for too short a time is not known to be good; the very first has no other behind it.
  const bool is_known = state.batches_since_promotion >= kServedMin || state.earlier_better.empty();
  if (leaves && is_known) state.earlier_better[*leaves];
  state.earlier_better.erase(version);
  while (state.earlier_better.size() > kEarlierMax) state.earlier_better.erase(state.earlier_better.begin());
  for (auto& [earlier, better] : state.earlier_better) better.reset();
  state.learnable.reset();
  state.levels.forecast.forget_newest();
  state.served_version = version;
  state.learnt_until = std::exchange(state.candidate_learns_until, 0);
  state.batches_since_promotion = 0;
  state.not_before.reset();
  state.treating = false;
  state.on_trial = true;
}

void note_refusal(PolicyState& state, TimeUs now) {
  ++state.failed_heals;
  state.treating = false;
  state.not_before =
      now + (TimeUs{kBackoffBatches} << std::min(state.failed_heals - 1, 6)) * state.batch_length;
}

void note_rollback(PolicyState& state, std::int64_t version, TimeUs now) {
  if (state.on_trial) ++state.failed_heals;
  const std::optional<std::int64_t> leaves = state.served_version;
  const bool was_short = state.batches_since_promotion < kServedMin;
  state.candidate_learns_until = 0;
  note_promotion(state, version, now);
  if (leaves && was_short) state.earlier_better.erase(*leaves);
  state.on_trial = false;
}

void note_level(PolicyState& state, bool follows) {
  state.levels.follow(follows);
  state.treating = false;
}

void note_champion(PolicyState& state, std::int64_t version) {
  if (state.treating || state.served_version == version) return;
  const bool is_known = state.served_version.has_value();
  state.served_version = version;
  if (!is_known) return;
  state.candidate_learns_until = 0;
  note_promotion(state, version, 0);
  state.on_trial = false;
  state.failed_heals = 0;
}

bool evidence_stands(const PolicyState& state) {
  const auto alarms = [](const auto& entry) { return entry.second.alarms(); };
  return state.learnable.alarms() ||
         std::any_of(state.earlier_better.begin(), state.earlier_better.end(), alarms);
}

std::string_view health_of(const PolicyState& state) {
  if (state.failed_heals >= kFailedHealsMax) return "needs_attention";
  return evidence_stands(state) ? "degraded" : "healthy";
}

Json PolicyState::to_json() const {
  Json json = Json::object({{"contract", contract.to_json()}, {"learnable", learnable.to_json()}});
  Json earlier = Json::object();
  for (const auto& [version, better] : earlier_better) earlier.set(std::to_string(version), better.to_json());
  json.set("earlier_better", std::move(earlier)).set("left_out", spans_json(left_out));
  json.set("learnt_until", learnt_until).set("candidate_learns_until", candidate_learns_until);
  json.set("served_version", served_version ? Json(*served_version) : Json());
  json.set("batches_since_promotion", batches_since_promotion).set("failed_heals", failed_heals);
  json.set("treating", treating).set("on_trial", on_trial).set("levels", levels.to_json());
  Json times = Json::array();
  for (const TimeUs time : retrains) times.push(time);
  json.set("retrains", std::move(times)).set("batch_length", batch_length);
  json.set("not_before", not_before ? Json(*not_before) : Json());
  json.set("naive", naive);
  return json.set("last_periodic", last_periodic ? Json(*last_periodic) : Json());
}

PolicyState PolicyState::from_json(const Json& json) {
  const auto optional = [&json](std::string_view name) {
    const Json& value = json[name];
    return value.is_int() ? std::optional<std::int64_t>(value.as_int()) : std::nullopt;
  };
  PolicyState state;
  state.contract = Contract::from_json(json["contract"]);
  state.learnable = EvidenceCusum::from_json(json["learnable"]);
  if (json["earlier_better"].is_object()) {
    for (const auto& [version, better] : json["earlier_better"].as_object()) {
      state.earlier_better[std::stoll(version)] = EvidenceCusum::from_json(better);
    }
  }
  state.left_out = spans_from(json["left_out"]);
  state.learnt_until = json.int_or("learnt_until");
  state.candidate_learns_until = json.int_or("candidate_learns_until");
  state.served_version = optional("served_version");
  state.batches_since_promotion = json.int_or("batches_since_promotion");
  state.failed_heals = static_cast<int>(json.int_or("failed_heals"));
  state.treating = json.bool_or("treating");
  state.on_trial = json.bool_or("on_trial");
  state.levels = LevelState::from_json(json["levels"]);
  for (const Json& time : json["retrains"].as_array()) state.retrains.push_back(time.as_int());
  state.batch_length = json.int_or("batch_length", base::kDayUs);
  state.not_before = optional("not_before");
  state.last_periodic = optional("last_periodic");
  if (json["naive"].is_object()) state.naive = json["naive"];
  return state;
}

}  // namespace trimtab::heal
