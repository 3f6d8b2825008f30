// Expected values: scipy.stats 1.17.1 on the same numbers.
#include "watch/two_sample.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <vector>

namespace trimtab::watch {
namespace {

// 50 and 40 numbers that differ a little.
std::vector<double> first() {
  std::vector<double> values;
  for (int i = 0; i < 50; ++i) values.push_back(i * 37 % 101 / 10.0);
  return values;
}
std::vector<double> second() {
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) values.push_back(i * 53 % 97 / 9.0 + 0.5);
  return values;
}
std::vector<double> rounded(std::vector<double> values) {
  for (double& value : values) value = std::nearbyint(value);
  return values;
}

TEST(TwoSample, EqualsScipy) {
  EXPECT_NEAR(kolmogorov_smirnov(first(), second()).statistic, 0.09, 1e-15);
  EXPECT_NEAR(kolmogorov_smirnov(first(), second()).p, 0.993764859699076, 1e-12);
  EXPECT_NEAR(wasserstein(first(), second()), 0.4086666666666666, 1e-14);
  EXPECT_NEAR(energy_distance(first(), second()), 0.20130684152418774, 1e-14);
  EXPECT_NEAR(cramer_von_mises(first(), second()), 0.04198148148148029, 1e-12);
  EXPECT_NEAR(mann_whitney_auc(first(), second()).statistic, 0.5365, 1e-15);
  EXPECT_NEAR(mann_whitney_auc(first(), second()).p, 0.5533427858578845, 1e-12);
}

TEST(TwoSample, EqualsScipyWithTies) {
  const std::vector<double> a = rounded(first());
  const std::vector<double> b = rounded(second());
  EXPECT_NEAR(kolmogorov_smirnov(a, b).statistic, 0.065, 1e-15);
  EXPECT_NEAR(wasserstein(a, b), 0.485, 1e-14);
  EXPECT_NEAR(energy_distance(a, b), 0.22079402165819614, 1e-14);
  EXPECT_NEAR(cramer_von_mises(a, b), 0.052175925925926236, 1e-12);
  EXPECT_NEAR(mann_whitney_auc(a, b).statistic, 0.544, 1e-15);
  EXPECT_NEAR(mann_whitney_auc(a, b).p, 0.47288953101703557, 1e-12);
}

TEST(TwoSample, NothingSaysNothingAndNaNIsPassedOver) {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> none = {missing};
  EXPECT_EQ(kolmogorov_smirnov(none, first()).p, 1);
  EXPECT_EQ(wasserstein(none, first()), 0);
  EXPECT_EQ(energy_distance(first(), none), 0);
  EXPECT_EQ(cramer_von_mises(first(), none), 0);
  EXPECT_EQ(mann_whitney_auc(none, none).statistic, 0.5);
  std::vector<double> with = first();
  with.push_back(missing);
  EXPECT_EQ(wasserstein(with, second()), wasserstein(first(), second()));
  const std::vector<double> same(10, 3.0);
  EXPECT_EQ(mann_whitney_auc(same, same).p, 1);
}

TEST(TwoSample, TheKernelSeesWhatNoColumnShows) {
  // Two columns that are normal in both samples; only how they go together differs.
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::vector<double> apart;
  std::vector<double> together;
  std::vector<double> apart_again;
  for (int i = 0; i < 120; ++i) {
    const double x = normal(random);
    together.insert(together.end(), {x, x});
    apart.insert(apart.end(), {normal(random), normal(random)});
    apart_again.insert(apart_again.end(), {normal(random), normal(random)});
  }
  EXPECT_LT(mean_discrepancy({apart, 2}, {together, 2}, 100).p, 0.02);
  EXPECT_GT(mean_discrepancy({apart, 2}, {apart_again, 2}, 100).p, 0.05);
  EXPECT_EQ(mean_discrepancy({apart, 2}, {{apart.data(), 2}, 2}, 100).p, 1);
}

}  // namespace
}  // namespace trimtab::watch
