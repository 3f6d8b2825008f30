#include "heal/rollout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace trimtab::heal {
namespace {

constexpr std::array<std::string_view, 4> kSteps = {"stay", "advance", "promote", "send_back"};

// Losses of both on the rows that both have scored.
struct Pairs {
  std::vector<double> champion, version;
};

Pairs pairs_of(const RolloutState& state, const watch::LabelledBatch& batch) {
  Pairs pairs;
  const auto champion = batch.scores.find(state.champion);
  const auto version = batch.scores.find(state.version);
  if (champion == batch.scores.end() || version == batch.scores.end()) return pairs;
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    const double a = champion->second[row];
    const double b = version->second[row];
    if (std::isnan(a) || std::isnan(b)) continue;
    pairs.champion.push_back((a - batch.truth[row]) * (a - batch.truth[row]));
    pairs.version.push_back((b - batch.truth[row]) * (b - batch.truth[row]));
  }
  return pairs;
}

// Squared errors have a unit: they are told in means of the champion's, so that the margin means the same for
// every target.
double unit_of(const Pairs& pairs, bool binary) {
  if (binary) return 1;
  double sum = 0;
  for (const double loss : pairs.champion) sum += loss;
  return sum > 0 ? sum / static_cast<double>(pairs.champion.size()) : 1;
}

void gather(const Pairs& pairs, bool binary, std::int64_t number, RolloutState& state) {
  const double unit = unit_of(pairs, binary);
  std::vector<double> better, worse;
  for (std::size_t row = 0; row < pairs.champion.size(); ++row) {
    const double gain = (pairs.champion[row] - pairs.version[row]) / unit;
    better.push_back(std::clamp(gain + kRolloutMargin, -1.0, 1.0));
    worse.push_back(std::clamp(-gain, -1.0, 1.0));
  }
  state.not_worse.push(std::span<const double>(better), number);
  state.worse.push(std::span<const double>(worse), number);
}

}  // namespace

std::string_view rollout_step_name(RolloutStep step) { return kSteps[static_cast<std::size_t>(step)]; }

double rollout_share(const project::Rollout& rollout, int stage) {
  if (stage <= 0) return 0;
  return rollout.canary.at(static_cast<std::size_t>(stage - 1));
}

int shadow_batches(const project::Rollout& rollout, int poison_budget) {
  return rollout.shadow_batches.value_or(poison_budget + 1);
}

RolloutState weigh_rollout(const project::Rollout& rollout, int poison_budget, bool binary,
                           const RolloutState& state, const watch::LabelledBatch& batch) {
  RolloutState next = state;
  next.step = RolloutStep::stay;
  const Pairs pairs = pairs_of(state, batch);
  const int shadow = shadow_batches(rollout, poison_budget);
  const int patience = kRolloutPatience * std::max({1, shadow, poison_budget + 1});
  if (std::ssize(pairs.champion) < kRolloutRowsMin) {
    next.why = "too few rows of the batch were scored by both";
    if (batch.number >= state.begun) ++next.batches;
    if (next.batches < patience) return next;
    next.step = RolloutStep::send_back;
    next.why = "nothing has shown that it is not worse than the champion: " + next.why;
    return next;
  }
  ++next.batches;
  ++next.stage_batches;
  gather(pairs, binary, batch.number, next);
  const int wanted = next.stage == 0 ? shadow : 1;
  // Batches with wrong labels, as many as the owner declared, must not be able to make either case alone.
  const bool is_worse = next.worse.value() > kWorseLog && next.worse.without_strongest(poison_budget) > 0;
  const bool is_not_worse =
      next.not_worse.value() > kNotWorseLog && next.not_worse.without_strongest(poison_budget) > 0;
  if (is_worse) {
    next.step = RolloutStep::send_back;
    next.why = "it is worse than the champion on the same rows";
  } else if (next.stage_batches >= wanted && is_not_worse) {
    const bool is_last = next.stage == std::ssize(rollout.canary);
    next.step = is_last ? RolloutStep::promote : RolloutStep::advance;
    next.why = "it is not worse than the champion on the same rows";
    if (!is_last) ++next.stage, next.stage_batches = 0;
  } else if (next.batches >= patience) {
    next.step = RolloutStep::send_back;
    next.why = "nothing has shown that it is not worse than the champion";
  } else {
    next.why = next.stage_batches < wanted ? "more batches are to come" : "the evidence is not enough yet";
  }
  return next;
}

Json RolloutState::to_json() const {
  Json json =
      Json::object({{"version", version}, {"champion", champion}, {"begun", begun}, {"stage", stage}});
  json.set("step", rollout_step_name(step)).set("why", why);
  json.set("stage_batches", stage_batches).set("batches", batches);
  json.set("S_not_worse", not_worse.value()).set("enough_at", kNotWorseLog);
  json.set("S_worse", worse.value()).set("sent_back_at", kWorseLog);
  return json.set("not_worse", not_worse.to_json()).set("worse", worse.to_json());
}

RolloutState RolloutState::from_json(const Json& json) {
  RolloutState state;
  state.version = json.int_or("version");
  state.champion = json.int_or("champion");
  state.begun = json.int_or("begun");
  state.stage = static_cast<int>(json.int_or("stage"));
  state.stage_batches = static_cast<int>(json.int_or("stage_batches"));
  state.batches = static_cast<int>(json.int_or("batches"));
  state.not_worse = EvidenceCusum::from_json(json["not_worse"]);
  state.worse = EvidenceCusum::from_json(json["worse"]);
  state.why = json.text_or("why");
  const auto step = std::find(kSteps.begin(), kSteps.end(), json.text_or("step"));
  if (step != kSteps.end()) state.step = static_cast<RolloutStep>(step - kSteps.begin());
  return state;
}

}  // namespace trimtab::heal
