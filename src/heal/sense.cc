#include "heal/sense.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "judge/metrics.h"
#include "model/level.h"

namespace trimtab::heal {
namespace {

constexpr double kMargin = 0.001;  // Of Brier loss: less is not worth a heal.
constexpr double kRecalibrationRidge = 1;
constexpr double kProbeRidge = 20;
constexpr std::array<std::size_t, 2> kRecalibrations = {1, 3};  // On so many of the newest batches.
constexpr std::array<std::size_t, 3> kProbes = {1, 4, 14};
constexpr std::size_t kLeftOutMax = 256;  // Spans; the oldest are forgotten.

using Batches = std::vector<const watch::LabelledBatch*>;

// Rows of several batches in one, as corrections want them.
struct Pool {
  int width = 0;
  std::vector<double> features, score, truth;

  void add(const watch::LabelledBatch& batch, std::int64_t version, bool with_features) {
    width = with_features ? batch.width : 0;
    const std::vector<double>& scores = batch.scores.at(version);
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      if (std::isnan(scores[row])) continue;
      score.push_back(scores[row]);
      truth.push_back(batch.truth[row]);
      if (!with_features) continue;
      const auto first = batch.features.begin() + static_cast<std::ptrdiff_t>(row) * batch.width;
      features.insert(features.end(), first, first + batch.width);
    }
  }
  CorrectionRows rows() const { return {width, features, score, truth}; }
};

std::vector<double> losses_of(const Pool& pool, const std::vector<double>& score) {
  std::vector<double> losses;
  judge::row_losses(pool.truth, score, losses);
  return losses;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The losses on `now` of a correction fitted on earlier batches; nothing when it cannot be fitted.
std::vector<double> corrected_losses(std::span<const watch::LabelledBatch* const> earlier,
                                     std::int64_t version, const Pool& now, bool with_features,
                                     double ridge) {
  Pool past;
  for (const watch::LabelledBatch* batch : earlier) past.add(*batch, version, with_features);
  const Result<Correction> correction = Correction::fit(past.rows(), ridge);
  if (!correction) return {};
  CorrectionRows rows = now.rows();
  if (!with_features) rows.width = 0, rows.features = {};
  std::vector<double> score;
  correction->apply(rows, score);
  return losses_of(now, score);
}

// The newest batches of which it is known what the version says, as far as it had not learnt from them.
Batches batches_about(const PolicyState& state, std::int64_t version, int width) {
  Batches batches;
  for (const watch::LabelledBatch& batch : state.recent) {
    if (batch.width == width && batch.scores.contains(version) && !is_left_out(state, batch)) {
      batches.push_back(&batch);
    }
  }
  return batches;
}

// Losses of the best of the version and its recalibrations: what only needs those is no reason to learn.
std::vector<double> losses_recalibrated(const Batches& earlier, std::int64_t version, const Pool& now) {
  std::vector<double> best = losses_of(now, now.score);
  for (const std::size_t count : kRecalibrations) {
    const std::vector<double> recalibrated = corrected_losses(
        std::span(earlier).last(std::min(count, earlier.size())), version, now, false, kRecalibrationRidge);
    if (!recalibrated.empty() && mean_of(recalibrated) < mean_of(best)) best = recalibrated;
  }
  return best;
}

// By how much the loss of `other` is below that of `version`, of each row that both scored.
std::vector<double> gains_of(const watch::LabelledBatch& batch, std::int64_t version, std::int64_t other) {
  std::vector<double> gains;
  const std::vector<double>&of_version = batch.scores.at(version), &of_other = batch.scores.at(other);
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    if (std::isnan(of_version[row]) || std::isnan(of_other[row])) continue;
    gains.push_back(std::pow(of_version[row] - batch.truth[row], 2) -
                    std::pow(of_other[row] - batch.truth[row], 2));
  }
  return gains;
}

}  // namespace

void sense_learnable(PolicyState& state, std::int64_t version, const watch::LabelledBatch& batch,
                     Json& evidence) {
  const Batches earlier = batches_about(state, version, batch.width);
  if (earlier.empty() || batch.width == 0) return;
  Pool now;
  now.add(batch, version, true);
  evidence.set("champion_brier", mean_of(losses_of(now, now.score)));
  const std::vector<double> best = losses_recalibrated(earlier, version, now);
  evidence.set("recalibrated_brier", mean_of(best));
  std::vector<std::vector<double>> alternatives;
  for (const std::size_t count : kProbes) {
    const std::vector<double> probe = corrected_losses(
        std::span(earlier).last(std::min(count, earlier.size())), version, now, true, kProbeRidge);
    if (probe.empty()) continue;
    evidence.set("probe" + std::to_string(count) + "_brier", mean_of(probe));
    std::vector<double>& difference = alternatives.emplace_back();
    for (std::size_t row = 0; row < probe.size(); ++row) {
      difference.push_back(std::clamp(best[row] - probe[row] - kMargin, -1.0, 1.0));
    }
  }
  if (!alternatives.empty()) state.learnable.push(alternatives, batch.number);
}

std::optional<std::int64_t> sense_earlier(PolicyState& state, std::int64_t version,
                                          const watch::LabelledBatch& batch, Json& evidence) {
  std::optional<std::int64_t> best;
  for (auto& [earlier, better] : state.earlier_better) {
    if (earlier == version || !batch.scores.contains(earlier)) continue;
    std::vector<double> gains = gains_of(batch, version, earlier);
    if (gains.empty()) continue;
    const double mean_gain = mean_of(gains);
    for (double& gain : gains) gain = std::clamp(gain - kMargin, -1.0, 1.0);
    better.push(std::span<const double>(gains), batch.number);
    if (best && better.value() <= state.earlier_better.at(*best).value()) continue;
    best = earlier;
    evidence.set("earlier_version", earlier).set("earlier_gain", mean_gain);
    evidence.set("S_earlier", better.value());
  }
  const bool alarms = best && state.earlier_better.at(*best).alarms();
  return alarms ? best : std::nullopt;
}

watch::LabelledBatch as_answered_by(const watch::LabelledBatch& batch, std::int64_t version, double level) {
  watch::LabelledBatch answered = batch;
  if (batch.served_version == version) return answered;
  answered.served_version = version;
  answered.plain = answered.served = batch.scores.at(version);
  for (double& score : answered.served) score = model::at_level(score, level);
  return answered;
}

bool is_left_out(const PolicyState& state, const watch::LabelledBatch& batch) {
  return std::any_of(state.left_out.begin(), state.left_out.end(), [&batch](const auto& span) {
    return batch.number >= span.from && batch.number < span.until;
  });
}

void leave_out(PolicyState& state, features::TimeSpan span) {
  std::vector<features::TimeSpan>& spans = state.left_out;
  if (!spans.empty() && spans.back().until >= span.from && spans.back().from <= span.from) {
    spans.back().until = std::max(spans.back().until, span.until);
    return;
  }
  spans.push_back(span);
  if (spans.size() > kLeftOutMax) spans.erase(spans.begin());
}

}  // namespace trimtab::heal
