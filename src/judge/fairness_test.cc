#include "judge/fairness.h"

#include <cmath>
#include <gtest/gtest.h>

namespace trimtab::judge {
namespace {

// Rows by group: how many, with which truth, and how many of them are called positive.
class Fairness : public testing::Test {
 protected:
  void add(const std::string& group, double truth, int rows, int positives) {
    for (int row = 0; row < rows; ++row) {
      groups_.push_back(group);
      truth_.push_back(truth);
      score_.push_back(row < positives ? 0.8 : 0.2);
    }
  }
  GroupMeasure measured(const char* name, int rows_min = 1) {
    return measure_groups(name, truth_, score_, groups_, rows_min);
  }

  std::vector<std::string> groups_;
  std::vector<double> truth_, score_;
};

// The figures are Fairlearn's for the same rows.
TEST_F(Fairness, ComparesTheGroupsThatLieFarthestApart) {
  add("a", 1, 50, 40);  // true positives 0.8
  add("a", 0, 50, 10);  // false positives 0.2
  add("b", 1, 40, 20);  // 0.5
  add("b", 0, 60, 30);  // 0.5
  add("c", 1, 50, 35);
  add("c", 0, 50, 12);
  EXPECT_DOUBLE_EQ(*measured("demographic_parity_ratio").measure.value, 0.47 / 0.5);
  EXPECT_NEAR(*measured("demographic_parity_difference").measure.value, 0.03, 1e-12);
  EXPECT_NEAR(*measured("equal_opportunity").measure.value, 0.3, 1e-12);
  EXPECT_EQ(measured("equal_opportunity").groups, "b 0.5 against a 0.8");
  EXPECT_NEAR(*measured("equalized_odds").measure.value, 0.3, 1e-12);
  const Measure with_interval = measured("equal_opportunity").measure;
  EXPECT_NEAR(*with_interval.high - 0.3, 1.96 * std::sqrt(0.25 / 40 + 0.16 / 50), 1e-12);
  EXPECT_NEAR(0.3 - *with_interval.low, 1.96 * std::sqrt(0.25 / 40 + 0.16 / 50), 1e-12);
}

TEST_F(Fairness, EqualizedOddsIsTheLargerOfTheTwo) {
  add("a", 1, 10, 5);
  add("a", 0, 10, 9);
  add("b", 1, 10, 5);
  add("b", 0, 10, 1);
  EXPECT_NEAR(*measured("equalized_odds").measure.value, 0.8, 1e-12);
  EXPECT_EQ(*measured("equal_opportunity").measure.value, 0);
}

TEST_F(Fairness, WithoutTwoGroupsOfEnoughRowsThereIsNoFigure) {
  add("a", 1, 60, 30);
  add("b", 1, 10, 5);
  const GroupMeasure none = measured("demographic_parity_ratio", 50);
  EXPECT_FALSE(none.measure.value);
  EXPECT_EQ(none.measure.reason, "fewer than two groups have 50 rows to compare");
  EXPECT_FALSE(measured("equalized_odds").measure.value) << "nobody has a false positive to be compared";
}

TEST_F(Fairness, WithoutPositivesThereIsNoRatio) {
  add("a", 1, 10, 0);
  add("b", 0, 10, 0);
  EXPECT_EQ(measured("demographic_parity_ratio").measure.reason, "no row of any group is positive");
}

}  // namespace
}  // namespace trimtab::judge
