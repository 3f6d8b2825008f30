// Expected values of the statistics: scipy 1.17.1 and numpy on the same counts. The floors are held against
// samples that are really drawn without any change.
#include "watch/binned_drift.h"

#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace trimtab::watch {
namespace {

using Counts = std::vector<std::int64_t>;

TEST(BinnedDrift, EqualsScipy) {
  const ColumnBins bins = ColumnBins::of_levels(5);
  const BinnedDrift drift =
      binned_drift(bins, Counts{100, 200, 300, 250, 150, 0, 0}, Counts{60, 90, 160, 130, 160, 0, 0}, 0);
  EXPECT_EQ(drift.bins, 5);
  EXPECT_NEAR(drift.chi_square.value, 34.720161141839945, 1e-10);
  EXPECT_NEAR(drift.log_p, -14.449901797342923, 1e-10);
  EXPECT_NEAR(drift.psi.value, 0.08962580527755955, 1e-14);
  EXPECT_NEAR(drift.jensen_shannon.value, 0.10561692460519145, 1e-14);
  EXPECT_NEAR(drift.hellinger.value, 0.10590029606038676, 1e-14);
  EXPECT_NEAR(drift.l_infinity.value, 0.11666666666666667, 1e-14);
  EXPECT_NEAR(drift.total_variation.value, 0.11666666666666667, 1e-14);
  EXPECT_FALSE(drift.kolmogorov_smirnov);
}

TEST(BinnedDrift, OnOrderedBinsDistancesAreThoseOfTheDistributionFunctions) {
  ColumnBins bins = *ColumnBins::from_json(*base::parse_json(R"({"edges":[0,1,2,4]})"));
  const BinnedDrift drift =
      binned_drift(bins, Counts{0, 100, 100, 0, 0, 0, 0}, Counts{0, 0, 100, 100, 0, 0, 0}, 2);
  // F-G is 0 at 0, 1/2 at 1 and at 2, and 0 at 4: areas 1/4 + 1/2 + 1/2, over a standard deviation of 2.
  EXPECT_NEAR(drift.kolmogorov_smirnov->value, 0.5, 1e-15);
  EXPECT_NEAR(drift.wasserstein->value, 0.625, 1e-15);
  EXPECT_NEAR(drift.cramer_von_mises->value, 0.25 * 0.25 + 0.25 * 0.5, 1e-15);
}

TEST(BinnedDrift, RareBinsAreJoinedAndUnseenOnesCountAsSoonAsTheyMayBeExpected) {
  const ColumnBins bins = ColumnBins::of_levels(3);
  EXPECT_EQ(binned_drift(bins, Counts{500, 498, 2, 0, 0}, Counts{50, 50, 0, 0, 0}, 0).bins, 2);
  EXPECT_EQ(binned_drift(bins, Counts{500, 480, 20, 0, 0}, Counts{500, 480, 20, 0, 60}, 0).bins, 4);
  EXPECT_EQ(binned_drift(bins, Counts{500, 0, 0, 0, 0}, Counts{50, 0, 0, 0, 0}, 0).bins, 1);
  EXPECT_EQ(binned_drift(bins, Counts{0, 0, 0, 0, 0}, Counts{50, 0, 0, 0, 0}, 0).bins, 0);
  EXPECT_EQ(binned_drift(bins, Counts{500, 0, 0, 0, 0}, Counts{2, 0, 0, 0, 0}, 0).log_p, 0);
}

// One column under no change: how often each statistic passes its floor, and its mean against the expected.
struct Rates {
  std::array<double, 8> above{}, mean{}, expected{};
};

Rates without_change(const std::vector<double>& shares, int reference_rows, int current_rows, int windows) {
  std::mt19937_64 random(7);
  std::discrete_distribution<int> level(shares.begin(), shares.end());
  std::string text = R"({"edges":[)";
  for (std::size_t i = 0; i + 1 < shares.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(i);
  const ColumnBins bins = *ColumnBins::from_json(*base::parse_json(text + "]}"));
  Rates rates;
  for (int window = 0; window < windows; ++window) {
    Counts reference(shares.size() + 2);
    Counts current(shares.size() + 2);
    for (int i = 0; i < reference_rows; ++i) ++reference[static_cast<std::size_t>(level(random))];
    for (int i = 0; i < current_rows; ++i) ++current[static_cast<std::size_t>(level(random))];
    const BinnedDrift drift = binned_drift(bins, reference, current, 1);
    const std::array<Measured, 8> all = {drift.chi_square,          drift.psi,
                                         drift.jensen_shannon,      drift.hellinger,
                                         drift.l_infinity,          drift.total_variation,
                                         *drift.kolmogorov_smirnov, *drift.cramer_von_mises};
    for (std::size_t i = 0; i < all.size(); ++i) {
      rates.above[i] += all[i].value > all[i].floor ? 1.0 / windows : 0;
      rates.mean[i] += all[i].value / windows;
      rates.expected[i] += all[i].expected / windows;
    }
  }
  return rates;
}

void expect_floors_hold(const Rates& rates) {
  for (std::size_t i = 0; i < rates.above.size(); ++i) {
    EXPECT_NEAR(rates.mean[i] / rates.expected[i], 1, 0.06) << "statistic " << i;
    EXPECT_GT(rates.above[i], 0.004) << "statistic " << i;
    EXPECT_LT(rates.above[i], 0.02) << "statistic " << i;
  }
}

TEST(BinnedDriftFloor, IsPassedByChanceOnceInAHundredWindows) {
  expect_floors_hold(without_change(std::vector<double>(12, 1.0), 4000, 1000, 1500));
  expect_floors_hold(without_change({40, 20, 10, 10, 8, 6, 4, 2}, 1000, 1000, 1500));
}

TEST(BinnedDriftFloor, TheRuleOfThumbForPsiCallsNoChangeAChange) {
  // 20 bins, 150 rows: the mean of PSI without any change is 0.14, above the 0.1 that is often alarmed on.
  const Rates rates = without_change(std::vector<double>(20, 1.0), 5000, 150, 300);
  EXPECT_GT(rates.mean[1], 0.1);
  EXPECT_LT(rates.above[1], 0.03);
}

TEST(BinnedDrift, OfAFlagTheDistanceIsTheChangeOfItsShare) {
  std::vector<double> flags(1000, 0);
  for (int i = 0; i < 300; ++i) flags[static_cast<std::size_t>(i)] = 1;
  const ColumnBins bins = ColumnBins::of_numbers(flags);
  const auto counts = [&bins](int zeros, int ones) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(bins.size()), 0);
    out[static_cast<std::size_t>(bins.find(0))] = zeros;
    out[static_cast<std::size_t>(bins.find(1))] = ones;
    return out;
  };
  const BinnedDrift drift = binned_drift(bins, counts(700, 300), counts(600, 400), 0.5);
  EXPECT_NEAR(drift.wasserstein->value, 0.1 / 0.5, 1e-12);
}

TEST(BinnedDrift, WholeNumbersLieOnWholeNumbers) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i % 10);
  const ColumnBins bins = ColumnBins::of_numbers(values);
  std::vector<std::int64_t> before(static_cast<std::size_t>(bins.size()), 0);
  std::vector<std::int64_t> now = before;
  for (int i = 0; i < 1000; ++i) {
    ++before[static_cast<std::size_t>(bins.find(i % 10))];
    ++now[static_cast<std::size_t>(bins.find(std::min(9, i % 10 + 1)))];
  }
  EXPECT_NEAR(binned_drift(bins, before, now, 1).wasserstein->value, 0.9, 1e-9)
      << "all but the nines move by 1";
}

}  // namespace
}  // namespace trimtab::watch
