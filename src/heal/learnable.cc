#include "heal/learnable.h"

#include <algorithm>
#include <cmath>
#include <optional>
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

watch::CorrectionRows rows_of(const RowPool& pool, bool with_features) {
  watch::CorrectionRows rows = pool.rows();
  if (with_features) return rows;
  rows.width = 0;
  rows.features = {};
  return rows;
}

// A correction of the champion, and its losses on rows that it has not seen.
struct Corrected {
  double slope = 1;
  std::vector<double> losses;
};

// Nothing: it cannot be fitted to the past.
std::optional<Corrected> correct(const RowPool& past, const RowPool& now, bool with_features, double ridge) {
  const Result<watch::Correction> correction = watch::Correction::fit(rows_of(past, with_features), ridge);
  if (!correction) return std::nullopt;
  std::vector<double> score;
  correction->apply(rows_of(now, with_features), score);
  return Corrected{correction->slope(), losses_of(now, score)};
}

// The champion's order of this batch's rows is the wrong way round.
bool is_turned(const RowPool& now) {
  const Result<watch::Correction> own = watch::Correction::fit(rows_of(now, false), kRecalibrationRidge);
  return own && own->slope() < 0;
}

void keep_better(std::vector<double>& best, const std::vector<double>& losses) {
  if (!losses.empty() && mean_of(losses) < mean_of(best)) best = losses;
}

// By how much each probe beat what explains the batch without learning, row by row.
std::vector<std::vector<double>> gains(const std::vector<double>& explained,
                                       const std::vector<std::vector<double>>& probes) {
  std::vector<std::vector<double>> gains;
  for (const std::vector<double>& probe : probes) {
    std::vector<double>& difference = gains.emplace_back();
    for (std::size_t row = 0; row < probe.size(); ++row)
      difference.push_back(std::clamp(explained[row] - probe[row] - kWorthwhile, -1.0, 1.0));
  }
  return gains;
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

void gather_evidence(PolicyState& state, const watch::LabelledBatch& batch, int turned_most, Json& evidence) {
  const Batches earlier = batches_like(state, batch);
  if (earlier.empty() || batch.width == 0) return;
  const auto newest = [&earlier](std::size_t count) {
    return pool_of(std::span(earlier).last(std::min(count, earlier.size())));
  };
  RowPool now;
  now.add(batch);
  std::vector<double> best = losses_of(now, now.score);
  std::vector<double> upright = best;  // Without what turns scores round.
  evidence.set("champion_brier", mean_of(best));
  for (const std::size_t count : {std::size_t{1}, std::size_t{3}}) {
    const std::optional<Corrected> recalibrated = correct(newest(count), now, false, kRecalibrationRidge);
    if (!recalibrated) continue;
    keep_better(best, recalibrated->losses);
    if (recalibrated->slope >= 0) keep_better(upright, recalibrated->losses);
  }
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
  std::vector<std::vector<double>> probes;
  for (const std::size_t count : {std::size_t{4}, std::size_t{14}}) {
    const std::optional<Corrected> probe = correct(newest(count), now, true, watch::kProbeRidge);
    if (!probe) continue;
    evidence.set(count == 4 ? "probe4_brier" : "probe14_brier", mean_of(probe->losses));
    probes.push_back(probe->losses);
  }
  if (probes.empty()) return;
  state.learnable.push(gains(best, probes), batch.number);
  state.turned_batches = is_turned(now) ? state.turned_batches + 1 : 0;
  if (state.turned_batches == 0) return state.turned.reset();
  state.turned.push(gains(upright, probes), batch.number);
  if (state.turned_batches >= turned_most && state.turned.alarms()) state.learnable = state.turned;
}

}  // namespace trimtab::heal
