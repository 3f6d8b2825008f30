// The declared policy, in the order in which it thinks: is the former champion better than the one that
// serves (then go back to it)? Do whole batches lie too low or too high in a way that can be foreseen (then
// answer at the expected level, which needs no training)? Is there something to learn that the champion does
// not know, in more batches than the owner allows to be wrong (then retrain)? Everything is compared in pairs
// on the same rows, so that a season is no evidence.
#include "heal/policy.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "heal/label_doubt.h"
#include "heal/learnable.h"
#include "heal/lesson.h"
#include "heal/naive_policy.h"
#include "model/level.h"

namespace trimtab::heal {
namespace {

// A refused candidate is followed by another when there are more rows. After two the loop stops and calls a
// person; if nobody comes it tries again much later, for a world that goes on changing is left to nobody.
constexpr int kBackoffBatches = 2;
constexpr int kStopBatches = 14;
constexpr const char* kCallsAPerson = "two heals in a row have failed: this needs a person";
// Evidence that rises again so soon after a promotion is about the same change, which is not yet learnt
// whole.
constexpr std::int64_t kSameChangeBatches = 20;
// What was learnt of a change from few batches is learnt again when there are so many times more, as long as
// there are few: a model's excess loss falls as one over the rows, so that each refit brings less. Where
// there are many, only if the evidence leans that way, too.
constexpr double kMoreBatches = 2.4;
constexpr std::int64_t kFewBatches = 25;
constexpr std::int64_t kRefitBatchesMax = 60;
constexpr double kLeans = 3;  // ln 20
// Faults of labels are found and mended within so many poison budgets.
constexpr int kDoubtTimesBudget = 4;
constexpr int kDoubtBudgetMin = 3;
constexpr double kDamagedShare = 0.2;     // Of a batch's rows that were repaired: it counts as damaged.
constexpr std::size_t kLeftOutMax = 256;  // Spans; the oldest are forgotten.

std::string time_text(TimeUs time) { return base::format_time(time); }

// A version's scores; while answers follow the level, moved to that of the batch, as answers would have been:
// a day on which all lies high then speaks for nobody.
std::vector<double> as_answered(const PolicyState& state, const watch::LabelledBatch& batch,
                                std::vector<double> scores) {
  if (!state.levels.followed) return scores;
  const double level = fit_level(scores, batch.truth);
  for (double& score : scores) score = model::at_level(score, level);
  return scores;
}

// During probation: would the former champion have done better? Says which version that is.
std::optional<std::int64_t> compare_previous(PolicyState& state, const watch::LabelledBatch& batch,
                                             Json& evidence) {
  for (const auto& [version, role] : batch.roles) {
    if (role != model::Role::previous || version == batch.served_version) continue;
    const auto scored = batch.scores.find(version);
    if (scored == batch.scores.end()) continue;
    const std::vector<double> scores = as_answered(state, batch, scored->second);
    const std::vector<double> answers = as_answered(state, batch, batch.plain);
    std::vector<double> difference;
    double served = 0, previous = 0;
    for (std::size_t row = 0; row < scores.size(); ++row) {
      if (std::isnan(scores[row]) || std::isnan(answers[row])) continue;
      const double of_served = std::pow(answers[row] - batch.truth[row], 2);
      const double of_previous = std::pow(scores[row] - batch.truth[row], 2);
      served += of_served;
      previous += of_previous;
      difference.push_back(std::clamp(of_served - of_previous - kWorthwhile, -1.0, 1.0));
    }
    if (difference.empty()) continue;
    const auto rows = static_cast<double>(difference.size());
    state.previous_better.push(std::span<const double>(difference), batch.number);
    evidence.set("served_brier", served / rows).set("previous_brier", previous / rows);
    evidence.set("previous_version", version).set("S_previous", state.previous_better.value());
    return version;
  }
  return std::nullopt;
}

// `refits`: what the champion has learnt of the change already, from fewer batches.
Verdict retrain_verdict(PolicyState& state, const watch::LabelledBatch& batch, std::vector<TimeUs> changes,
                        bool refits, std::string hypothesis, Json evidence, TimeUs now) {
  Verdict verdict;
  verdict.treatment = Treatment::retrain;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  set_lesson(verdict, state, batch, std::move(changes), refits);
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
std::string reason_to_leave_it(const PolicyOptions& options, Treatment treatment) {
  if (options.heal.mode == project::HealMode::off) return "heal.mode is off";
  if (const auto held = options.held.find(treatment); held != options.held.end()) return held->second;
  return {};
}

// The former champion is better: back to it, unless a person wants to be asked or has to be.
Verdict rollback_verdict(const PolicyOptions& options, PolicyState& state, std::int64_t served,
                         std::int64_t previous, Json evidence) {
  std::string hypothesis = state.on_trial
                               ? "version " + std::to_string(served) + " is worse than the one before it"
                               : "the world of version " + std::to_string(previous) + " has come back";
  const std::string wait = reason_to_leave_it(options, Treatment::roll_back);
  if (!wait.empty()) return hold(std::move(hypothesis), std::move(evidence), wait);
  state.treating = true;
  Verdict verdict;
  verdict.treatment = Treatment::roll_back;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.expected = "the former champion answers again; nothing is trained";
  verdict.back_to = previous;
  return verdict;
}

// Which of the reasons to wait holds; empty: none.
std::string reason_to_wait(const PolicyOptions& options, const PolicyState& state, TimeUs now,
                           Json& evidence) {
  const project::Heal& heal = options.heal;
  evidence.set("retrains_in_window", static_cast<std::int64_t>(state.retrains.size()));
  evidence.set("retrains_max", heal.retrains_max).set("failed_heals", state.failed_heals);
  if (std::string reason = reason_to_leave_it(options, Treatment::retrain); !reason.empty()) {
    return reason;
  }
  if (state.not_before && now < *state.not_before) {
    return state.failed_heals < kFailedHealsMax ? "the last candidate was refused: waiting for more rows"
                                                : kCallsAPerson;
  }
  if (state.weighed_at > 0 && state.learnable.value() < state.weighed_at + kAlarmLog)
    return "the last candidate was better by no more than chance explains: waiting for more evidence";
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
  const Treatment treatment = follows ? Treatment::follow_level : Treatment::leave_level;
  const std::string wait = reason_to_leave_it(options, treatment);
  if (!wait.empty()) return hold(std::move(hypothesis), std::move(evidence), wait);
  state.treating = true;
  Verdict verdict;
  verdict.treatment = treatment;
  verdict.hypothesis = std::move(hypothesis);
  verdict.evidence = std::move(evidence);
  verdict.expected = follows ? "answers move with the level of the batches before; nothing is trained"
                             : "the champion's own scores are answered again; nothing is trained";
  return verdict;
}

void add_span(std::vector<features::TimeSpan>& spans, features::TimeSpan span) {
  if (!spans.empty() && spans.back().until == span.from) {
    spans.back().until = span.until;
    return;
  }
  spans.push_back(span);
  if (spans.size() > kLeftOutMax) spans.erase(spans.begin());
}

// Evidence that rose to an alarm and then went away again was no change that lasted: wrong labels, or a world
// that was back before anything was learnt. Nobody learns from those batches.
void leave_out_if_over(PolicyState& state, bool alarmed, const watch::LabelledBatch& batch) {
  if (!state.learnable.alarms()) state.weighed_at = 0;
  if (!alarmed || state.learnable.alarms()) return;
  add_span(state.left_out, {rise_of_evidence(state, batch), batch.number});
  state.failed_heals = 0;
  state.not_before.reset();
}

// Whether the newest promotion was about a change of which there may be more to learn.
bool is_learning_a_change(const PolicyState& state) {
  return state.changed_since > 0 && state.batches_since_promotion < kSameChangeBatches;
}

// When the world may have changed, ascending: what is being learnt already, where the evidence began to rise,
// and where it began to rise fast. On the first day of a change no probe knows better yet: it is the one
// before the evidence rose.
std::vector<TimeUs> changes_seen(const PolicyState& state, const watch::LabelledBatch& batch, int budget) {
  std::vector<TimeUs> changes;
  const auto add = [&changes](TimeUs change) {
    if (changes.empty() || changes.back() < change) changes.push_back(change);
  };
  if (is_learning_a_change(state)) add(state.changed_since);
  add(rise_of_evidence(state, batch));
  const int steepest = state.learnable.steepest();
  const bool is_recent = steepest > budget && static_cast<std::size_t>(steepest) < state.recent.size();
  if (is_recent) add(start_of_newest(steepest + 1, state, batch));
  return changes;
}

// The version that answers has learnt a change from few batches, and there are more now.
Verdict weigh_refit(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                    Json evidence, TimeUs now) {
  if (state.changed_since == 0 || state.learnt_batches <= 0) return {};
  const std::int64_t count = batches_to_learn(state.changed_since, state, batch);
  const auto learnt = static_cast<double>(state.learnt_batches);
  if (count > kRefitBatchesMax || static_cast<double>(count) < kMoreBatches * learnt) return {};
  if (count > kFewBatches && state.learnable.value() < kLeans) return {};
  if (!reason_to_leave_it(options, Treatment::retrain).empty()) return {};
  if (!reason_to_wait(options, state, now, evidence).empty()) return {};
  evidence.set("batches_learnt", state.learnt_batches).set("batches_since", count);
  const std::string hypothesis = "what is known of the change of " + time_text(state.changed_since) +
                                 " was learnt from few batches, and there are more now";
  return retrain_verdict(state, batch, {state.changed_since}, true, hypothesis, std::move(evidence), now);
}

// What was answered to repaired rows is evidence like any other; what is learnt from files is another matter.
bool is_damaged(const watch::LabelledBatch& batch) {
  return batch.rows() > 0 &&
         static_cast<double>(batch.damaged) >= kDamagedShare * static_cast<double>(batch.rows());
}

// So many batches in a row, faults of labels do not last.
int believed_after(const PolicyOptions& options) {
  return kDoubtTimesBudget * std::max(options.heal.poison_budget, kDoubtBudgetMin);
}

// Labels that cannot be what happened say nothing of any version, and nobody learns from them. What goes on
// for longer than a fault may is believed after all. Nothing: there is no doubt.
std::optional<Verdict> weigh_labels(const PolicyOptions& options, PolicyState& state,
                                    const watch::LabelledBatch& batch) {
  RowPool now;
  now.add(batch);
  const std::optional<LabelDoubt> doubt =
      doubt_labels(now.rows(), state.doubtful_batches > 0 ? 0 : kDoubtUnexplained);
  if (!doubt) {
    state.doubtful_batches = 0;
    return std::nullopt;
  }
  const int lasting = believed_after(options);
  if (state.doubtful_batches >= lasting) return std::nullopt;
  if (state.doubtful_batches == 0) state.doubtful_since = batch.number;
  if (++state.doubtful_batches == lasting) {
    std::erase_if(state.left_out, [&](const auto& span) { return span.from >= state.doubtful_since; });
    return std::nullopt;
  }
  add_span(state.left_out, {batch.number, batch.end});
  Json evidence = doubt->to_json();
  evidence.set("rows", batch.rows()).set("served_version", batch.served_version);
  evidence.set("doubtful_batches", state.doubtful_batches);
  return hold("since " + time_text(state.doubtful_since) +
                  " labels say the same of all rows of a kind: their source may be broken",
              std::move(evidence),
              "nothing is learnt from these batches; if it is the truth, that is believed after " +
                  std::to_string(lasting) + " of them");
}

// Whoever swaps two labels turns a model round; so does a world, now and then.
Verdict turned_verdict(const PolicyOptions& options, const PolicyState& state, Json evidence) {
  evidence.set("S_turned", state.turned.value()).set("turned_batches", state.turned_batches);
  return hold("since " + time_text(state.turned.since()) +
                  " labels say the contrary of what the champion says: their source may have swapped them",
              std::move(evidence),
              "nothing is learnt from that yet; if it is the truth, it is believed after " +
                  std::to_string(believed_after(options)) + " batches");
}

Verdict weigh_declared(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                       TimeUs now) {
  if (is_damaged(batch)) add_span(state.damaged, {batch.number, batch.end});
  if (options.binary) {
    if (std::optional<Verdict> doubt = weigh_labels(options, state, batch)) return *doubt;
  }
  Json evidence = Json::object({{"rows", batch.rows()}, {"served_version", batch.served_version}});
  const std::optional<std::int64_t> previous = compare_previous(state, batch, evidence);
  if (previous && state.previous_better.alarms()) {
    return rollback_verdict(options, state, batch.served_version, *previous, std::move(evidence));
  }
  const int budget = options.heal.poison_budget;
  Json about_level = evidence;
  if (options.binary) {
    const auto ahead = static_cast<int>((now - batch.number) / std::max<TimeUs>(1, state.batch_length));
    state.levels.learn(batch, budget, ahead, about_level);
    const bool alarmed = state.learnable.alarms();
    gather_evidence(state, batch, believed_after(options), evidence);
    leave_out_if_over(state, alarmed, batch);
  }
  Verdict of_level;
  if (state.levels.should_follow(budget) || state.levels.should_leave()) {
    of_level = level_verdict(options, state, std::move(about_level));
  }
  if (of_level.treatment == Treatment::follow_level || of_level.treatment == Treatment::leave_level) {
    return of_level;
  }
  const EvidenceCusum& learnable = state.learnable;
  evidence.set("S", learnable.value()).set("alarm_at", kAlarmLog).set("since", time_text(learnable.since()));
  evidence.set("batches", learnable.length()).set("newest_ln_e", learnable.newest());
  evidence.set("S_without_budget", learnable.without_strongest(std::max(0, budget - 1)))
      .set("poison_budget", budget);
  // Wrong labels in as many batches as the owner declared must not be able to make the case. Their first
  // batch says nothing, because no probe has seen the like: the others are one fewer, and without those that
  // say most the rest still has to say the same.
  const int others = std::max(0, budget - 1);
  const bool confirmed = learnable.alarms() && learnable.length() > others && learnable.newest() > 0 &&
                         learnable.without_strongest(others) > 0;
  if (!learnable.alarms() && state.turned.alarms())
    return turned_verdict(options, state, std::move(evidence));
  if (!confirmed) {
    const bool may_refit = of_level.treatment == Treatment::none && !learnable.alarms();
    return may_refit ? weigh_refit(options, state, batch, std::move(evidence), now) : of_level;
  }
  const std::string hypothesis = "the relation between features and label has changed since " +
                                 time_text(learnable.since()) +
                                 ": a correction learnt from recent batches beats the champion";
  std::string wait = reason_to_wait(options, state, now, evidence);
  if (wait.empty() && learnable.sum_of_newest(kTestBatchesMax) < kTestLog)
    wait = "it is too slight to be shown on " + std::to_string(kTestBatchesMax) + " batches";
  if (!wait.empty()) return hold(hypothesis, evidence, wait);
  return retrain_verdict(state, batch, changes_seen(state, batch, budget), false, hypothesis, evidence, now);
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
  }
  return "none";
}

Json Verdict::to_json() const {
  Json json = Json::object({{"treatment", treatment_name(treatment)}, {"hypothesis", hypothesis}});
  json.set("evidence", evidence).set("expected", expected);
  if (train_from > 0) json.set("train_from", time_text(train_from));
  if (test_from > 0) json.set("test_from", time_text(test_from));
  if (!changes.empty()) {
    Json times = Json::array();
    for (const TimeUs change : changes) times.push(time_text(change));
    json.set("changes", std::move(times)).set("batches", batches).set("gain_se", gain_se);
  }
  if (back_to) json.set("back_to", *back_to);
  return json;
}

namespace {

// Batches that the former champion answered go on arriving after a promotion, as late as their labels. They
// say something about the present one only when it scored along: then they are seen as if it had answered.
// False: nothing.
bool see_as_champions(const PolicyState& state, watch::LabelledBatch& batch) {
  if (!state.served_version || *state.served_version == batch.served_version) return true;
  const auto scored = batch.scores.find(*state.served_version);
  if (scored == batch.scores.end()) return false;
  const auto missing = std::count_if(scored->second.begin(), scored->second.end(),
                                     [](double score) { return std::isnan(score); });
  if (missing * 2 > batch.rows()) return false;
  if (batch.served_version == state.former_version) batch.roles[batch.served_version] = model::Role::previous;
  batch.served_version = *state.served_version;
  batch.plain = batch.served = scored->second;
  return true;
}

void count_batch(PolicyState& state) {
  ++state.batches_since_promotion;
  if (!state.on_trial || state.batches_since_promotion < kProbationBatches) return;
  state.on_trial = false;
  state.failed_heals = 0;
}

}  // namespace

bool wants_scores(const PolicyState& state, const watch::LabelledBatch& batch) {
  return state.served_version && *state.served_version != batch.served_version &&
         batch.number >= state.unlearnt_from && !batch.scores.contains(*state.served_version);
}

Verdict decide(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
               TimeUs now) {
  state.batch_length = batch.end - batch.number;
  std::erase_if(state.retrains, [&](TimeUs time) { return now - time >= options.heal.retrains_window; });
  Verdict verdict;
  if (options.kind != PolicyKind::declared) {
    if (!state.treating) verdict = weigh_naive(options, state, batch, now);
  } else {
    for (watch::LabelledBatch& earlier : state.recent) see_as_champions(state, earlier);
    watch::LabelledBatch seen = batch;
    if (see_as_champions(state, seen)) {
      count_batch(state);
      if (!state.treating) verdict = weigh_declared(options, state, seen, now);
    }
  }
  state.recent.push_back(batch);
  if (state.recent.size() > kRecentBatches) state.recent.pop_front();
  return verdict;
}

void note_promotion(PolicyState& state, std::int64_t version, TimeUs) {
  state.learnable.reset();
  state.turned.reset();
  state.turned_batches = 0;
  state.previous_better.reset();
  state.levels.forecast.forget_newest();
  state.changed_since = 0;
  state.learnt_batches = 0;
  state.weighed_at = 0;
  if (state.served_version != version) state.former_version = state.served_version;
  state.served_version = version;
  if (!state.recent.empty()) state.unlearnt_from = state.recent.back().end;
  state.batches_since_promotion = 0;
  state.not_before.reset();
  state.treating = false;
  state.on_trial = true;
}

void note_refusal(PolicyState& state, TimeUs now) {
  ++state.failed_heals;
  state.treating = false;
  const int batches = state.failed_heals < kFailedHealsMax ? kBackoffBatches : kStopBatches;
  state.not_before = now + batches * state.batch_length;
}

void note_learnt(PolicyState& state, TimeUs since, std::int64_t batches) {
  state.changed_since = since;
  state.learnt_batches = batches;
  state.treating = false;
}

void note_not_yet(PolicyState& state, TimeUs now) {
  state.treating = false;
  state.weighed_at = state.learnable.value();
  state.not_before = now + kBackoffBatches * state.batch_length;
}

void note_rollback(PolicyState& state, std::int64_t version, TimeUs now) {
  const bool was_mistake = state.on_trial;
  if (was_mistake) ++state.failed_heals;
  // What can be learnt may be news to the former champion, too; if it is not, this falls at once.
  EvidenceCusum learnable = std::move(state.learnable);
  note_promotion(state, version, now);
  state.learnable = std::move(learnable);
  state.on_trial = false;
  // What it answered goes on arriving with its labels: that is no world of its own that comes back.
  if (was_mistake) state.former_version.reset();
}

void note_taken_back(PolicyState& state, std::int64_t version, TimeUs now) {
  note_promotion(state, version, now);
  state.former_version.reset();
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
  note_promotion(state, version, 0);
  state.on_trial = false;
  state.failed_heals = 0;
}

std::string_view health_of(const PolicyState& state) {
  if (state.failed_heals >= kFailedHealsMax) return "needs_attention";
  return state.learnable.alarms() || state.previous_better.alarms() ? "degraded" : "healthy";
}

Json PolicyState::to_json() const {
  Json json =
      Json::object({{"learnable", learnable.to_json()}, {"previous_better", previous_better.to_json()}});
  json.set("served_version", served_version ? Json(*served_version) : Json());
  json.set("former_version", former_version ? Json(*former_version) : Json());
  json.set("unlearnt_from", unlearnt_from);
  json.set("batches_since_promotion", batches_since_promotion).set("failed_heals", failed_heals);
  json.set("treating", treating).set("on_trial", on_trial).set("levels", levels.to_json());
  Json times = Json::array();
  for (const TimeUs time : retrains) times.push(time);
  json.set("retrains", std::move(times)).set("batch_length", batch_length);
  json.set("not_before", not_before ? Json(*not_before) : Json());
  if (weakness) json.set("weakness", weakness->to_json());
  json.set("weakness_of", weakness_of).set("weakness_helps", weakness_helps);
  json.set("naive", naive).set("changed_since", changed_since).set("learnt_batches", learnt_batches);
  json.set("doubtful_batches", doubtful_batches).set("doubtful_since", doubtful_since);
  json.set("weighed_at", weighed_at).set("turned", turned.to_json()).set("turned_batches", turned_batches);
  json.set("left_out", spans_json(left_out)).set("damaged", spans_json(damaged));
  return json.set("last_periodic", last_periodic ? Json(*last_periodic) : Json());
}

PolicyState PolicyState::from_json(const Json& json) {
  const auto optional = [&json](std::string_view name) {
    const Json& value = json[name];
    return value.is_int() ? std::optional<std::int64_t>(value.as_int()) : std::nullopt;
  };
  PolicyState state;
  state.learnable = EvidenceCusum::from_json(json["learnable"]);
  state.previous_better = EvidenceCusum::from_json(json["previous_better"]);
  state.served_version = optional("served_version");
  state.former_version = optional("former_version");
  state.unlearnt_from = json.int_or("unlearnt_from");
  state.batches_since_promotion = json.int_or("batches_since_promotion");
  state.failed_heals = static_cast<int>(json.int_or("failed_heals"));
  state.treating = json.bool_or("treating");
  state.on_trial = json.bool_or("on_trial");
  state.levels = LevelState::from_json(json["levels"]);
  for (const Json& time : json["retrains"].as_array()) state.retrains.push_back(time.as_int());
  state.batch_length = json.int_or("batch_length", base::kDayUs);
  state.not_before = optional("not_before");
  state.last_periodic = optional("last_periodic");
  state.changed_since = json.int_or("changed_since");
  state.learnt_batches = json.int_or("learnt_batches");
  state.doubtful_batches = static_cast<int>(json.int_or("doubtful_batches"));
  state.doubtful_since = json.int_or("doubtful_since");
  state.weighed_at = json.double_or("weighed_at");
  state.turned = EvidenceCusum::from_json(json["turned"]);
  state.turned_batches = static_cast<int>(json.int_or("turned_batches"));
  state.left_out = spans_from(json["left_out"]);
  state.damaged = spans_from(json["damaged"]);
  state.weakness_of = json.int_or("weakness_of");
  state.weakness_helps = json.double_or("weakness_helps");
  if (Result<watch::Correction> weakness = watch::Correction::from_json(json["weakness"]))
    state.weakness = std::move(*weakness);
  if (json["naive"].is_object()) state.naive = json["naive"];
  return state;
}

}  // namespace trimtab::heal
