#include "watch/watcher.h"

#include <chrono>
#include <gtest/gtest.h>
#include <thread>

#include "watch/watched_rows_test.h"

namespace trimtab::watch {
namespace {

constexpr TimeUs kNow = 15'796 * base::kDayUs;

Watcher::LoadBaseline only_version_one() {
  return [](std::int64_t version) { return version == 1 ? watched_baseline() : nullptr; };
}

std::int64_t rows_of(Watcher& watcher, std::int64_t version) {
  std::int64_t rows = -1;
  watcher.look(version, [&rows](const VersionWatch* seen) { rows = seen == nullptr ? -1 : seen->rows; });
  return rows;
}

TEST(Watcher, WhoeverLooksSeesEverythingThatWasAdded) {
  Watcher watcher(only_version_one());
  const WatchedRows rows = watched_rows(500, 3);
  for (std::size_t row = 0; row < rows.rows(); ++row) watcher.add(prediction_of(rows, row, kNow));
  EXPECT_EQ(rows_of(watcher, 1), 500);
  watcher.add(prediction_of(rows, 0, kNow));
  EXPECT_EQ(rows_of(watcher, 1), 501);
}

TEST(Watcher, AVersionWithoutABaselineIsNotCountedAndDoesNoHarm) {
  Watcher watcher(only_version_one());
  const WatchedRows rows = watched_rows(10, 3);
  watcher.add(prediction_of(rows, 0, kNow, 2));
  model::Prediction of_another_width = prediction_of(rows, 0, kNow);
  of_another_width.features.push_back(1);
  watcher.add(of_another_width);
  watcher.add(model::Prediction());
  EXPECT_EQ(rows_of(watcher, 2), -1);
  EXPECT_EQ(rows_of(watcher, 1), 0);
}

TEST(Watcher, CountsByItselfAndFromManyThreads) {
  Watcher watcher(only_version_one());
  const WatchedRows rows = watched_rows(2000, 3);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::size_t row = 0; row < rows.rows(); ++row) watcher.add(prediction_of(rows, row, kNow));
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_LE(rows_of(watcher, 1), 8000);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(rows_of(watcher, 1), 8000);
}

TEST(Watcher, ARevisedTruthTakesTheFormerOnesPlace) {
  Watcher watcher(only_version_one());
  const WatchedRows rows = watched_rows(2, 3);
  const auto truth = [&](double value, double former) {
    watcher.add({kNow, 1, rows.scores[0], std::span(rows.features).first(2), value, former});
  };
  truth(1, kNull);
  truth(0, 1);
  watcher.add(prediction_of(rows, 1, kNow), 1);
  watcher.look(1, [](const VersionWatch* seen) {
    const LabelledCounts counts = seen->realised.between(kNow, kNow + base::kHourUs);
    EXPECT_NEAR(counts.slices[0].labels, 2, 1e-12);
    EXPECT_NEAR(counts.slices[0].truth, 1, 1e-12);
  });
}

TEST(Realised, KnowsTheSlicesOfTextsThatTrainingSawOften) {
  const Realised realised(watched_baseline());
  ASSERT_EQ(realised.slices().size(), 3u);
  EXPECT_EQ(realised.slices()[2].name, "place=EWR");
}

TEST(Realised, SumsAreThoseOfTheRows) {
  Realised realised(watched_baseline());
  const WatchedRows rows = watched_rows(3000, 5);
  for (std::size_t row = 0; row < rows.rows(); ++row)
    realised.add({kNow + static_cast<TimeUs>(row % 5) * base::kHourUs, 1, rows.scores[row],
                  std::span(rows.features).subspan(2 * row, 2), rows.truth[row], kNull});
  const LabelledCounts all = realised.between(kNow, kNow + 5 * base::kHourUs);
  EXPECT_EQ(realised.between(kNow, kNow + base::kHourUs).slices[0].labels, 600);
  double brier = 0;
  double at_jfk = 0;
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    brier += (rows.truth[row] - rows.scores[row]) * (rows.truth[row] - rows.scores[row]);
    at_jfk += rows.features[2 * row + 1] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(all.slices[0].square, brier, 1e-9);
  EXPECT_EQ(all.slices[1].labels, at_jfk);
  // Scores that are no numbers say nothing.
  realised.add({kNow, 1, kNull, std::span(rows.features).first(2), 1, kNull});
  EXPECT_EQ(realised.between(kNow, kNow + 5 * base::kHourUs).slices[0].labels, 3000);
}

}  // namespace
}  // namespace trimtab::watch
