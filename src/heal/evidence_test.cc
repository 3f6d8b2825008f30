#include "heal/evidence.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>

namespace trimtab::heal {
namespace {

using Numbers = std::vector<double>;

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Differences of +-size whose mean is `mean`.
Numbers differences(std::mt19937_64& random, std::size_t rows, double mean, double size) {
  Numbers out(rows);
  for (double& difference : out) difference = mean + (uniform(random) < 0.5 ? size : -size);
  return out;
}

// A CUSUM that was told these sums of evidence, a batch each: one row whose bets win or lose about as much.
EvidenceCusum told(const Numbers& batches) {
  EvidenceCusum cusum;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    cusum.push(std::span<const double>(&batches[i], 1), static_cast<std::int64_t>(i + 1) * 100);
  }
  return cusum;
}

TEST(Evidence, KnowsFromWhereOnItRisesFast) {
  EvidenceCusum cusum;
  EXPECT_EQ(cusum.steepest(), 0);
  for (int batch = 1; batch <= 6; ++batch) cusum.add(1, batch);
  EXPECT_EQ(cusum.steepest(), 6) << "evenly: all of it";
  for (int batch = 7; batch <= 9; ++batch) cusum.add(20, batch);
  EXPECT_EQ(cusum.steepest(), 3);
}

TEST(Evidence, AnAlarmWithoutChangeIsAsRareAsPromised) {
  // A restart at each batch and an alarm at e > 1000: at most one batch in a thousand begins a false alarm.
  constexpr int kStreams = 600, kBatches = 50;
  std::mt19937_64 random(7);
  int alarms = 0;
  for (int stream = 0; stream < kStreams; ++stream) {
    EvidenceCusum cusum;
    bool has_alarmed = false;
    for (int batch = 0; batch < kBatches; ++batch) {
      cusum.push(std::span<const double>(differences(random, 40, 0, 0.3)), batch);
      has_alarmed = has_alarmed || cusum.alarms();
    }
    alarms += has_alarmed ? 1 : 0;
  }
  EXPECT_LE(alarms, kStreams * kBatches / 1000);
}

TEST(Evidence, AChangeIsSeenAndDated) {
  std::mt19937_64 random(11);
  EvidenceCusum cusum;
  for (int batch = 1; batch <= 30; ++batch) {
    cusum.push(std::span<const double>(differences(random, 200, -0.02, 0.3)), batch);
    EXPECT_FALSE(cusum.alarms());
  }
  int batch = 30;
  while (!cusum.alarms() && batch < 60) {
    cusum.push(std::span<const double>(differences(random, 200, 0.08, 0.3)), ++batch);
  }
  EXPECT_LT(batch, 40);
  EXPECT_GE(cusum.since(), 28);
  EXPECT_LE(cusum.since(), 31);
  EXPECT_EQ(cusum.length(), batch - cusum.since());
}

TEST(Evidence, AnAlarmStandsUntilTheEvidenceIsGone) {
  EvidenceCusum cusum;
  const Numbers wins(30, 0.9), losses(15, -0.9);
  cusum.push(std::span<const double>(wins), 1);
  ASSERT_TRUE(cusum.alarms());
  cusum.push(std::span<const double>(losses.data(), 5), 2);
  EXPECT_LT(cusum.value(), kAlarmLog + 20);
  EXPECT_TRUE(cusum.alarms()) << "less evidence than before is still evidence";
  cusum.push(std::span<const double>(losses), 3);
  cusum.push(std::span<const double>(losses), 4);
  cusum.push(std::span<const double>(losses), 5);
  EXPECT_LE(cusum.value(), 0);
  EXPECT_FALSE(cusum.alarms());
}

TEST(Evidence, OfSeveralAlternativesTheMeanOfTheirWealthCounts) {
  const std::vector<Numbers> alternatives = {{0.5}, {-0.5}};
  EvidenceCusum cusum;
  cusum.push(alternatives, 1);
  // The mean of 1 + λd over λ in {0.3, 0.9} and d in {0.5, -0.5} is 1: nothing is known.
  EXPECT_NEAR(cusum.value(), 0, 1e-12);
}

TEST(Evidence, TheStrongestBatchesCanBeTakenAway) {
  const EvidenceCusum cusum = told({0.5, 0.1, 0.9});
  EXPECT_NEAR(cusum.without_strongest(0), cusum.value(), 1e-12);
  EXPECT_NEAR(cusum.without_strongest(1), std::log(1.3) + std::log(1.06), 1e-12);
  EXPECT_NEAR(cusum.without_strongest(2), std::log(1.06), 1e-12);
  EXPECT_EQ(cusum.without_strongest(3), 0);
  EXPECT_EQ(cusum.without_strongest(9), 0);
  EXPECT_NEAR(cusum.sum_of_newest(2), std::log(1.06) + std::log(1.54), 1e-12);
  EXPECT_NEAR(cusum.newest(), std::log(1.54), 1e-12);
}

TEST(Evidence, AResetForgetsAllButTheDate) {
  EvidenceCusum cusum = told({0.9, 0.9});
  cusum.reset();
  EXPECT_EQ(cusum.value(), 0);
  EXPECT_EQ(cusum.length(), 0);
  EXPECT_EQ(cusum.newest(), 0);
  EXPECT_EQ(cusum.since(), 200);
  EXPECT_FALSE(cusum.alarms());
}

RC_GTEST_PROP(Evidence, GoesOnWithTheSameNumbersAfterARestart, ()) {
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(-1000, 1000));
  EvidenceCusum whole, restarted;
  std::int64_t batch = 0;
  for (const int step : steps) {
    const double difference = step / 1000.0 + 1e-9;
    whole.push(std::span<const double>(&difference, 1), ++batch);
    restarted = EvidenceCusum::from_json(base::parse_json(restarted.to_json().dump()).value());
    restarted.push(std::span<const double>(&difference, 1), batch);
    RC_ASSERT(restarted.value() == whole.value());
    RC_ASSERT(restarted.since() == whole.since());
    RC_ASSERT(restarted.without_strongest(2) == whole.without_strongest(2));
    RC_ASSERT(restarted.alarms() == whole.alarms());
  }
}

}  // namespace
}  // namespace trimtab::heal
