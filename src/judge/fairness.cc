#include "judge/fairness.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

#include "base/diagnostics.h"

namespace trimtab::judge {
namespace {

constexpr double kZ = 1.96;
constexpr double kPositive = 0.5;

// How many of how many were called positive.
struct Rate {
  double positives = 0;
  double rows = 0;
  double value() const { return positives / rows; }
  double variance() const { return value() * (1 - value()) / rows; }
};
using Rates = std::map<std::string_view, Rate>;

// `of_class` 0 or 1: only of rows with that truth; less than 0: of all.
Rates rates_of(std::span<const double> truth, std::span<const double> score,
               const std::vector<std::string>& groups, int of_class, int rows_min) {
  Rates rates;
  for (std::size_t row = 0; row < truth.size(); ++row) {
    if (of_class >= 0 && (truth[row] >= kPositive) != (of_class == 1)) continue;
    Rate& rate = rates[groups[row]];
    rate.rows += 1;
    rate.positives += score[row] >= kPositive ? 1 : 0;
  }
  std::erase_if(rates, [rows_min](const auto& group) { return group.second.rows < rows_min; });
  return rates;
}

std::string text_of(const Rates::value_type& group) {
  char value[32];
  std::snprintf(value, sizeof value, "%.4g", group.second.value());
  return std::string(group.first) + " " + value;
}

struct Extremes {
  Rates::const_iterator lowest, highest;
};

std::optional<Extremes> extremes_of(const Rates& rates) {
  if (rates.size() < 2) return std::nullopt;
  const auto less = [](const auto& a, const auto& b) { return a.second.value() < b.second.value(); };
  const auto [low, high] = std::minmax_element(rates.begin(), rates.end(), less);
  return Extremes{low, high};
}

GroupMeasure none(int rows_min) {
  const std::string words = "fewer than two groups have " + std::to_string(rows_min) + " rows to compare";
  return {Measure{std::nullopt, std::nullopt, std::nullopt, words}, ""};
}

std::string words_of(const Extremes& extremes) {
  return text_of(*extremes.lowest) + " against " + text_of(*extremes.highest);
}

GroupMeasure difference(const Rates& rates, int rows_min) {
  const std::optional<Extremes> extremes = extremes_of(rates);
  if (!extremes) return none(rows_min);
  const Rate& low = extremes->lowest->second;
  const Rate& high = extremes->highest->second;
  const double value = high.value() - low.value();
  const double half = kZ * std::sqrt(low.variance() + high.variance());
  return {Measure{value, std::max(0.0, value - half), std::min(1.0, value + half), ""}, words_of(*extremes)};
}

GroupMeasure ratio(const Rates& rates, int rows_min) {
  const std::optional<Extremes> extremes = extremes_of(rates);
  if (!extremes) return none(rows_min);
  const Rate& low = extremes->lowest->second;
  const Rate& high = extremes->highest->second;
  if (high.positives == 0) {
    return {Measure{std::nullopt, std::nullopt, std::nullopt, "no row of any group is positive"}, ""};
  }
  const double value = low.value() / high.value();
  Measure measure{value, std::nullopt, std::nullopt, ""};
  if (low.positives > 0) {
    // Of the logarithm, which is nearer to normal.
    const double half = kZ * std::sqrt(low.variance() / std::pow(low.value(), 2) +
                                       high.variance() / std::pow(high.value(), 2));
    measure.low = value * std::exp(-half);
    measure.high = value * std::exp(half);
  }
  return {measure, words_of(*extremes)};
}

}  // namespace

GroupMeasure measure_groups(std::string_view name, std::span<const double> truth,
                            std::span<const double> score, const std::vector<std::string>& groups,
                            int rows_min) {
  CHECK(truth.size() == score.size() && truth.size() == groups.size());
  const auto rates = [&](int of_class) { return rates_of(truth, score, groups, of_class, rows_min); };
  if (name == "demographic_parity_ratio") return ratio(rates(-1), rows_min);
  if (name == "demographic_parity_difference") return difference(rates(-1), rows_min);
  const GroupMeasure hits = difference(rates(1), rows_min);
  if (name == "equal_opportunity") return hits;
  CHECK(name == "equalized_odds");
  const GroupMeasure alarms = difference(rates(0), rows_min);
  if (!hits.measure.value) return hits;
  if (!alarms.measure.value) return alarms;
  return *hits.measure.value >= *alarms.measure.value ? hits : alarms;
}

}  // namespace trimtab::judge
