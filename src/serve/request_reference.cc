#include "serve/request_reference.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace trimtab::serve {
namespace {

constexpr double kNormalQuartiles = 1.349;  // Between the quartiles of a normal distribution lie so many sd.
constexpr double kRepeatedMax = 0.1;        // Of a column that is judged.
constexpr std::size_t kNumbersMin = 20;     // Of fewer numbers nothing is said.
constexpr double kRelationRowsMax = 500;    // More rows do not make a small change important.
constexpr double kFullWindow = 200;         // Rows; smaller windows move the reference by less.
constexpr double kWeight = 0.15, kRelationWeight = 0.05;

constexpr double kPlaceMax = 1.5, kPlaceMultiplied = 1.25, kScaleMax = 0.7, kScaleBesidePlace = 0.35;
constexpr double kRelationMax = 90;
// Less than that counts for nothing.
constexpr double kPlaceFree = 0.5, kScaleFree = 0.1;
constexpr double kMostWindows = 0.8;
// So many times what most windows stay within; for what is as good as normal, 4 and 6 standard deviations.
constexpr double kPlaceFactor = 3, kFactor = 5;
constexpr int kAgain = 3;
constexpr double kAgainFactor = 1.5;
// Nothing counts for more than this, in units of what makes a column wrong.
constexpr double kCountsMax = 4;
constexpr double kGapMax = 50;

double beyond(double value, double free, double unit) {
  return std::clamp((std::abs(value) - free) / unit, 0.0, kCountsMax);
}

using GapPart = double ColumnGap::*;

// How often the gaps have reached a level, having been well below it before: a fault that lasts reaches it
// once, what belongs to the day or to a client does it again and again.
int times_reached(const std::deque<ColumnGap>& gaps, GapPart of, double level) {
  int times = 0;
  bool is_there = false;
  for (const ColumnGap& gap : gaps) {
    const double size = gap.*of;
    if (!is_there && size >= level) ++times;
    is_there = is_there ? size >= level / 2 : size >= level;
  }
  return times;
}

// What the gaps usually stay within: in most windows, or in all but what has come a few times only.
double room_for(const std::deque<ColumnGap>& gaps, GapPart of, double factor) {
  std::vector<double> sizes;
  for (const ColumnGap& gap : gaps) sizes.push_back(gap.*of);
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  const auto few = static_cast<std::size_t>((1 - kMostWindows) * static_cast<double>(sizes.size() - 1));
  const double most = sizes[few];
  for (std::size_t i = 0; i < few && sizes[i] * kAgainFactor > most * factor; ++i) {
    if (times_reached(gaps, of, sizes[i]) >= kAgain) return sizes[i] * kAgainFactor / factor;
  }
  return most;
}

void move(double& from, double to, double weight) { from += weight * (to - from); }

}  // namespace

Reference::Reference(std::size_t columns) : columns_(columns), relations_(columns) {}

bool Reference::is_continuous(std::size_t column) const {
  const ColumnShape& shape = usual(column);
  return shape.high > shape.low && shape.repeated < kRepeatedMax && shape.missing < 0.5;
}

bool Reference::is_of_ratios(std::size_t column) const {
  const ColumnShape& shape = usual(column);
  if (shape.least <= 0 || shape.low <= 0) return false;
  const auto skew = [](double low, double middle, double high) {
    return high > low ? std::abs(high + low - 2 * middle) / (high - low) : 0;
  };
  constexpr double kSkewed = 0.1;
  const double plain = skew(shape.low, shape.middle, shape.high);
  return plain > kSkewed &&
         skew(std::log(shape.low), std::log(shape.middle), std::log(shape.high)) < plain / 2;
}

bool Reference::never_misses(std::size_t column) const {
  constexpr double kNearlyNever = 0.005;
  return usual(column).missing < kNearlyNever;
}

double Reference::to_scale(std::size_t column, double number) const {
  if (!is_of_ratios(column)) return number;
  return number > 0 ? std::log(number) : -std::numeric_limits<double>::infinity();
}
double Reference::from_scale(std::size_t column, double number) const {
  return is_of_ratios(column) ? std::exp(number) : number;
}
double Reference::place(std::size_t column) const { return to_scale(column, usual(column).middle); }
double Reference::spread(std::size_t column) const {
  return (to_scale(column, usual(column).high) - to_scale(column, usual(column).low)) / kNormalQuartiles;
}

std::vector<ColumnGap> Reference::gaps(const WindowShape& window) const {
  std::vector<ColumnGap> gaps(columns_.size());
  std::vector<std::size_t> judged;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (is_continuous(i) && window.columns[i].numbers >= kNumbersMin) judged.push_back(i);
  }
  for (const std::size_t i : judged) {
    const ColumnShape& now = window.columns[i];
    const double usual_spread = spread(i);
    const double spread_now = (to_scale(i, now.high) - to_scale(i, now.low)) / kNormalQuartiles;
    const double jump = (to_scale(i, now.middle) - place(i)) / usual_spread;
    const double ratio = std::log(spread_now / usual_spread);
    gaps[i].place = std::isnan(jump) ? -kGapMax : std::clamp(jump, -kGapMax, kGapMax);
    gaps[i].scale = std::isnan(ratio) ? -kGapMax : std::clamp(ratio, -kGapMax, kGapMax);
    double squares = 0;
    for (const std::size_t other : judged) {
      if (other == i) continue;
      const double change = window.relations.at(i, other) - relations_.at(i, other);
      squares += change * change;
    }
    gaps[i].relation = squares * std::min(static_cast<double>(now.numbers), kRelationRowsMax);
  }
  return gaps;
}

// What chance alone makes of ColumnGap::relation, on average.
double Reference::relation_noise() const { return static_cast<double>(columns_.size()); }

bool Reference::is_moved(std::size_t column, const ColumnGap& gap) const {
  return std::abs(gap.place) > std::max(kPlaceMax, kPlaceFactor * columns_[column].room.place);
}

bool Reference::is_multiplied(std::size_t column, const ColumnGap& gap) const {
  if (!is_of_ratios(column)) return false;
  const double least = std::max(kPlaceMultiplied, kPlaceFactor * columns_[column].room.place);
  return std::abs(gap.place) > least && std::abs(gap.place) * spread(column) > kScaleMax;
}

bool Reference::is_wrong(std::size_t column, const ColumnGap& gap) const {
  const ColumnGap& room = columns_[column].room;
  const double scale = std::abs(gap.scale);
  const double relation_max = std::max(kRelationMax + relation_noise(), kFactor * room.relation);
  return scale > std::max(kScaleMax, kFactor * room.scale) || gap.relation > relation_max ||
         (is_moved(column, gap) && scale > std::max(kScaleBesidePlace, kFactor * room.scale));
}

double Reference::misfit(std::size_t column, const ColumnGap& gap) const {
  const ColumnGap& room = columns_[column].room;
  const double place_free = std::max(kPlaceFree, 1.5 * room.place);
  const double scale_free = std::max(kScaleFree, 1.5 * room.scale);
  return beyond(gap.place, place_free, std::max(kPlaceMax, room.place)) +
         beyond(gap.scale, scale_free, std::max(kScaleMax, room.scale));
}

double Reference::discrepancy(std::size_t column, const ColumnGap& gap) const {
  const double room = columns_[column].room.relation;
  const double free = std::max(2 * relation_noise(), 1.5 * room);
  return misfit(column, gap) + beyond(gap.relation, free, std::max(kRelationMax, room));
}

double Reference::discrepancy(const WindowShape& window) const {
  const std::vector<ColumnGap> all = gaps(window);
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); ++i) sum += discrepancy(i, all[i]);
  return sum;
}

void Reference::learn(const WindowShape& window) {
  const auto rows = static_cast<double>(window.rows);
  const double share = rows / (static_cast<double>(rows_) + rows);
  const double fullness = std::min(1.0, rows / kFullWindow);
  const double weight = std::max(kWeight * fullness, share);
  const double relation_weight = std::max(kRelationWeight * fullness, share);
  if (rows_ > 0) note(window);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const ColumnShape& now = window.columns[i];
    ColumnShape& usual = columns_[i].usual;
    // A column that begins to come is new, and has not been missing.
    const bool is_first = usual.numbers == 0;
    move(usual.missing, now.missing, is_first ? 1 : weight);
    if (now.numbers == 0) continue;
    usual.numbers += now.numbers;
    move(usual.low, now.low, is_first ? 1 : weight);
    move(usual.middle, now.middle, is_first ? 1 : weight);
    move(usual.high, now.high, is_first ? 1 : weight);
    move(usual.repeated, now.repeated, is_first ? 1 : weight);
    usual.least = is_first ? now.least : std::min(usual.least, now.least);
  }
  for (std::size_t a = 0; a < columns_.size(); ++a) {
    for (std::size_t b = a; b < columns_.size(); ++b) {
      double kept = relations_.at(a, b);
      move(kept, window.relations.at(a, b), relation_weight);
      relations_.set(a, b, kept);
    }
  }
  rows_ += static_cast<std::int64_t>(window.rows);
}

void Reference::note(const WindowShape& window) {
  const std::vector<ColumnGap> now = gaps(window);
  ++windows_;
  for (std::size_t i = 0; i < now.size(); ++i) {
    Column& column = columns_[i];
    const ColumnGap size{std::abs(now[i].place), std::abs(now[i].scale), now[i].relation};
    column.gaps.push_back(size);
    if (column.gaps.size() > kWindowsKept) column.gaps.pop_front();
    column.room = {room_for(column.gaps, &ColumnGap::place, kPlaceFactor),
                   room_for(column.gaps, &ColumnGap::scale, kFactor),
                   room_for(column.gaps, &ColumnGap::relation, kFactor)};
  }
}

}  // namespace trimtab::serve
