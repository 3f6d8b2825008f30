#include "serve/fill_numbers.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trimtab::serve {
namespace {

constexpr double kUsual = 2.5;   // Standard deviations.
constexpr double kRidge = 0.05;  // Correlations are known from few rows.
constexpr std::size_t kKnownMax = 32;
constexpr std::size_t kPatternsMax = 64;

// Of a normal distribution whose ranks go together like that.
double correlation(double of_ranks) { return 2 * std::sin(std::numbers::pi / 6 * of_ranks); }

// Solves a · x = b for a symmetric positive matrix, both of which are used up.
std::vector<double> solve(std::vector<std::vector<double>> a, std::vector<double> b) {
  const std::size_t size = b.size();
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t row = i + 1; row < size; ++row) {
      const double share = a[row][i] / a[i][i];
      for (std::size_t column = i; column < size; ++column) a[row][column] -= share * a[i][column];
      b[row] -= share * b[i];
    }
  }
  for (std::size_t i = size; i-- > 0;) {
    for (std::size_t column = i + 1; column < size; ++column) b[i] -= a[i][column] * b[column];
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

const NumberFiller::Weights& NumberFiller::weights_for(const std::vector<bool>& known, std::size_t column) {
  if (weights_.size() > kPatternsMax) weights_.clear();
  const auto [entry, is_new] = weights_.try_emplace({known, column});
  Weights& found = entry->second;
  if (!is_new) return found;
  const Relations& relations = reference_.relations();
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i]) found.of.push_back(i);
  }
  // The columns that say most, when there are many.
  std::stable_sort(found.of.begin(), found.of.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(relations.at(column, a)) > std::abs(relations.at(column, b));
  });
  found.of.resize(std::min(found.of.size(), kKnownMax));
  std::vector<std::vector<double>> matrix;
  std::vector<double> wanted;
  for (const std::size_t a : found.of) {
    std::vector<double>& row = matrix.emplace_back();
    for (const std::size_t b : found.of) row.push_back(a == b ? 1 + kRidge : correlation(relations.at(a, b)));
    wanted.push_back(correlation(relations.at(column, a)));
  }
  found.weights = solve(std::move(matrix), std::move(wanted));
  return found;
}

double NumberFiller::fill(const NumberTable& table, std::size_t row, std::size_t column) {
  std::vector<bool> known(table.columns());
  for (std::size_t i = 0; i < known.size(); ++i) {
    known[i] = i != column && reference_.is_continuous(i) && std::isfinite(table.column(i)[row]);
  }
  const Weights& found = weights_for(known, column);
  double likely = 0;
  for (std::size_t i = 0; i < found.of.size(); ++i) {
    const std::size_t other = found.of[i];
    const double number = reference_.to_scale(other, table.column(other)[row]);
    const double standard = (number - reference_.place(other)) / reference_.spread(other);
    likely += found.weights[i] * std::clamp(standard, -kUsual, kUsual);
  }
  if (!std::isfinite(likely)) likely = 0;
  likely = std::clamp(likely, -kUsual, kUsual);
  return reference_.from_scale(column, reference_.place(column) + likely * reference_.spread(column));
}

}  // namespace trimtab::serve
