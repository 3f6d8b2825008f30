#include "watch/realised.h"

#include <algorithm>
#include <cmath>

#include "watch/served_counts.h"

namespace trimtab::watch {
namespace {

constexpr double kScoreMin = 1e-15;  // Log losses are clipped there, as judge/ does.

template <class Number>
void add_all(std::vector<Number>& to, const std::vector<Number>& from) {
  to.resize(std::max(to.size(), from.size()));
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

std::vector<Slice> slices_of(const Baseline& baseline) {
  std::vector<Slice> slices;
  for (int feature = 0; feature < baseline.width; ++feature) {
    const WatchedColumn& column = baseline.columns[static_cast<std::size_t>(feature)];
    const int levels = std::min<int>(Realised::kLevelsMax, static_cast<int>(column.levels.size()));
    for (int level = 0; level < levels; ++level) {
      const bool is_small = column.reference[static_cast<std::size_t>(level)] < Realised::kRowsMin;
      if (is_small || slices.size() >= static_cast<std::size_t>(Realised::kSlicesMax)) break;
      slices.push_back({feature, level, column.name + "=" + column.levels[static_cast<std::size_t>(level)]});
    }
  }
  return slices;
}

}  // namespace

void SliceSums::add(bool binary, double score_said, double truth_known, double sign) {
  const double off = std::abs(truth_known - score_said);
  labels += sign;
  truth += sign * truth_known;
  score += sign * score_said;
  error += sign * off;
  square += sign * off * off;
  fourth += sign * off * off * off * off;
  if (!binary) return;
  const double said = std::clamp(score_said, kScoreMin, 1 - kScoreMin);
  log_loss -= sign * (truth_known > 0.5 ? std::log(said) : std::log1p(-said));
  wealth.add(truth_known, score_said, sign);
}

void SliceSums::merge(const SliceSums& other) {
  labels += other.labels;
  truth += other.truth;
  score += other.score;
  error += other.error;
  square += other.square;
  fourth += other.fourth;
  log_loss += other.log_loss;
  wealth.merge(other.wealth);
}

void LabelledCounts::merge(const LabelledCounts& other) {
  add_all(labels, other.labels);
  add_all(truth, other.truth);
  slices.resize(std::max(slices.size(), other.slices.size()));
  for (std::size_t i = 0; i < other.slices.size(); ++i) slices[i].merge(other.slices[i]);
}

Realised::Realised(std::shared_ptr<const Baseline> baseline)
    : baseline_(std::move(baseline)), slices_(slices_of(*baseline_)) {}

void Realised::add(LabelledCounts& counts, const JoinedTruth& joined, double truth, double sign) const {
  const bool binary = baseline_->binary;
  const auto bin = static_cast<std::size_t>(baseline_->prediction().bins.find(joined.score));
  counts.labels[bin] += sign;
  counts.truth[bin] += sign * truth;
  counts.slices[0].add(binary, joined.score, truth, sign);
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    if (joined.features[static_cast<std::size_t>(slices_[i].feature)] != slices_[i].level) continue;
    counts.slices[i + 1].add(binary, joined.score, truth, sign);
  }
}

void Realised::add(const JoinedTruth& joined) {
  if (!std::isfinite(joined.score) || joined.features.size() != static_cast<std::size_t>(baseline_->width))
    return;
  LabelledCounts& counts = hours_[floor_to(joined.received, base::kHourUs)];
  if (counts.slices.empty()) {
    counts.labels.resize(static_cast<std::size_t>(baseline_->prediction().bins.size()));
    counts.truth.resize(counts.labels.size());
    counts.slices.resize(slices_.size() + 1);
  }
  if (!std::isnan(joined.former)) add(counts, joined, joined.former, -1);
  add(counts, joined, joined.truth, 1);
  hours_.erase(hours_.begin(), hours_.lower_bound(hours_.rbegin()->first - kKept));
}

LabelledCounts Realised::between(TimeUs from, TimeUs to) const {
  LabelledCounts counts;
  const TimeUs first = floor_to(from, base::kHourUs);
  for (auto hour = hours_.lower_bound(first); hour != hours_.end() && hour->first < to; ++hour)
    counts.merge(hour->second);
  return counts;
}

}  // namespace trimtab::watch
