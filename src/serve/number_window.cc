#include "serve/number_window.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trimtab::serve {
namespace {

constexpr std::size_t kRelationRowsMax = 512;  // Of more rows every second, third, … is looked at.

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

// The ranks of a column's numbers with mean 0 and variance 1; 0 where there is no number. Equal numbers share
// a rank.
std::vector<double> standard_ranks(std::span<const double> numbers, std::size_t stride) {
  std::vector<std::pair<double, std::size_t>> order;
  std::size_t rows = 0;
  for (std::size_t row = 0; row < numbers.size(); row += stride, ++rows) {
    if (std::isfinite(numbers[row])) order.emplace_back(numbers[row], rows);
  }
  std::vector<double> ranks(rows, 0);
  std::sort(order.begin(), order.end());
  const double centre = (static_cast<double>(order.size()) - 1) / 2;
  double squares = 0;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && order[end].first == order[begin].first) ++end;
    const double rank = static_cast<double>(begin + end - 1) / 2 - centre;
    for (; begin < end; ++begin) {
      ranks[order[begin].second] = rank;
      squares += rank * rank;
    }
  }
  if (squares <= 0) return ranks;
  const double scale = std::sqrt(static_cast<double>(order.size()) / squares);
  for (double& rank : ranks) rank *= scale;
  return ranks;
}

double mean_product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  double together = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
    // A rank of exactly 0 is nearly always a missing number.
    together += a[i] != 0 && b[i] != 0 ? 1 : 0;
  }
  return together > 0 ? std::clamp(sum / together, -1.0, 1.0) : 0;
}

void count_repeats(const std::vector<double>& sorted, ColumnShape& shape) {
  for (std::size_t begin = 0; begin < sorted.size();) {
    std::size_t end = begin;
    while (end < sorted.size() && sorted[end] == sorted[begin]) ++end;
    if (end - begin > shape.repeats) {
      shape.repeats = end - begin;
      shape.repeated_value = sorted[begin];
    }
    begin = end;
  }
}

}  // namespace

NumberTable rows_of(const NumberTable& table, std::span<const std::size_t> keep) {
  NumberTable kept(table.columns(), keep.size());
  for (std::size_t column = 0; column < table.columns(); ++column) {
    for (std::size_t i = 0; i < keep.size(); ++i) kept.column(column)[i] = table.column(column)[keep[i]];
  }
  return kept;
}

ColumnShape shape_of(std::span<const double> numbers) {
  ColumnShape shape;
  std::vector<double> sorted;
  sorted.reserve(numbers.size());
  for (const double number : numbers) {
    if (std::isfinite(number)) sorted.push_back(number);
  }
  shape.numbers = sorted.size();
  if (!numbers.empty()) {
    shape.missing = 1 - static_cast<double>(sorted.size()) / static_cast<double>(numbers.size());
  }
  if (sorted.empty()) return shape;
  std::sort(sorted.begin(), sorted.end());
  shape.least = sorted.front();
  shape.low = quantile(sorted, 0.25);
  shape.middle = quantile(sorted, 0.5);
  shape.high = quantile(sorted, 0.75);
  count_repeats(sorted, shape);
  shape.repeated = static_cast<double>(shape.repeats - 1) / static_cast<double>(numbers.size());
  return shape;
}

WindowShape shape_of(const NumberTable& table) {
  WindowShape window;
  window.rows = table.rows();
  window.relations = Relations(table.columns());
  const std::size_t stride = (table.rows() + kRelationRowsMax - 1) / kRelationRowsMax;
  std::vector<std::vector<double>> ranks;
  for (std::size_t column = 0; column < table.columns(); ++column) {
    window.columns.push_back(shape_of(table.column(column)));
    ranks.push_back(standard_ranks(table.column(column), std::max<std::size_t>(stride, 1)));
  }
  for (std::size_t a = 0; a < table.columns(); ++a) {
    for (std::size_t b = a; b < table.columns(); ++b) {
      window.relations.set(a, b, a == b ? 1 : mean_product(ranks[a], ranks[b]));
    }
  }
  return window;
}

}  // namespace trimtab::serve
