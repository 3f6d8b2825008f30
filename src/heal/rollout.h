// How a version that passed its gates comes to answer everything: it scores along in shadow, then answers a
// rising share of the rows, and is then the champion. Each step is decided on labelled batches, with both
// versions' losses on the same rows: a step forward needs evidence that it is not worse, and evidence that it
// is worse sends it back. Only the decision; heal/rounds.h journals it and carries it out.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "heal/evidence.h"
#include "project/project.h"
#include "watch/batches.h"

namespace trimtab::heal {

// Brier loss that a version may be worse by and still count as not worse; of squared errors the same share of
// their mean.
inline constexpr double kRolloutMargin = 0.005;
// S at which it counts as not worse (1 in 20 that a worse one gets here), and as worse (1 in 100).
inline constexpr double kNotWorseLog = 2.995732273553991;
inline constexpr double kWorseLog = 4.605170185988092;
// Without either after so many times the shadow's batches, or those that the poison budget asks for if they
// are more, the champion is kept.
inline constexpr int kRolloutPatience = 8;

enum class RolloutStep : std::uint8_t { stay, advance, promote, send_back };
std::string_view rollout_step_name(RolloutStep step);

struct RolloutState {
  std::int64_t version = 0;
  std::int64_t champion = 0;  // That it is held against.
  TimeUs begun = 0;           // Batches from before say nothing of it.
  int stage = 0;              // 0: shadow; then the shares of the canary, one after the other.
  int stage_batches = 0;      // Labelled batches in this stage,
  int batches = 0;            // and in all.
  EvidenceCusum not_worse;
  EvidenceCusum worse;
  RolloutStep step = RolloutStep::stay;  // What the newest batch has decided.
  std::string why;

  Json to_json() const;
  static RolloutState from_json(const Json& json);
};

// The share of the rows that the stage lets the version answer.
double rollout_share(const project::Rollout& rollout, int stage);
int shadow_batches(const project::Rollout& rollout, int poison_budget);

// A pure function of the state and the next labelled batch. A batch in which fewer than kRolloutRowsMin rows
// were scored by both says nothing, but patience ends with such batches too. `binary`: scores are
// probabilities.
inline constexpr int kRolloutRowsMin = 10;
RolloutState weigh_rollout(const project::Rollout& rollout, int poison_budget, bool binary,
                           const RolloutState& state, const watch::LabelledBatch& batch);

}  // namespace trimtab::heal
