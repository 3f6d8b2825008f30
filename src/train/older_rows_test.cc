#include "train/older_rows.h"

#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace trimtab::train {
namespace {

// x runs over a circle; before `since` the target is x > 0, from then on what `flips` says.
struct World {
  model::TrainingData rows;
  std::vector<TimeUs> times;
  TimeUs since = 0;

  World(int before, int after, bool flips) : since(before) {
    rows.width = 1;
    rows.feature_names = {"x"};
    for (int i = 0; i < before + after; ++i) {
      const double x = std::sin(i * 1.7);
      const bool is_noise = i * 7919 % 10 == 0;
      const bool is_new = i >= before && flips;
      rows.values.push_back(x);
      rows.targets.push_back((x > 0) != (is_new != is_noise) ? 1.0F : 0.0F);
      times.push_back(i);
    }
  }
  double weight() const {
    model::BoosterOptions options;
    options.rounds = 20;
    options.leaves = 4;
    return weigh_older_rows({rows, times}, std::array{since}, options, nullptr)->weight;
  }
};

TEST(OlderRows, CountForNothingWhenTheWorldHasTurnedRound) { EXPECT_EQ(World(3'000, 300, true).weight(), 0); }

TEST(OlderRows, CountInFullWhenNothingHasChanged) { EXPECT_EQ(World(3'000, 150, false).weight(), 1); }

TEST(OlderRows, CountInFullWhereThereIsNothingToAsk) {
  EXPECT_EQ(World(3'000, 80, true).weight(), 1) << "too few rows since";
  EXPECT_EQ(World(0, 300, true).weight(), 1) << "none before";
}

TEST(OlderRows, FromBeforeAnEarlierChangeMayBeAllThatMisleads) {
  const World turned(3'000, 600, true);
  const TimeUs again = turned.since + 400;  // Somebody thought that it had changed once more.
  model::BoosterOptions options;
  options.rounds = 20;
  options.leaves = 4;
  const OlderRows chosen =
      weigh_older_rows({turned.rows, turned.times}, std::array{turned.since, again}, options, nullptr)
          .value();
  EXPECT_EQ(chosen.since, turned.since);
  EXPECT_EQ(chosen.weight, 0);
}

TEST(OlderRows, KeepTheirWeightOrAreLeftAway) {
  const World world(3, 2, true);
  const TimedRows timed{world.rows, world.times};
  const model::TrainingData some = with_older_rows({world.since, 0.2}, timed);
  EXPECT_EQ(some.weights, (std::vector<float>{0.2F, 0.2F, 0.2F, 1, 1}));
  EXPECT_EQ(some.values, world.rows.values);
  const model::TrainingData none = with_older_rows({world.since, 0}, timed);
  EXPECT_EQ(none.rows(), 2);
  EXPECT_EQ(none.values, (std::vector<double>{world.rows.values[3], world.rows.values[4]}));
  EXPECT_TRUE(with_older_rows({world.since, 1}, timed).weights.empty());
}

TEST(OlderRows, AskingCanBeStopped) {
  const World world(300, 300, true);
  std::int64_t told = 0;
  const auto stopped = weigh_older_rows({world.rows, world.times}, std::array{world.since}, {},
                                        [&](std::int64_t done, std::int64_t total) {
                                          told = total;
                                          return done < 5;
                                        });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(told, 3 * 4 * 200);
}

}  // namespace
}  // namespace trimtab::train
