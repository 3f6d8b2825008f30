#include "judge/metrics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <rapidcheck.h>

namespace trimtab::judge {
namespace {

using Numbers = std::vector<double>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Measure measured(std::string_view name, const Numbers& truth, const Numbers& score) {
  Result<Measure> result = measure(name, truth, score);
  CHECK(result.has_value());
  return *result;
}

double value(std::string_view name, const Numbers& truth, const Numbers& score) {
  const Measure found = measured(name, truth, score);
  return found.value.value_or(kNan);
}

// The definition: the chance that a positive row has the higher score, a tie counting half.
double auc_by_pairs(const Numbers& truth, const Numbers& score) {
  double wins = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    for (std::size_t j = 0; j < truth.size(); ++j) {
      if (truth[i] != 1 || truth[j] != 0) continue;
      ++pairs;
      wins += score[i] > score[j] ? 1.0 : score[i] == score[j] ? 0.5 : 0.0;
    }
  }
  return wins / pairs;
}

TEST(Metrics, BinaryFiguresOfFourRowsByHand) {
  const Numbers truth = {0, 0, 1, 1};
  const Numbers score = {0.1, 0.4, 0.35, 0.8};
  EXPECT_DOUBLE_EQ(value("auc", truth, score), 0.75);
  EXPECT_NEAR(value("log_loss", truth, score), 0.4722879, 1e-7);
  EXPECT_NEAR(value("brier", truth, score), (0.01 + 0.16 + 0.4225 + 0.04) / 4, 1e-15);
  EXPECT_NEAR(value("ece", truth, score), (0.1 + 0.4 + 0.65 + 0.2) / 4, 1e-15);
  EXPECT_DOUBLE_EQ(value("accuracy", truth, score), 0.75);
  EXPECT_DOUBLE_EQ(value("rate", truth, score), 0.5);
  EXPECT_DOUBLE_EQ(value("mean_score", truth, score), 0.4125);
}

TEST(Metrics, RegressionFiguresByHand) {
  const Numbers truth = {1, 2, 3};
  const Numbers score = {2, 2, 5};
  EXPECT_DOUBLE_EQ(value("rmse", truth, score), std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(value("mae", truth, score), 1);
  EXPECT_DOUBLE_EQ(value("bias", truth, score), 1);
}

TEST(Metrics, EdgesOfBinsAndOfTheLogarithm) {
  EXPECT_DOUBLE_EQ(value("accuracy", {1, 0}, {0.5, 0.5}), 0.5);
  EXPECT_NEAR(value("log_loss", {0, 1}, {1, 0}), -std::log(1e-15), 0.05);
  EXPECT_NEAR(value("log_loss", {1, 0}, {1, 0}), 1e-15, 1e-17);
  // 1.0 lies in the last bin, beside 0.95: their mean score 0.975 meets a rate of 0.5.
  EXPECT_NEAR(value("ece", {1, 0}, {1.0, 0.95}), 0.475, 1e-15);
  // In one bin errors cancel, in two they do not.
  EXPECT_NEAR(value("ece", {0, 1}, {0.51, 0.59}), 0.05, 1e-15);
  EXPECT_NEAR(value("ece", {0, 1}, {0.59, 0.61}), 0.49, 1e-15);
}

TEST(Metrics, AreaUnderTheCurveHasTheIntervalOfHanleyAndMcNeil) {
  // Their paper's table II: 58 and 51 patients with an area of 0.893 have a standard error of 0.032.
  Numbers truth(109, 0.0);
  std::fill(truth.begin() + 58, truth.end(), 1.0);
  Numbers score(109);
  for (std::size_t i = 0; i < score.size(); ++i) score[i] = static_cast<double>(i);
  int moved =
      0;  // Lowers the area pair by pair: each step of one positive row past one negative loses 1 / 2958.
  for (std::size_t i = 0; moved < 316; ++i) {
    const int steps = std::min(58, 316 - moved);
    score[58 + i] = 57.5 - steps + 1e-3 * static_cast<double>(i);
    moved += steps;
  }
  const Measure auc = measured("auc", truth, score);
  ASSERT_TRUE(auc.value && auc.low && auc.high);
  EXPECT_NEAR(*auc.value, 0.893, 0.001);
  EXPECT_NEAR((*auc.high - *auc.low) / 2 / 1.96, 0.0325, 0.001);
  EXPECT_EQ(measured("auc", {0, 1}, {0, 1}).high, 1.0);
}

TEST(Metrics, MeansHaveTheIntervalOfTheirStandardError) {
  // Differences 0, 0, 3: mean 1, sample variance 3, standard error 1.
  const Measure bias = measured("bias", {0, 0, 0}, {0, 0, 3});
  EXPECT_DOUBLE_EQ(*bias.value, 1);
  EXPECT_DOUBLE_EQ(*bias.low, 1 - 1.96);
  EXPECT_DOUBLE_EQ(*bias.high, 1 + 1.96);
  const Measure rmse = measured("rmse", {0, 0, 0}, {0, 0, 3});
  EXPECT_DOUBLE_EQ(*rmse.low, 0);
  EXPECT_DOUBLE_EQ(*rmse.high, std::sqrt(3 + 1.96 * 3));
  const Measure one_row = measured("mae", {1}, {3});
  EXPECT_EQ(one_row.value, 2.0);
  EXPECT_FALSE(one_row.low || one_row.high);
  EXPECT_FALSE(measured("ece", {0, 1}, {0, 1}).low);
}

TEST(Metrics, SaysWhyThereIsNoFigure) {
  EXPECT_EQ(measured("auc", {1, 1, 1}, {0.1, 0.2, 0.3}).reason, "all 3 rows are of one class");
  EXPECT_EQ(measured("rmse", {}, {}).reason, "no rows");
  EXPECT_EQ(measured("brier", {0, 1}, {0.5, kNan}).reason, "1 of 2 rows have a score that is no number");
  EXPECT_EQ(measured("auc", {0, 1, 7}, {0, 0, 0}).reason, "1 of 3 rows have a truth that is neither 0 nor 1");
  EXPECT_EQ(measured("mae", {kNan}, {0}).reason, "1 of 1 rows have a truth that is no number");
  EXPECT_FALSE(measured("rmse", {}, {}).value);
}

TEST(Metrics, UnknownNameIsRefusedWithTheLikelyOne) {
  const Result<Measure> refused = measure("log_los", Numbers{1}, Numbers{1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_EQ(refused.error().message, "there is no metric 'log_los'");
  EXPECT_EQ(refused.error().hint, "did you mean 'log_loss'?");
  EXPECT_EQ(measure("quux_quux", Numbers{1}, Numbers{1}).error().hint,
            "metrics are auc, log_loss, brier, ece, accuracy, rate, mean_score, rmse, mae, bias");
}

TEST(Metrics, JsonRoundTrip) {
  const Measure auc = measured("auc", {0, 0, 1, 1}, {0.1, 0.4, 0.35, 0.8});
  const Result<Measure> back = Measure::from_json(auc.to_json());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->value, auc.value);
  EXPECT_EQ(back->low, auc.low);
  EXPECT_EQ(back->high, auc.high);
  EXPECT_EQ(measured("rmse", {}, {}).to_json().dump(), R"({"reason":"no rows"})");
}

TEST(Metrics, AreaUnderTheCurveIsTheShareOfPairs) {
  rc::check("with many ties", [] {
    const auto rows = *rc::gen::nonEmpty<std::vector<std::pair<bool, std::uint8_t>>>();
    Numbers truth, score;
    for (const auto& [positive, level] : rows) {
      truth.push_back(positive ? 1 : 0);
      score.push_back(level % 8 / 8.0);
    }
    const Measure auc = measured("auc", truth, score);
    const double expected = auc_by_pairs(truth, score);
    RC_ASSERT(auc.value.has_value() == !std::isnan(expected));
    if (!auc.value) return;
    RC_ASSERT(std::abs(*auc.value - expected) < 1e-12);
    RC_ASSERT(*auc.low <= *auc.value && *auc.value <= *auc.high);
  });
}

TEST(Metrics, CalibrationErrorIsTheWeightedGapOfTenBins) {
  rc::check("against the definition", [] {
    const auto rows = *rc::gen::nonEmpty<std::vector<std::pair<bool, std::uint16_t>>>();
    Numbers truth, score;
    for (const auto& [positive, thousandth] : rows) {
      truth.push_back(positive ? 1 : 0);
      score.push_back(thousandth % 1001 / 1000.0);
    }
    double expected = 0;
    for (int bin = 0; bin < 10; ++bin) {
      double count = 0, scores = 0, truths = 0;
      for (std::size_t i = 0; i < truth.size(); ++i) {
        const int at = score[i] == 1 ? 9 : static_cast<int>(std::floor(score[i] * 10));
        if (at != bin) continue;
        ++count;
        scores += score[i];
        truths += truth[i];
      }
      if (count > 0)
        expected += count / static_cast<double>(rows.size()) * std::abs(scores / count - truths / count);
    }
    RC_ASSERT(std::abs(value("ece", truth, score) - expected) < 1e-12);
  });
}

TEST(Metrics, IntervalOfAMeanCoversTheTruthNineteenTimesOfTwenty) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> noise(0.3, 2.0);
  int covered = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    Numbers truth(200, 0.0), score(200);
    for (double& each : score) each = noise(random);
    const Measure bias = measured("bias", truth, score);
    covered += *bias.low <= 0.3 && 0.3 <= *bias.high ? 1 : 0;
  }
  EXPECT_NEAR(covered, 950, 25);
}

TEST(Metrics, PairedDifferenceOfLosses) {
  Numbers a, b;
  row_losses(Numbers{0, 1, 1}, Numbers{0.5, 0.5, 1}, a);
  row_losses(Numbers{0, 1, 1}, Numbers{0, 1, 0}, b);
  EXPECT_EQ(a, (Numbers{0.25, 0.25, 0}));
  EXPECT_EQ(b, (Numbers{0, 0, 1}));
  const PairedDifference difference = paired_difference(a, b);
  EXPECT_EQ(difference.rows, 3);
  EXPECT_DOUBLE_EQ(difference.mean, -0.5 / 3);
  EXPECT_NEAR(difference.standard_error, 1.25 / 3, 1e-12);
  EXPECT_EQ(paired_difference({}, {}).rows, 0);
  EXPECT_TRUE(std::isinf(paired_difference(Numbers{1}, Numbers{0}).standard_error));
}

}  // namespace
}  // namespace trimtab::judge
