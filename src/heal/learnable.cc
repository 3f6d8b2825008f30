#include "heal/learnable.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "heal/lesson.h"
#include "judge/metrics.h"

namespace trimtab::heal {
namespace {

using Batches = std::vector<const watch::LabelledBatch*>;

constexpr double kRecalibrationRidge = 1;
constexpr double kNewestCounts = 0.1;  // Of a running mean: it remembers some ten batches.

RowPool pool_of(std::span<const watch::LabelledBatch* const> batches) {
  RowPool pool;
  for (const watch::LabelledBatch* batch : batches) pool.add(*batch);
  return pool;
}

std::vector<double> losses_of(const RowPool& pool, const std::vector<double>& score) {
  std::vector<double> losses;
  judge::row_losses(pool.truth, score, losses);
  return losses;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The losses on `now` of a correction fitted on earlier rows; nothing when it cannot be fitted.
std::vector<double> corrected_losses(const RowPool& past, const RowPool& now, bool with_features,
                                     double ridge) {
  watch::CorrectionRows learnt = past.rows(), judged = now.rows();
  if (!with_features) {
    learnt.width = judged.width = 0;
    learnt.features = judged.features = {};
  }
  const Result<watch::Correction> correction = watch::Correction::fit(learnt, ridge);
  if (!correction) return {};
  std::vector<double> score;
  correction->apply(judged, score);
  return losses_of(now, score);
}

void keep_better(std::vector<double>& best, const std::vector<double>& losses) {
  if (!losses.empty() && mean_of(losses) < mean_of(best)) best = losses;
}

// The newest batches of which it is known what the version that answered `now` says, with as many features:
// of a batch that is seen as its own they are as another version's recipe made them.
Batches batches_like(const PolicyState& state, const watch::LabelledBatch& now) {
  Batches batches;
  for (const watch::LabelledBatch& batch : state.recent) {
    const bool is_alike = batch.served_version == now.served_version && batch.width == now.width;
    if (is_alike && !is_within(state.left_out, batch)) batches.push_back(&batch);
  }
  return batches;
}

}  // namespace

void RowPool::add(const watch::LabelledBatch& batch) {
  width = batch.width;
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    if (std::isnan(batch.plain[row])) continue;
    score.push_back(batch.plain[row]);
    truth.push_back(batch.truth[row]);
    const auto first = batch.features.begin() + static_cast<std::ptrdiff_t>(row) * batch.width;
    features.insert(features.end(), first, first + batch.width);
  }
}

void gather_evidence(PolicyState& state, const watch::LabelledBatch& batch, Json& evidence) {
  const Batches earlier = batches_like(state, batch);
  if (earlier.empty() || batch.width == 0) return;
  const auto newest = [&earlier](std::size_t count) {
    return pool_of(std::span(earlier).last(std::min(count, earlier.size())));
  };
  RowPool now;
  now.add(batch);
  std::vector<double> best = losses_of(now, now.score);
  evidence.set("champion_brier", mean_of(best));
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}})
    keep_better(best, corrected_losses(newest(count), now, false, kRecalibrationRidge));
  evidence.set("recalibrated_brier", mean_of(best));
  const bool is_known =
      state.weakness && state.weakness_of == batch.served_version && state.weakness->width() == batch.width;
  if (is_known) {
    std::vector<double> score;
    state.weakness->apply(now.rows(), score);
    const std::vector<double> as_ever = losses_of(now, score);
    evidence.set("weakness_brier", mean_of(as_ever));
    // Decided before this batch, so that one good day of many is no reason.
    const double helped = mean_of(best) - mean_of(as_ever);
    if (state.weakness_helps >= 0) keep_better(best, as_ever);
    state.weakness_helps += kNewestCounts * (helped - state.weakness_helps);
  }
  std::vector<std::vector<double>> alternatives;
  for (const std::size_t count : {std::size_t{4}, std::size_t{14}}) {
    const std::vector<double> probe = corrected_losses(newest(count), now, true, watch::kProbeRidge);
    if (probe.empty()) continue;
    evidence.set(count == 4 ? "probe4_brier" : "probe14_brier", mean_of(probe));
    std::vector<double>& difference = alternatives.emplace_back();
    for (std::size_t row = 0; row < probe.size(); ++row)
      difference.push_back(std::clamp(best[row] - probe[row] - kWorthwhile, -1.0, 1.0));
  }
  if (!alternatives.empty()) state.learnable.push(alternatives, batch.number);
}

}  // namespace trimtab::heal
