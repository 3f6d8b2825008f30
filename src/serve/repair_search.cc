#include "serve/repair_search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace trimtab::serve {
namespace {

constexpr int kRounds = 4;
constexpr std::size_t kWorst = 3;
constexpr std::size_t kLostMax = 2;
constexpr double kHalf = 0.5;      // The last repair is taken again when so much of the discrepancy is left,
constexpr double kAccepted = 0.6;  // and another one when it is so much.
constexpr double kWorthIt = 0.9;   // Of one round.
constexpr double kFarJump = 2.5, kFarRatio = 2;
constexpr double kFreePrice = 0.5;  // A map that fits anything has to do better by so much.
constexpr double kFits = 0.2;       // What a map may leave unexplained of a column.

// One value in more than 3 % of a column that repeats none. Two such values are found; numbers that are only
// rounded repeat all alike.
std::vector<DefaultValue> take_defaults(const Reference& reference, NumberTable& window) {
  constexpr double kRepeatedUsual = 0.005, kRepeated = 0.03, kAboveOthers = 4;
  constexpr std::size_t kRepeatsMin = 5;
  std::vector<DefaultValue> found;
  for (std::size_t column = 0; column < window.columns(); ++column) {
    const ColumnShape& usual = reference.usual(column);
    if (!reference.is_continuous(column) || usual.repeated >= kRepeatedUsual) continue;
    std::map<double, std::size_t> counts;
    for (const double number : window.column(column)) {
      if (std::isfinite(number)) ++counts[number];
    }
    std::vector<std::pair<std::size_t, double>> order;
    for (const auto& [number, count] : counts) order.emplace_back(count, number);
    std::sort(order.begin(), order.end(), std::greater<>());
    const double others = order.size() > 2 ? static_cast<double>(order[2].first) : 1;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, order.size()); ++i) {
      const auto count = static_cast<double>(order[i].first);
      if (order[i].first < kRepeatsMin || count < kAboveOthers * others) break;
      if ((count - 1) / static_cast<double>(window.rows()) <= kRepeated) break;
      found.push_back({column, order[i].second});
      for (double& number : window.column(column)) {
        if (number == order[i].second) number = kNoNumber;
      }
    }
  }
  return found;
}

// A window on its way to be made right.
class Search {
 public:
  Search(const Reference& reference, WindowShape window, const SearchOptions& options)
      : reference_(reference), options_(options), window_(std::move(window)) {}

  std::vector<ColumnMap> maps() {
    std::vector<ColumnMap> taken = repeat_last();
    if (!is_suspicious()) return taken;
    const WindowShape before = window_;
    const double at_first = reference_.discrepancy(window_);
    std::vector<ColumnMap> found;
    for (int round = 0; round < kRounds && is_suspicious(); ++round) {
      const std::optional<ColumnMap> best = best_map();
      if (!best) break;
      apply(*best, window_);
      found.push_back(*best);
    }
    if (reference_.discrepancy(window_) <= kAccepted * at_first) {
      taken.insert(taken.end(), found.begin(), found.end());
    } else {
      window_ = before;
    }
    return taken;
  }

  std::vector<std::size_t> lost() {
    std::vector<std::size_t> columns;
    while (columns.size() < kLostMax) {
      const std::vector<ColumnGap> gaps = reference_.gaps(window_);
      std::optional<std::size_t> worst;
      for (std::size_t i = 0; i < gaps.size(); ++i) {
        if (!reference_.is_wrong(i, gaps[i])) continue;
        if (!worst || reference_.discrepancy(i, gaps[i]) > reference_.discrepancy(*worst, gaps[*worst]))
          worst = i;
      }
      if (!worst) break;
      columns.push_back(*worst);
      window_.columns[*worst].numbers = 0;
    }
    return columns;
  }

 private:
  bool is_suspect(std::size_t column, const ColumnGap& gap) const {
    return reference_.is_wrong(column, gap) || reference_.is_multiplied(column, gap);
  }
  bool is_suspicious() const {
    const std::vector<ColumnGap> gaps = reference_.gaps(window_);
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      if (is_suspect(i, gaps[i])) return true;
    }
    return false;
  }

  std::vector<ColumnMap> repeat_last() {
    if (options_.last.empty() || !is_suspicious()) return {};
    WindowShape repaired = window_;
    for (const ColumnMap& map : options_.last) apply(map, repaired);
    if (reference_.discrepancy(repaired) >= kHalf * reference_.discrepancy(window_)) return {};
    const std::vector<ColumnGap> gaps = reference_.gaps(repaired);
    for (const ColumnMap& map : options_.last) {
      if (!fits(map, gaps)) return {};
    }
    window_ = std::move(repaired);
    return {options_.last.begin(), options_.last.end()};
  }

  std::optional<ColumnMap> best_map() const {
    const std::vector<ColumnGap> gaps = reference_.gaps(window_);
    std::vector<std::pair<double, std::size_t>> worst;
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      if (is_suspect(i, gaps[i])) worst.emplace_back(-reference_.discrepancy(i, gaps[i]), i);
    }
    std::sort(worst.begin(), worst.end());
    worst.resize(std::min(kWorst, worst.size()));
    double least = kWorthIt * reference_.discrepancy(window_);
    std::optional<ColumnMap> best;
    for (const auto& [discrepancy, column] : worst) {
      for (const ColumnMap& map : proposals(column, gaps[column])) {
        const double left = left_by(map);
        if (left >= least) continue;
        least = left;
        best = map;
      }
    }
    return best;
  }

  std::vector<ColumnMap> proposals(std::size_t column, const ColumnGap& gap) const {
    std::vector<int> alike;
    for (std::size_t i = 0; i < options_.is_whole.size(); ++i) {
      if (i != column && options_.is_whole[i] == options_.is_whole[column])
        alike.push_back(static_cast<int>(i));
    }
    const bool is_far = std::abs(gap.place) > kFarJump || std::abs(gap.scale) > std::log(kFarRatio);
    const MapQuestion question{column, window_, reference_.usual(column), is_far, alike};
    std::vector<ColumnMap> maps;
    for (const MapFamily family : map_families()) family(question, maps);
    if (reference_.is_wrong(column, gap)) return maps;
    std::erase_if(maps, [](const ColumnMap& map) { return map.kind != MapKind::unit; });
    return maps;
  }

  // The discrepancy behind a map, and its price.
  double left_by(const ColumnMap& map) const {
    WindowShape after = window_;
    apply(map, after);
    const std::vector<ColumnGap> gaps = reference_.gaps(after);
    double left = map.kind == MapKind::rescale ? kFreePrice : 0;
    for (std::size_t i = 0; i < gaps.size(); ++i) left += reference_.discrepancy(i, gaps[i]);
    return fits(map, gaps) ? left : std::numeric_limits<double>::infinity();
  }

  // What is no free map explains its columns or is none. In a window that holds rows of before as well, a
  // unit may look right for a while that is not.
  bool fits(const ColumnMap& map, const std::vector<ColumnGap>& behind) const {
    if (map.kind == MapKind::rescale) return true;
    return reference_.misfit(map.column, behind[map.column]) <= kFits &&
           reference_.misfit(map.other, behind[map.other]) <= kFits;
  }

  const Reference& reference_;
  const SearchOptions& options_;
  WindowShape window_;
};

}  // namespace

RepairPlan find_repair(const Reference& reference, NumberTable window, const SearchOptions& options) {
  constexpr double kGaps = 0.03;
  constexpr double kGapsMin = 5;
  RepairPlan plan;
  for (std::size_t column = 0; column < window.columns(); ++column) {
    const std::span<const double> numbers = window.column(column);
    const auto missing =
        static_cast<double>(std::ranges::count_if(numbers, [](double n) { return std::isnan(n); }));
    const bool is_new = reference.is_continuous(column) && reference.never_misses(column);
    if (is_new && missing >= kGapsMin && missing > kGaps * static_cast<double>(window.rows()))
      plan.gaps.push_back(column);
  }
  plan.defaults = take_defaults(reference, window);
  Search search(reference, shape_of(window), options);
  plan.maps = search.maps();
  plan.lost = search.lost();
  plan.is_unexplained = !plan.lost.empty();
  if (!options.may_lose) plan.lost.clear();
  return plan;
}

}  // namespace trimtab::serve
