// What an endpoint has seen, counted on a version's baseline: per minute for a day and a bit, per hour for a
// year and a bit. A window is a merge, exact to the minute or the hour; a drift check costs columns × bins,
// however many rows the window has.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "watch/baseline.h"

namespace trimtab::watch {

// Counts of some rows on the bins of a baseline. Merges by adding.
struct RowCounts {
  std::int64_t rows = 0;
  std::vector<std::uint32_t> bins;  // Of all columns, one behind the other.
  std::vector<double> sums;         // Of each column: Σz and Σz² of its numbers, z = (x - mean)/scale.

  // `features`: baseline.width of them.
  void add(const Baseline& baseline, std::span<const double> features, double score);
  void merge(const RowCounts& other);
  std::vector<std::int64_t> of_column(const Baseline& baseline, int column) const;
};

// Belongs to one thread at a time.
class ServedCounts {
 public:
  static constexpr TimeUs kMinutesKept = 26 * base::kHourUs;
  static constexpr TimeUs kHoursKept = 400 * base::kDayUs;

  explicit ServedCounts(std::shared_ptr<const Baseline> baseline) : baseline_(std::move(baseline)) {}
  const Baseline& baseline() const { return *baseline_; }

  // A row that was received at `time`; rows may come in any order.
  void add(TimeUs time, std::span<const double> features, double score);
  // The rows received in [from, to), cut to whole minutes, or hours where they are older than a day.
  RowCounts between(TimeUs from, TimeUs to) const;
  TimeUs earliest() const;  // Start of the oldest minute or hour there is; the largest time: none.
  std::size_t bytes() const;

 private:
  void age();

  std::shared_ptr<const Baseline> baseline_;
  std::map<TimeUs, RowCounts> minutes_, hours_;
  TimeUs aged_at_ = INT64_MIN;
};

TimeUs floor_to(TimeUs time, TimeUs step);

}  // namespace trimtab::watch
