#include "watch/many_tests.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace trimtab::watch {
namespace {

TEST(EValue, HasAMeanOfAtMostOneAndGrowsAsPFalls) {
  double sum = 0;
  constexpr int kSteps = 2'000'000;
  for (int i = 0; i < kSteps; ++i) sum += std::exp(log_e_of(std::log((i + 0.5) / kSteps))) / kSteps;
  EXPECT_LE(sum, 1.0);
  // ∫ over p of the calibrator is 1; what is missing is the stretch below the first step.
  EXPECT_GT(sum, 0.9);
  EXPECT_NEAR(log_e_of(0), std::log(0.5), 1e-12);
  EXPECT_NEAR(std::exp(log_e_of(std::log(0.01))), (1 - 0.01 + 0.01 * std::log(0.01)) / (0.01 * 21.20759),
              1e-4);
  EXPECT_GT(log_e_of(-1000), 900);
}

TEST(EBh, RejectsAsTheDefinitionSays) {
  const double at = std::log(20);  // 1/0.05
  EXPECT_EQ(e_bh(std::vector<double>{at}), std::vector<bool>{true});
  EXPECT_EQ(e_bh(std::vector<double>{at - 0.01}), std::vector<bool>{false});
  // Of two the larger needs 40 alone, both need 20 together.
  EXPECT_EQ(e_bh(std::vector<double>{std::log(30), 0}), (std::vector<bool>{false, false}));
  EXPECT_EQ(e_bh(std::vector<double>{std::log(41), 0}), (std::vector<bool>{true, false}));
  EXPECT_EQ(e_bh(std::vector<double>{std::log(21), std::log(22)}), (std::vector<bool>{true, true}));
  EXPECT_TRUE(e_bh({}).empty());
}

TEST(EBh, KeepsTheShareOfFalseAlarmsAmongTwentyColumns) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> p(0, 1);
  int windows_with_alarm = 0;
  for (int window = 0; window < 2000; ++window) {
    std::vector<double> log_e(20);
    for (double& e : log_e) e = log_e_of(std::log(p(random)));
    for (const bool rejected : e_bh(log_e)) {
      if (!rejected) continue;
      ++windows_with_alarm;
      break;
    }
  }
  EXPECT_LE(windows_with_alarm, 0.05 * 2000);
}

// Batches until the detector alarms, at most `batches`.
int runs_until_alarm(double shift, int batches, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  OutcomeDetector detector;
  for (int batch = 0; batch < batches; ++batch) {
    // The season moves the truth and the score alike.
    const double season = 0.3 + 0.2 * std::sin(batch / 5.0);
    Wealth wealth;
    for (int row = 0; row < 200; ++row) {
      const double score = season * (0.5 + uniform(random));
      wealth.add(uniform(random) < score + shift ? 1 : 0, score);
    }
    detector.push(wealth);
    if (detector.alarms()) return batch + 1;
  }
  return batches;
}

TEST(Wealth, IsASumOverRows) {
  Wealth all;
  Wealth some;
  Wealth others;
  for (int i = 0; i < 10; ++i) {
    all.add(i % 3 == 0, i / 10.0);
    (i < 4 ? some : others).add(i % 3 == 0, i / 10.0);
  }
  some.merge(others);
  for (std::size_t i = 0; i < all.higher.size(); ++i) {
    EXPECT_NEAR(some.higher[i], all.higher[i], 1e-12);
    EXPECT_NEAR(some.lower[i], all.lower[i], 1e-12);
  }
  all.add(1, 0.3);
  all.add(1, 0.3, -1);
  EXPECT_NEAR(all.higher[2], some.higher[2], 1e-12);
}

TEST(OutcomeDetector, IsSilentWhileScoresAreRightWhateverTheSeason) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) EXPECT_EQ(runs_until_alarm(0, 300, seed), 300);
}

TEST(OutcomeDetector, FindsAShiftInAFewBatches) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_LT(runs_until_alarm(0.15, 100, seed), 12);
    EXPECT_LT(runs_until_alarm(-0.1, 100, seed), 20);
  }
}

}  // namespace
}  // namespace trimtab::watch
