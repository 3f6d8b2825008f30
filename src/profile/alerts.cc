// What a person should look at in a table, told in one line each.
#include <algorithm>
#include <cmath>

#include "profile/column_state.h"

namespace trimtab::profile {
namespace {

constexpr double kMostlyNull = 0.5;
constexpr double kMostlyOneValue = 0.99;
constexpr double kMostlyDifferent = 0.5;
constexpr std::int64_t kManyValues = 100;
constexpr double kFarOut = 20;  // Standard deviations.

std::string percent(std::int64_t part, std::int64_t whole) {
  const double share = 100 * static_cast<double>(part) / static_cast<double>(whole);
  return std::to_string(static_cast<int>(std::floor(share))) + " %";
}

std::string number(double value) { return Json(value).dump(); }

// The value that is most frequent, and how often it is there at least.
std::pair<std::string, std::int64_t> most_frequent(const ColumnState& state) {
  std::pair<std::string, std::int64_t> best;
  for (const auto& [value, count] : state.heavy) {
    if (count > best.second) best = {value, count};
  }
  return best;
}

void add_value_alerts(const std::string& name, const ColumnState& state, std::vector<std::string>& lines) {
  const std::int64_t values = state.rows - state.nulls;
  const auto [value, count] = most_frequent(state);
  const double share = static_cast<double>(count) / static_cast<double>(values);
  if (state.distinct() == 1) {
    lines.push_back(name + ": constant: every value is '" + value + "'");
  } else if (share >= kMostlyOneValue) {
    lines.push_back(name + ": nearly constant: " + percent(count, values) + " of the values are '" + value +
                    "'");
  }
  const std::int64_t distinct = std::min(state.distinct(), values);
  const bool many = static_cast<double>(distinct) > kMostlyDifferent * static_cast<double>(values);
  if (state.type == table::ColumnType::text && distinct > kManyValues && many) {
    lines.push_back(name + ": high cardinality: about " + std::to_string(distinct) + " different texts in " +
                    std::to_string(values));
  }
}

void add_number_alerts(const std::string& name, const ColumnState& state, std::vector<std::string>& lines) {
  const std::int64_t odd = state.infinities + state.not_a_number;
  if (odd > 0) lines.push_back(name + ": " + std::to_string(odd) + " values are infinite or no numbers");
  const double deviation = state.standard_deviation();
  if (state.type == table::ColumnType::time || deviation <= 0) return;
  const double above = (*state.max - state.mean) / deviation;
  const double below = (state.mean - *state.min) / deviation;
  if (std::max(above, below) < kFarOut) return;
  const bool is_high = above >= below;
  lines.push_back(name + ": skewed: " + number(is_high ? *state.max : *state.min) + " is " +
                  std::to_string(static_cast<int>(std::max(above, below))) + " standard deviations " +
                  (is_high ? "above" : "below") + " the mean of " + number(state.mean));
}

}  // namespace

std::vector<std::string> alerts(const TableState& state) {
  std::vector<std::string> lines;
  for (const auto& [name, column] : state.columns) {
    if (column.rows == 0) continue;
    if (column.nulls == column.rows) {
      lines.push_back(name + ": empty: every value is null");
      continue;
    }
    if (static_cast<double>(column.nulls) >= kMostlyNull * static_cast<double>(column.rows)) {
      lines.push_back(name + ": mostly null: " + percent(column.nulls, column.rows) + " of the rows");
    }
    add_value_alerts(name, column, lines);
    if (column.type != table::ColumnType::text) add_number_alerts(name, column, lines);
  }
  return lines;
}

}  // namespace trimtab::profile
