#include "watch/watch_report.h"

#include <gtest/gtest.h>

#include "watch/watched_rows_test.h"

namespace trimtab::watch {
namespace {

constexpr TimeUs kNow = 15'796 * base::kDayUs;

// An endpoint that has served `days` days of 600 rows each until kNow, labels included.
class WatchReport : public ::testing::Test {
 protected:
  void serve_day(int days_ago, const WatchedRows& rows) {
    for (std::size_t row = 0; row < rows.rows(); ++row) {
      const TimeUs at = kNow - days_ago * base::kDayUs - base::kDayUs +
                        static_cast<TimeUs>(row) * base::kDayUs / static_cast<TimeUs>(rows.rows());
      watcher_.add(prediction_of(rows, row, at));
      watcher_.add(prediction_of(rows, row, at), rows.truth[row]);
    }
  }
  Json report(Against against = Against::baseline, TimeUs window = base::kDayUs) {
    Json json;
    watcher_.look(1,
                  [&](const VersionWatch* seen) { json = watch_report(*seen, {window, against}, kNow - 1); });
    return json;
  }
  static Json column(const Json& report, const std::string& name) {
    for (const Json& column : report["columns"].as_array()) {
      if (column.text_or("name") == name) return column;
    }
    return {};
  }
  static std::string verdict(const Json& report, const std::string& name) {
    return column(report, name).text_or("verdict");
  }

  Watcher watcher_{[](std::int64_t) { return watched_baseline(); }};
};

TEST_F(WatchReport, OfRowsAsInTrainingSaysSoOfEveryColumn) {
  serve_day(0, watched_rows(600, 31));
  const Json seen = report();
  EXPECT_EQ(seen["window"].int_or("rows"), 600);
  for (const char* name : {"x", "place", "prediction", "unusualness"})
    EXPECT_EQ(verdict(seen, name), "same") << name;
  EXPECT_EQ(column(seen, "x")["usual"], Json());
  EXPECT_EQ(seen["reference"].text_or("kind"), "baseline");
  EXPECT_EQ(seen["reference"].int_or("rows"), 8000);
  EXPECT_EQ(seen["reference"].text_or("says"),
            "the rows that the version was trained on; of the prediction, those it was judged by");
  EXPECT_EQ(seen["realised"].int_or("labels"), 600);
  EXPECT_EQ(seen["realised"].double_or("labelled_share"), 1.0);
  EXPECT_EQ(seen["realised"].text_or("complete_until"), base::format_time(kNow));
  EXPECT_NEAR(seen["realised"]["auc"].double_or("value"), seen["expected"]["auc"].double_or("value"), 0.05);
  EXPECT_TRUE(seen["calibration"]["off"].as_array().empty());
}

TEST_F(WatchReport, NamesTheColumnThatMovedAndNoOther) {
  serve_day(0, watched_rows(600, 31, 1.0));
  const Json seen = report();
  EXPECT_EQ(verdict(seen, "x"), "moved");
  EXPECT_EQ(verdict(seen, "prediction"), "moved");
  EXPECT_EQ(verdict(seen, "place"), "same");
  EXPECT_NEAR(column(seen, "x").double_or("mean"), 1, 0.15);
  EXPECT_NEAR(column(seen, "x")["statistics"]["wasserstein"].double_or("value"), 1, 0.3);
}

TEST_F(WatchReport, WhatEveryWindowDoesIsUsual) {
  // Every day lies about as far from training as the others: more than chance, and no news.
  for (int day = 0; day < 15; ++day)
    serve_day(day, watched_rows(600, 40 + static_cast<std::uint64_t>(day), day == 3 ? 0.6 : 0.4));
  const Json seen = report();
  EXPECT_EQ(column(seen, "x")["usual"].int_or("windows"), 13);  // Whole ones.
  EXPECT_EQ(verdict(seen, "x"), "usual");
  EXPECT_EQ(verdict(seen, "place"), "same");
}

TEST_F(WatchReport, TheSameSeasonIsNoChange) {
  // On Mondays x is higher by 2; today is a Monday, like 7 and 14 days before.
  for (int day = 0; day < 16; ++day)
    serve_day(day, watched_rows(600, 60 + static_cast<std::uint64_t>(day), day % 7 == 0 ? 2 : 0));
  EXPECT_EQ(verdict(report(Against::previous), "x"), "moved");
  const Json season = report(Against::season);
  EXPECT_EQ(verdict(season, "x"), "same");
  EXPECT_EQ(season["reference"].text_or("says"), "the same hours of the week, 1, 2 weeks before");
  EXPECT_EQ(season["reference"].int_or("rows"), 1200);
}

TEST_F(WatchReport, WithoutAReferenceNothingIsSaid) {
  serve_day(0, watched_rows(600, 31, 3));
  const Json season = report(Against::season);
  EXPECT_EQ(season["reference"].text_or("says"), "nothing: this version had not served a week before");
  EXPECT_EQ(verdict(season, "x"), "too_few");
  EXPECT_EQ(report(Against::season, 30 * base::kDayUs)["reference"].text_or("says"),
            "nothing: this version had not served 364 days before");
}

TEST_F(WatchReport, TheAuditCountsWhatTrainingDidNotKnow) {
  WatchedRows rows = watched_rows(600, 31);
  for (std::size_t row = 0; row < 30; ++row) rows.features[2 * row + 1] = kUnseenText;
  for (std::size_t row = 30; row < 60; ++row) rows.features[2 * row] = kNull;
  for (std::size_t row = 60; row < 90; ++row) rows.features[2 * row] = 1000;
  serve_day(0, rows);
  std::string risen;
  const Json seen = report();
  for (const Json& item : seen["audit"].as_array()) {
    if (item.text_or("verdict") == "risen")
      risen += item.text_or("column") + " " + item.text_or("what") + " " + item["rows"].dump() + "; ";
  }
  EXPECT_EQ(risen, "x nulls 30; x outside 30; place unseen 30; ");
}

TEST_F(WatchReport, OneRowBeyondTrainingsRangeIsNoNews) {
  WatchedRows rows = watched_rows(8000, 31);
  rows.features[0] = 10;
  serve_day(0, rows);
  const Json seen = report();
  for (const Json& item : seen["audit"].as_array()) EXPECT_EQ(item.text_or("verdict"), "same") << item.dump();
}

TEST_F(WatchReport, SaysWhereTheTruthIsNotWhatWasSaid) {
  for (int day = 0; day < 10; ++day)
    serve_day(day, watched_rows(600, 80 + static_cast<std::uint64_t>(day), 0, 0.15));
  const Json seen = report();
  EXPECT_EQ(verdict(seen, "x"), "same");
  const Json& off = seen["calibration"]["off"];
  ASSERT_FALSE(off.as_array().empty());
  EXPECT_EQ(off.as_array()[0].text_or("slice"), "all");
  EXPECT_EQ(off.as_array()[0].text_or("truth_is"), "above the scores");
}

TEST_F(WatchReport, OfNothingIsEmptyAndWhole) {
  const Json seen = report();
  EXPECT_EQ(seen["window"].int_or("rows"), 0);
  EXPECT_EQ(verdict(seen, "x"), "too_few");
  EXPECT_EQ(seen["realised"]["auc"].text_or("reason"), "no labels");
  EXPECT_EQ(seen["expected"]["auc"].text_or("reason"), "no answers");
  EXPECT_EQ(seen["last_row"], Json());
}

TEST(WatchQuery, IsReadOrRefused) {
  EXPECT_EQ(read_watch_query({}, {})->window, base::kDayUs);
  EXPECT_EQ(read_watch_query("6h", "season")->window, 6 * base::kHourUs);
  EXPECT_EQ(read_watch_query("6h", "season")->against, Against::season);
  const auto refusal = [](std::optional<std::string> window, std::optional<std::string> against) {
    const auto query = read_watch_query(window, against);
    return query ? "" : query.error().message + " | " + query.error().hint;
  };
  EXPECT_EQ(refusal("30s", {}), "a window of '30s' cannot be watched | ask for 1m to 400d, as in window=1d");
  EXPECT_EQ(refusal({}, "sesson"), "there is no reference 'sesson' | did you mean 'season'?");
  EXPECT_EQ(refusal({}, "x"), "there is no reference 'x' | ask for baseline, season or previous");
  EXPECT_NE(refusal("often", {}), "");
}

}  // namespace
}  // namespace trimtab::watch
