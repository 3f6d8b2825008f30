#include "watch/served_counts.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trimtab::watch {

TimeUs floor_to(TimeUs time, TimeUs step) {
  const TimeUs into = time % step;
  return time - (into < 0 ? into + step : into);
}

void RowCounts::add(const Baseline& baseline, std::span<const double> features, double score) {
  CHECK(features.size() == static_cast<std::size_t>(baseline.width));
  if (bins.empty()) {
    bins.resize(static_cast<std::size_t>(baseline.bins()));
    sums.resize(2 * baseline.columns.size());
  }
  ++rows;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < baseline.columns.size(); ++i) {
    const WatchedColumn& column = baseline.columns[i];
    double value = 0;
    if (column.kind == ColumnKind::feature) value = features[i];
    if (column.kind == ColumnKind::prediction) value = score;
    if (column.kind == ColumnKind::unusualness) value = baseline.reconstruction.error(features);
    ++bins[offset + static_cast<std::size_t>(column.bins.find(value))];
    offset += static_cast<std::size_t>(column.bins.size());
    if (!column.bins.is_ordered() || !std::isfinite(value) || !(column.scale > 0)) continue;
    const double z = (value - column.mean) / column.scale;
    sums[2 * i] += z;
    sums[2 * i + 1] += z * z;
  }
}

void RowCounts::merge(const RowCounts& other) {
  if (other.rows == 0) return;
  rows += other.rows;
  bins.resize(std::max(bins.size(), other.bins.size()));
  sums.resize(std::max(sums.size(), other.sums.size()));
  for (std::size_t i = 0; i < other.bins.size(); ++i) bins[i] += other.bins[i];
  for (std::size_t i = 0; i < other.sums.size(); ++i) sums[i] += other.sums[i];
}

std::vector<std::int64_t> RowCounts::of_column(const Baseline& baseline, int column) const {
  std::size_t offset = 0;
  for (int i = 0; i < column; ++i)
    offset += static_cast<std::size_t>(baseline.columns[static_cast<std::size_t>(i)].bins.size());
  const auto size = static_cast<std::size_t>(baseline.columns[static_cast<std::size_t>(column)].bins.size());
  std::vector<std::int64_t> counts(size);
  if (bins.empty()) return counts;
  for (std::size_t i = 0; i < size; ++i) counts[i] = bins[offset + i];
  return counts;
}

void ServedCounts::add(TimeUs time, std::span<const double> features, double score) {
  minutes_[floor_to(time, base::kMinuteUs)].add(*baseline_, features, score);
  if (minutes_.rbegin()->first - aged_at_ >= base::kHourUs || aged_at_ == INT64_MIN) age();
}

// Minutes that are older than a day become hours, whole hours at a time; hours older than a year go.
void ServedCounts::age() {
  const TimeUs newest = minutes_.rbegin()->first;
  aged_at_ = floor_to(newest, base::kHourUs);
  const TimeUs keep_from = floor_to(newest - kMinutesKept, base::kHourUs);
  for (auto minute = minutes_.begin(); minute != minutes_.end() && minute->first < keep_from;) {
    hours_[floor_to(minute->first, base::kHourUs)].merge(minute->second);
    minute = minutes_.erase(minute);
  }
  hours_.erase(hours_.begin(), hours_.lower_bound(newest - kHoursKept));
}

RowCounts ServedCounts::between(TimeUs from, TimeUs to) const {
  RowCounts counts;
  const TimeUs first_hour = floor_to(from, base::kHourUs);
  for (auto hour = hours_.lower_bound(first_hour); hour != hours_.end() && hour->first < to; ++hour)
    counts.merge(hour->second);
  const TimeUs first_minute = floor_to(from, base::kMinuteUs);
  for (auto minute = minutes_.lower_bound(first_minute); minute != minutes_.end() && minute->first < to;
       ++minute)
    counts.merge(minute->second);
  return counts;
}

TimeUs ServedCounts::earliest() const {
  if (!hours_.empty()) return hours_.begin()->first;
  return minutes_.empty() ? std::numeric_limits<TimeUs>::max() : minutes_.begin()->first;
}

std::size_t ServedCounts::bytes() const {
  const std::size_t each = static_cast<std::size_t>(baseline_->bins()) * sizeof(std::uint32_t) +
                           2 * baseline_->columns.size() * sizeof(double) + sizeof(RowCounts);
  return (minutes_.size() + hours_.size()) * each;
}

}  // namespace trimtab::watch
