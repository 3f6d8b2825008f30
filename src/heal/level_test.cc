#include "heal/level.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

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
    batch.truth.push_back(uniform(random) < at_level(score, level) ? 1 : 0);
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

TEST(Level, NoneChangesNoBit) { EXPECT_EQ(at_level(0.1234567890123, 0), 0.1234567890123); }

TEST(Level, MovesTheLogOdds) {
  EXPECT_NEAR(at_level(0.5, std::log(3)), 0.75, 1e-12);
  EXPECT_GT(at_level(0.0, 1), 0);
  EXPECT_LE(at_level(1.0, 2), 1);
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

}  // namespace
}  // namespace trimtab::heal
