#include "watch/sample_drift.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "watch/two_sample.h"

namespace trimtab::watch {
namespace {

// A number, a number with ties and holes, and a text of three.
std::vector<double> sample(int count, double shift, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(shift, 2);
  std::vector<double> rows;
  for (int i = 0; i < count; ++i) {
    const double hole = i % 7 == 0 ? std::nan("") : std::floor(normal(random));
    rows.insert(rows.end(), {normal(random), hole, static_cast<double>(random() % 3)});
  }
  return rows;
}

RowPair pair_of(const std::vector<double>& reference, const std::vector<double>& current) {
  return {reference, current, {"a", "b", "text"}, {2}};
}

std::vector<double> column_of(const std::vector<double>& rows, std::size_t column) {
  std::vector<double> out;
  for (std::size_t i = column; i < rows.size(); i += 3) {
    if (!std::isnan(rows[i])) out.push_back(rows[i]);
  }
  return out;
}

double deviation_of(const std::vector<double>& values) {
  double sum = 0;
  double squares = 0;
  for (const double value : values) sum += value;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) squares += (value - sum / count) * (value - sum / count);
  return std::sqrt(squares / (count - 1));
}

TEST(SampleDrift, FiguresAreThoseOfTwoSamples) {
  const std::vector<double> reference = sample(400, 0, 1);
  const std::vector<double> current = sample(300, 1.5, 2);
  const SampleDrift drift = compare_samples(pair_of(reference, current));
  ASSERT_EQ(drift.columns.size(), 2U) << "a text has no order";
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<double> a = column_of(reference, i);
    const std::vector<double> b = column_of(current, i);
    const double unit = deviation_of(a);
    const UnbinnedDrift& column = drift.columns[i];
    EXPECT_EQ(column.rows, std::ssize(b));
    EXPECT_NEAR(column.kolmogorov_smirnov.value, kolmogorov_smirnov(a, b).statistic, 1e-12);
    EXPECT_NEAR(column.kolmogorov_p, kolmogorov_smirnov(a, b).p, 1e-12);
    EXPECT_NEAR(column.wasserstein.value, wasserstein(a, b) / unit, 1e-12);
    EXPECT_NEAR(column.energy.value, energy_distance(a, b) / std::sqrt(unit), 1e-12);
    EXPECT_NEAR(column.cramer_von_mises.value, cramer_von_mises(a, b), 1e-9);
    EXPECT_GT(column.wasserstein.value, column.wasserstein.floor);
    EXPECT_GT(column.wasserstein.floor, column.wasserstein.expected);
  }
  EXPECT_TRUE(drift.discrepancy.is_beyond_chance);
  EXPECT_EQ(drift.discrepancy.p, 0.005);
}

TEST(SampleDrift, AlikeRowsPassAFloorAboutOnceInAHundredTimes) {
  int beyond = 0;
  int apart = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::vector<double> reference = sample(90, 0, 2 * seed + 1);
    const std::vector<double> current = sample(60, 0, 2 * seed + 2);
    const SampleDrift drift = compare_samples(pair_of(reference, current));
    beyond += drift.columns[0].energy.value > drift.columns[0].energy.floor ? 1 : 0;
    apart += drift.discrepancy.is_beyond_chance ? 1 : 0;
  }
  EXPECT_LE(beyond, 4) << "of 60 more than four would come in less than a thousandth of all tries";
  EXPECT_LE(apart, 4);
}

TEST(SampleDrift, ATextThatBecomesFrequentSetsRowsApart) {
  const std::vector<double> reference = sample(200, 0, 1);
  std::vector<double> current = sample(200, 0, 2);
  for (std::size_t i = 2; i < current.size(); i += 3) current[i] = 0;
  EXPECT_TRUE(compare_samples(pair_of(reference, current)).discrepancy.is_beyond_chance);
}

TEST(SampleDrift, ConstantsEndlessNumbersAndFewRowsDoNoHarm) {
  const std::vector<double> few = sample(29, 0, 1);
  const std::vector<double> enough = sample(60, 0, 2);
  const SampleDrift nothing = compare_samples(pair_of(few, enough));
  EXPECT_TRUE(nothing.columns.empty());
  EXPECT_EQ(nothing.discrepancy.p, 1);
  std::vector<double> strange = enough;
  for (std::size_t i = 0; i < strange.size(); i += 3) strange[i] = i % 2 == 0 ? INFINITY : 5;
  const std::vector<double> constant(180, 5);
  const SampleDrift drift = compare_samples(pair_of(constant, strange));
  for (const UnbinnedDrift& column : drift.columns) {
    EXPECT_TRUE(std::isfinite(column.wasserstein.value)) << column.name;
    EXPECT_TRUE(std::isfinite(column.cramer_von_mises.value)) << column.name;
  }
  EXPECT_TRUE(std::isfinite(drift.discrepancy.value));
}

}  // namespace
}  // namespace trimtab::watch
