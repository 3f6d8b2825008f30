#include "watch/correction.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace trimtab::watch {
namespace {

using Numbers = std::vector<double>;

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Rows whose truth follows sigmoid(a + b·logit(score) + w·x).
struct World {
  Numbers features, score, truth;
  CorrectionRows rows(int width) const { return {width, features, score, truth}; }
};

World world(std::size_t rows, double a, double b, double w) {
  std::mt19937_64 random(3);
  World made;
  for (std::size_t row = 0; row < rows; ++row) {
    const double x = uniform(random) * 4 - 2;
    const double p = 0.05 + 0.9 * uniform(random);
    const double log_odds = a + b * std::log(p / (1 - p)) + w * x;
    made.features.push_back(x);
    made.score.push_back(p);
    made.truth.push_back(uniform(random) < 1 / (1 + std::exp(-log_odds)) ? 1 : 0);
  }
  return made;
}

TEST(Correction, FindsWhatTheScoresLack) {
  const World lacking = world(20'000, 0.7, 0.5, 1.0);
  const Correction found = Correction::fit(lacking.rows(1), 1).value();
  EXPECT_NEAR(found.intercept(), 0.7, 0.1);
  EXPECT_NEAR(found.slope(), 0.5, 0.06);
  EXPECT_NEAR(found.weights()[0], 4 / std::sqrt(12), 0.1);  // In standard deviations of the feature.
}

TEST(Correction, OfAGoodChampionIsNextToNothing) {
  const World good = world(20'000, 0, 1, 0);
  const Correction found = Correction::fit(good.rows(1), 20).value();
  EXPECT_NEAR(found.intercept(), 0, 0.06);
  EXPECT_NEAR(found.slope(), 1, 0.06);
  EXPECT_NEAR(found.weights()[0], 0, 0.06);
}

TEST(Correction, SurvivesWildAndMissingCells) {
  World odd = world(200, 0, 1, 1);
  odd.features[0] = 1e300;
  odd.features[1] = -std::numeric_limits<double>::infinity();
  odd.features[2] = std::numeric_limits<double>::quiet_NaN();
  odd.score[3] = 0;
  odd.score[4] = 1;
  const Correction found = Correction::fit(odd.rows(1), 1).value();
  Numbers corrected;
  found.apply(odd.rows(1), corrected);
  for (const double p : corrected) EXPECT_TRUE(p >= 0 && p <= 1);
}

TEST(Correction, WantsRowsOfBothClasses) {
  World few = world(19, 0, 1, 0);
  EXPECT_EQ(Correction::fit(few.rows(1), 1).error().message,
            "a correction needs 20 labelled rows, there are 19");
  World one_class = world(40, 0, 1, 0);
  one_class.truth.assign(40, 1);
  const Error error = Correction::fit(one_class.rows(1), 1).error();
  EXPECT_EQ(error.code, ErrorCode::invalid);
  EXPECT_EQ(error.message, "a correction needs labels of both classes, there is only one");
}

TEST(Correction, SaysTheSameAfterItWasKept) {
  const World lacking = world(500, 0.7, 0.5, 1.0);
  const Correction made = Correction::fit(lacking.rows(1), 20).value();
  const Correction kept = Correction::from_json(base::parse_json(made.to_json().dump()).value()).value();
  Numbers before, after;
  made.apply(lacking.rows(1), before);
  kept.apply(lacking.rows(1), after);
  EXPECT_EQ(before, after);
  EXPECT_EQ(kept.width(), 1);
  EXPECT_EQ(Correction::from_json(Json::object({{"slope", 1}})).error().message,
            "a version's correction is broken");
}

}  // namespace
}  // namespace trimtab::watch
