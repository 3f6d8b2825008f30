#include "watch/row_drift.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace trimtab::watch {
namespace {

// Rows of three columns; `shift` moves the second where the first is positive, so that no column's mean but
// their going together tells.
std::vector<double> rows_of(int count, double shift, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> rows;
  for (int i = 0; i < count; ++i) {
    const double a = normal(random);
    rows.insert(rows.end(), {a, normal(random) + (a > 0 ? shift : -shift), normal(random)});
  }
  return rows;
}

DomainVerdict told(const std::vector<double>& reference, const std::vector<double>& current) {
  const Result<DomainVerdict> verdict = tell_apart({reference, current, {"a", "b", "c"}, {}});
  EXPECT_TRUE(verdict) << base::render(verdict.error());
  return verdict.value_or(DomainVerdict());
}

TEST(DomainClassifier, RowsThatNoLongerGoTogetherAreToldApart) {
  const DomainVerdict verdict = told(rows_of(1500, 0, 1), rows_of(1500, 1, 2));
  EXPECT_GT(*verdict.auc.value, 0.7);
  EXPECT_TRUE(verdict.is_beyond_chance);
  EXPECT_LT(verdict.p, 1e-6);
  EXPECT_LT(verdict.auc.low, *verdict.auc.value);
  ASSERT_FALSE(verdict.told_by.empty());
  EXPECT_NE(verdict.told_by[0].first, "c") << "which has not changed";
  EXPECT_EQ(verdict.reference_rows, 750);
  EXPECT_NEAR(verdict.floor, 0.5 + 2.3263 * std::sqrt(1501.0 / (12 * 750.0 * 750)), 1e-6);
}

TEST(DomainClassifier, AlikeRowsPassTheFloorAboutOnceInAHundredTimes) {
  int beyond = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed)
    beyond += told(rows_of(300, 0, 2 * seed + 1), rows_of(200, 0, 2 * seed + 2)).is_beyond_chance ? 1 : 0;
  EXPECT_LE(beyond, 3) << "of 40 more than three would come in a thousandth of all tries";
}

TEST(DomainClassifier, OfFewRowsNothingIsSaid) {
  const DomainVerdict verdict = told(rows_of(99, 0, 1), rows_of(500, 1, 2));
  EXPECT_EQ(verdict.auc.value, std::nullopt);
  EXPECT_EQ(verdict.auc.reason, "fewer than 100 rows");
  EXPECT_FALSE(verdict.is_beyond_chance);
}

TEST(AttributionDrift, NdcgIsClarifys) {
  // By hand: reference order 3, 2, 1; the current order swaps the first two.
  const std::vector<double> reference = {3, 2, 1};
  const double log3 = std::log2(3.0);
  EXPECT_EQ(attribution_ndcg(reference, reference), 1);
  EXPECT_NEAR(attribution_ndcg(reference, std::vector<double>{2, 3, 1}),
              (2 + 3 / log3 + 0.5) / (3 + 2 / log3 + 0.5), 1e-12);
  EXPECT_EQ(attribution_ndcg(std::vector<double>{0, 0}, std::vector<double>{1, 2}), 1);
}

// |SHAP| of two features with these means, and the base behind them.
std::vector<double> parts_of(int count, double first, double second, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 0.2);
  std::vector<double> parts;
  for (int i = 0; i < count; ++i)
    parts.insert(parts.end(), {first + normal(random), -second + normal(random), 7});
  return parts;
}

TEST(AttributionDrift, AnotherOrderIsBeyondChanceAndTheSameIsNot) {
  const AttributionDrift moved = compare_attributions(parts_of(200, 1, 0.5, 1), parts_of(200, 0.5, 1, 2), 2);
  EXPECT_LT(moved.ndcg, 0.95);
  EXPECT_TRUE(moved.is_beyond_chance);
  EXPECT_NEAR(moved.reference[1], 0.5, 0.05) << "sizes, whatever their sign";
  const AttributionDrift same = compare_attributions(parts_of(200, 1, 0.5, 1), parts_of(200, 1, 0.5, 2), 2);
  EXPECT_EQ(same.ndcg, 1);
  EXPECT_FALSE(same.is_beyond_chance);
}

// Two features of equal weight change places by chance alone.
TEST(AttributionDrift, EqualFeaturesChangePlacesWithoutAlarm) {
  int alarms = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    alarms += compare_attributions(parts_of(60, 1, 1, 2 * seed), parts_of(60, 1, 1, 2 * seed + 1), 2)
                      .is_beyond_chance
                  ? 1
                  : 0;
  }
  EXPECT_LE(alarms, 3);
}

TEST(AttributionDrift, IsToldWithItsFeatures) {
  const Json json =
      compare_attributions(parts_of(50, 1, 0.5, 1), parts_of(50, 0.5, 1, 2), 2).to_json({"x", "y"});
  EXPECT_EQ(json.text_or("verdict"), "moved");
  EXPECT_EQ(json["features"].as_array()[1].text_or("name"), "y");
}

}  // namespace
}  // namespace trimtab::watch
