#include "watch/estimates.h"

#include <cmath>
#include <gtest/gtest.h>

#include "watch/served_counts.h"
#include "watch/two_sample.h"
#include "watch/watched_rows_test.h"

namespace trimtab::watch {
namespace {

RowCounts count(const Baseline& baseline, const WatchedRows& rows) {
  RowCounts counts;
  for (std::size_t row = 0; row < rows.rows(); ++row)
    counts.add(baseline, std::span(rows.features).subspan(2 * row, 2), rows.scores[row]);
  return counts;
}

double auc_of(const WatchedRows& rows) {
  std::vector<double> negative;
  std::vector<double> positive;
  for (std::size_t i = 0; i < rows.rows(); ++i)
    (rows.truth[i] > 0.5 ? positive : negative).push_back(rows.scores[i]);
  return mann_whitney_auc(negative, positive).statistic;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value / static_cast<double>(values.size());
  return sum;
}

TEST(Calibration, RisesAndIsRight) {
  const auto baseline = watched_baseline();
  const std::vector<double> rates = calibrated(*baseline);
  const ColumnBins& bins = baseline->prediction().bins;
  for (int bin = 1; bin < bins.ordinary(); ++bin)
    EXPECT_LE(rates[static_cast<std::size_t>(bin - 1)], rates[static_cast<std::size_t>(bin)]);
  EXPECT_NEAR(rates[static_cast<std::size_t>(bins.find(0.3))], 0.3, 0.08);
  EXPECT_NEAR(rates[static_cast<std::size_t>(bins.find(0.8))], 0.8, 0.08);
  // Below and above all test rows: as their neighbours.
  EXPECT_EQ(rates[0], rates[1]);
}

TEST(BinnedAuc, IsTheAreaItself) {
  // By hand: pairs (1 of 2) with half for ties in a bin.
  const std::vector<double> rows = {2, 2};
  const std::vector<double> positives = {0, 1};
  EXPECT_NEAR(*binned_auc(positives, rows).value, (2 + 0.5) / 3, 1e-15);
  EXPECT_EQ(binned_auc(std::vector<double>{0, 0}, rows).reason, "needs rows of both classes");
}

// The rows change, the relation does not: what CBPE is made for.
TEST(ExpectedPerformance, IsWhatTheLabelsSayWhenOnlyRowsChange) {
  const auto baseline = watched_baseline();
  for (const double shift : {0.0, 0.8, -1.2}) {
    const WatchedRows rows = watched_rows(20'000, 11, shift);
    const RowCounts counts = count(*baseline, rows);
    const ExpectedPerformance expected = expect_binary(*baseline, counts.of_column(*baseline, 2));
    EXPECT_NEAR(*expected.auc.value, auc_of(rows), 0.02) << shift;
    EXPECT_NEAR(*expected.rate.value, mean(rows.truth), 0.02) << shift;
    double right = 0;
    double brier = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      right += (rows.scores[i] >= 0.5) == (rows.truth[i] > 0.5) ? 1.0 / 20'000 : 0;
      brier += std::pow(rows.scores[i] - rows.truth[i], 2) / 20'000;
    }
    EXPECT_NEAR(*expected.accuracy.value, right, 0.02) << shift;
    EXPECT_NEAR(*expected.brier.value, brier, 0.01) << shift;
  }
  EXPECT_EQ(expect_binary(*baseline, RowCounts().of_column(*baseline, 2)).auc.reason, "no answers");
}

// And when the relation does, it sees nothing: that is why it never decides.
TEST(ExpectedPerformance, IsBlindToAChangeOfTheRelation) {
  const auto baseline = watched_baseline();
  const RowCounts same = count(*baseline, watched_rows(5000, 12, 0, 0));
  const RowCounts changed = count(*baseline, watched_rows(5000, 12, 0, -0.4));
  EXPECT_EQ(same.bins, changed.bins);
}

TEST(ExpectedError, IsWhatTheLabelsSayWhenOnlyRowsChange) {
  const auto noisy_above = [](int rows, std::uint64_t seed, double shift) {
    WatchedRows out = watched_rows(rows, seed, shift, 0, false);
    for (std::size_t i = 0; i < out.rows(); ++i) {
      const double size = out.features[2 * i] > 0 ? 1.0 : 0.1;
      out.truth[i] = out.scores[i] + (i % 2 == 0 ? size : -size);
    }
    return out;
  };
  const WatchedRows test = noisy_above(4000, 3, 0);
  const Baseline baseline =
      Baseline::make(watched_features(), false, {test.features, test.features, test.scores, test.truth});
  for (const double shift : {0.0, 1.0, -1.0}) {
    const WatchedRows rows = noisy_above(5000, 4, shift);
    double truth = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) truth += std::abs(rows.truth[i] - rows.scores[i]) / 5000;
    const RowCounts counts = count(baseline, rows);
    EXPECT_NEAR(*expect_error(baseline, counts.bins, counts.rows).value, truth, 0.05) << shift;
  }
  EXPECT_EQ(expect_error(baseline, {}, 0).reason, "no answers");
}

// Label shift proper: `share` of the rows are positive, and each class is as it was.
WatchedRows with_share(std::uint64_t seed, std::size_t rows, double share) {
  const WatchedRows pool = watched_rows(static_cast<int>(4 * rows), seed);
  const auto positives = static_cast<std::size_t>(share * static_cast<double>(rows));
  std::size_t left[2] = {rows - positives, positives};
  WatchedRows out;
  for (std::size_t i = 0; i < pool.rows(); ++i) {
    std::size_t& wanted = left[pool.truth[i] > 0.5 ? 1 : 0];
    if (wanted == 0) continue;
    --wanted;
    out.features.insert(out.features.end(), {pool.features[2 * i], pool.features[2 * i + 1]});
    out.scores.push_back(pool.scores[i]);
  }
  return out;
}

TEST(LabelShift, FindsTheShareOfPositivesWithoutLabels) {
  int covered = 0;
  double mean_rate = 0;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const WatchedRows test = watched_rows(2000, 100 + seed);
    const Baseline baseline =
        Baseline::make(watched_features(), true, {test.features, test.features, test.scores, test.truth});
    const WatchedRows rows = with_share(200 + seed, 2000, 0.2);
    const LabelShift shift = label_shift(baseline, count(baseline, rows).of_column(baseline, 2));
    covered += shift.rate.low <= 0.2 && 0.2 <= shift.rate.high ? 1 : 0;
    mean_rate += *shift.rate.value / 30;
    EXPECT_TRUE(shift.is_beyond_chance);
  }
  EXPECT_GE(covered, 24);  // Of 30 intervals of 95 %; the cut is chosen on the same test rows.
  EXPECT_NEAR(mean_rate, 0.2, 0.03);
  const auto baseline = watched_baseline();
  const LabelShift none =
      label_shift(*baseline, count(*baseline, watched_rows(8000, 22)).of_column(*baseline, 2));
  EXPECT_FALSE(none.is_beyond_chance) << none.to_json().dump();
}

TEST(LabelShift, SaysWhyItSaysNothing) {
  const WatchedRows rows = watched_rows(500, 1);
  const std::vector<double> ones(500, 1);
  const std::vector<double> flat(500, 0.3);
  const auto reason = [&](const std::vector<double>& scores, const std::vector<double>& truth) {
    const Baseline baseline =
        Baseline::make(watched_features(), true, {rows.features, rows.features, scores, truth});
    std::vector<std::int64_t> counts(baseline.truth_sums.size(), 10);
    return label_shift(baseline, counts).rate.reason;
  };
  EXPECT_EQ(reason(rows.scores, ones), "the test rows were of one class");
  EXPECT_EQ(reason(flat, rows.truth), "the answers do not tell the classes apart well enough");
  const auto baseline = watched_baseline();
  EXPECT_EQ(label_shift(*baseline, std::vector<std::int64_t>(baseline->truth_sums.size())).rate.reason,
            "no answers");
}

}  // namespace
}  // namespace trimtab::watch
