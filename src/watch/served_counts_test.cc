#include "watch/served_counts.h"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "watch/watched_rows_test.h"

namespace trimtab::watch {
namespace {

constexpr TimeUs kNow = 15'796 * base::kDayUs;  // 2013-04-01

RowCounts counts_of(const Baseline& baseline, const WatchedRows& rows, std::size_t from, std::size_t to) {
  RowCounts counts;
  for (std::size_t row = from; row < to; ++row)
    counts.add(baseline, std::span(rows.features).subspan(2 * row, 2), rows.scores[row]);
  return counts;
}

RC_GTEST_PROP(RowCountsProperty, MergingEqualsCountingTogether, ()) {
  static const auto baseline = watched_baseline();
  static const WatchedRows rows = watched_rows(200, 9);
  const auto cut = *rc::gen::inRange<std::size_t>(0, 201);
  RowCounts merged = counts_of(*baseline, rows, 0, cut);
  merged.merge(counts_of(*baseline, rows, cut, 200));
  const RowCounts whole = counts_of(*baseline, rows, 0, 200);
  RC_ASSERT(merged.rows == whole.rows);
  RC_ASSERT(merged.bins == whole.bins);
  for (std::size_t i = 0; i < whole.sums.size(); ++i)
    RC_ASSERT(std::abs(merged.sums[i] - whole.sums[i]) < 1e-9);
}

TEST(RowCounts, KeepsNullsUnseenAndOutsideApart) {
  const auto baseline = watched_baseline();
  RowCounts counts;
  counts.add(*baseline, std::vector<double>{kNull, kUnseenText}, 0.5);
  counts.add(*baseline, std::vector<double>{1e6, kNull}, kNull);
  const auto x = counts.of_column(*baseline, 0);
  const ColumnBins& bins = baseline->columns[0].bins;
  EXPECT_EQ(x[static_cast<std::size_t>(bins.null_bin())], 1);
  EXPECT_EQ(x[static_cast<std::size_t>(bins.ordinary() - 1)], 1);
  const auto place = counts.of_column(*baseline, 1);
  EXPECT_EQ(place[3], 1);
  EXPECT_EQ(place[4], 1);
  EXPECT_EQ(RowCounts().of_column(*baseline, 0), std::vector<std::int64_t>(x.size(), 0));
}

TEST(ServedCounts, WindowsAreMergesOfMinutesAndLaterOfHours) {
  const WatchedRows rows = watched_rows(1, 4);
  ServedCounts counts(watched_baseline());
  // A row a minute for three days.
  constexpr int kMinutes = 3 * 24 * 60;
  for (int minute = 0; minute < kMinutes; ++minute)
    counts.add(kNow + minute * base::kMinuteUs, rows.features, rows.scores[0]);
  const TimeUs end = kNow + 3 * base::kDayUs;
  EXPECT_EQ(counts.between(end - base::kHourUs, end).rows, 60);
  EXPECT_EQ(counts.between(end - 90 * base::kSecondUs, end).rows, 2);
  EXPECT_EQ(counts.between(end - base::kDayUs, end).rows, 1440);
  EXPECT_EQ(counts.between(kNow, end).rows, kMinutes);
  EXPECT_EQ(counts.between(kNow, kNow + base::kHourUs).rows, 60);
  // Long ago there are only whole hours.
  EXPECT_EQ(counts.between(kNow + 30 * base::kMinuteUs, kNow + base::kHourUs).rows, 60);
  EXPECT_EQ(counts.earliest(), kNow);
  EXPECT_LT(counts.bytes(), 3'000'000u);
}

TEST(ServedCounts, ForgetsAfterAYearAndABit) {
  const WatchedRows rows = watched_rows(1, 4);
  ServedCounts counts(watched_baseline());
  EXPECT_EQ(counts.earliest(), INT64_MAX);
  counts.add(kNow, rows.features, rows.scores[0]);
  counts.add(kNow + 500 * base::kDayUs, rows.features, rows.scores[0]);
  EXPECT_EQ(counts.between(0, INT64_MAX).rows, 1);
}

TEST(ServedCounts, RowsMayComeInAnyOrder) {
  const WatchedRows rows = watched_rows(1, 4);
  ServedCounts counts(watched_baseline());
  counts.add(kNow + 2 * base::kDayUs, rows.features, rows.scores[0]);
  counts.add(kNow, rows.features, rows.scores[0]);
  counts.add(kNow + 3 * base::kDayUs, rows.features, rows.scores[0]);
  EXPECT_EQ(counts.between(kNow, kNow + base::kHourUs).rows, 1);
  EXPECT_EQ(floor_to(-1, 60), -60);
}

}  // namespace
}  // namespace trimtab::watch
