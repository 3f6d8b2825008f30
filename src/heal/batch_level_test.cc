#include "heal/batch_level.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "model/level.h"

namespace trimtab::heal {
namespace {

struct Batch {
  std::vector<double> score, truth;
};

// Rows whose true log odds are those of the score plus `level`.
Batch batch_at(double level, int rows, std::mt19937_64& random) {
  Batch batch;
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int row = 0; row < rows; ++row) {
    const double score = 0.1 + 0.6 * uniform(random);
    batch.score.push_back(score);
    batch.truth.push_back(uniform(random) < model::at_level(score, level) ? 1 : 0);
  }
  return batch;
}

TEST(Level, OfABatchIsWhatItsScoresAreOffBy) {
  std::mt19937_64 random(1);
  for (const double level : {-1.0, 0.0, 0.7}) {
    const Batch batch = batch_at(level, 20'000, random);
    EXPECT_NEAR(fit_level(batch.score, batch.truth), level, 0.06);
  }
}

TEST(Level, OfAHandfulOfRowsIsHeldNearNone) {
  EXPECT_LT(fit_level(std::vector{0.5, 0.5}, std::vector{1.0, 1.0}), 0.35);
  EXPECT_EQ(fit_level({}, {}), 0);
  EXPECT_EQ(fit_level(std::vector{std::nan("")}, std::vector{1.0}), 0);
}

TEST(Level, OfScoresAtTheEndsIsFinite) {
  const std::vector<double> score(1000, 1.0), truth(1000, 0.0);
  EXPECT_TRUE(std::isfinite(fit_level(score, truth)));
}

TEST(Level, NoneChangesNoBit) { EXPECT_EQ(model::at_level(0.1234567890123, 0), 0.1234567890123); }

TEST(Level, MovesTheLogOdds) {
  EXPECT_NEAR(model::at_level(0.5, std::log(3)), 0.75, 1e-12);
  EXPECT_GT(model::at_level(0.0, 1), 0);
  EXPECT_LE(model::at_level(1.0, 2), 1);
}

TEST(LevelForecast, ExpectsNothingOfIndependentLevels) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal(0, 0.5);
  LevelForecast forecast;
  for (int batch = 0; batch < 100; ++batch) forecast.push(normal(random));
  EXPECT_LT(forecast.persistence(), 0.25);
  EXPECT_LT(std::abs(forecast.next()), 0.2);
}

TEST(LevelForecast, FollowsLevelsThatPersist) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 0.4);
  LevelForecast forecast;
  double level = 0, of_forecast = 0, of_none = 0;
  for (int batch = 0; batch < 300; ++batch) {
    level = 0.8 * level + normal(random);
    if (batch > 50) of_forecast += std::pow(forecast.next() - level, 2), of_none += level * level;
    forecast.push(level);
  }
  EXPECT_NEAR(forecast.persistence(), 0.8, 0.25);  // Shrunk, and of 120 batches.
  EXPECT_LT(of_forecast, 0.6 * of_none);
}

TEST(LevelForecast, LearnsAStandingError) {
  LevelForecast forecast;
  for (int batch = 0; batch < 100; ++batch) forecast.push(0.6);
  EXPECT_NEAR(forecast.next(), 0.6, 0.1);
}

TEST(LevelForecast, OfOneWildBatchIsBounded) {
  LevelForecast forecast;
  for (int batch = 0; batch < 50; ++batch) forecast.push(5);
  EXPECT_LE(forecast.next(), LevelForecast::kForecastMax);
}

TEST(LevelForecast, ForAnotherVersionWaitsForItsFirstBatchAndKeepsHowLevelsBehave) {
  LevelForecast forecast;
  for (int batch = 0; batch < 60; ++batch) forecast.push(batch / 5 % 2 == 0 ? 0.8 : -0.8);
  const double persistence = forecast.persistence();
  forecast.forget_newest();
  EXPECT_EQ(forecast.next(), 0);
  EXPECT_EQ(forecast.persistence(), persistence);
  forecast.push(0.8);
  EXPECT_GT(forecast.next(), 0.2);
}

TEST(LevelForecast, SurvivesItsJson) {
  LevelForecast forecast;
  for (const double level : {0.1, 0.2, -0.3, 1.0 / 3}) forecast.push(level);
  const LevelForecast again = LevelForecast::from_json(*base::parse_json(forecast.to_json().dump()));
  EXPECT_EQ(again.next(), forecast.next());
  EXPECT_EQ(LevelForecast::from_json(Json::object()).next(), 0);
}

// A day of rows whose truth lies `level` above what the version says; `answered` is what the endpoint moved
// the answers by.
watch::LabelledBatch day_at(std::int64_t number, double level, double answered, std::mt19937_64& random) {
  const Batch rows = batch_at(level, 400, random);
  watch::LabelledBatch day;
  day.number = number;
  day.plain = rows.score;
  day.truth = rows.truth;
  for (const double score : rows.score) day.served.push_back(model::at_level(score, answered));
  return day;
}

constexpr int kPoisonBudget = 3;

// Lives through days whose levels persist or do not; says on which day the level was first followed.
int first_followed(double persistence, int days, std::uint64_t seed, LevelState& state) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 0.5);
  double level = 0;
  int first = 0;
  for (int number = 1; number <= days; ++number) {
    level = persistence * level + normal(random);
    Json evidence = Json::object();
    state.learn(day_at(number, level, state.served(), random), kPoisonBudget, 1, evidence);
    if (state.should_leave()) state.follow(false);
    if (!state.should_follow(kPoisonBudget)) continue;
    state.follow(true);
    if (first == 0) first = number;
  }
  return first;
}

TEST(LevelState, FollowsWhatPersists) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    LevelState state;
    EXPECT_GT(first_followed(0.9, 120, seed, state), kPoisonBudget) << seed;
    EXPECT_TRUE(state.followed) << seed;
  }
}

// Rows of a day share its level, so the evidence of a day counts for less than its rows do, and chance may
// look like persistence for some weeks. What is then served is small, because the forecast is.
TEST(LevelState, SeldomFollowsWhatDoesNotPersist) {
  int followed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    LevelState idle;
    if (first_followed(0, 60, seed, idle) > 0) ++followed;
    EXPECT_LT(std::abs(idle.served()), 0.3) << seed;
  }
  EXPECT_LE(followed, 2);
}

TEST(LevelState, LeavesALevelThatCanNoLongerBeForeseen) {
  std::mt19937_64 random(5);
  LevelState state;
  for (int number = 0; number < 40; ++number) state.forecast.push(0.9);
  state.follow(true);
  for (int number = 1; number < 200 && state.followed; ++number) {
    Json evidence = Json::object();
    const double level = number % 2 == 0 ? 1.2 : -1.2;
    state.learn(day_at(number, level, state.served(), random), kPoisonBudget, 1, evidence);
    if (state.should_leave()) state.follow(false);
  }
  EXPECT_FALSE(state.followed);
}

TEST(LevelState, SurvivesItsJson) {
  LevelState state;
  first_followed(0.9, 30, 7, state);
  const LevelState again = LevelState::from_json(*base::parse_json(state.to_json().dump()));
  EXPECT_EQ(again.served(), state.served());
  EXPECT_EQ(again.followed, state.followed);
  EXPECT_EQ(again.to_json(), state.to_json());
}

}  // namespace
}  // namespace trimtab::heal
