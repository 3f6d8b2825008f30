#include "watch/baseline.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "watch/watched_rows_test.h"

namespace trimtab::watch {
namespace {

TEST(Baseline, KnowsColumnsAnswersAndHowUnusualRowsAre) {
  const Baseline baseline = *watched_baseline();
  ASSERT_EQ(baseline.columns.size(), 4u);
  EXPECT_EQ(baseline.columns[0].name, "x");
  EXPECT_NEAR(baseline.columns[0].mean, 0, 0.05);
  EXPECT_NEAR(baseline.columns[0].scale, 1, 0.05);
  EXPECT_EQ(baseline.columns[1].levels, (std::vector<std::string>{"JFK", "LGA", "EWR"}));
  const auto& counts = baseline.columns[1].reference;
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), 8000);
  EXPECT_EQ(baseline.prediction().name, "prediction");
  EXPECT_EQ(baseline.columns[3].name, "unusualness");
  EXPECT_NEAR(std::accumulate(baseline.truth_sums.begin(), baseline.truth_sums.end(), 0.0) / 4000, 0.5, 0.03);
}

TEST(Baseline, OfARegressionKnowsWhereErrorsAreLarge) {
  // Errors are ten times as large where x is positive.
  WatchedRows rows = watched_rows(4000, 3, 0, 0, false);
  for (std::size_t i = 0; i < rows.rows(); ++i)
    rows.truth[i] = rows.scores[i] + (rows.features[2 * i] > 0 ? 1.0 : 0.1) * (i % 2 == 0 ? 1 : -1);
  const Baseline baseline =
      Baseline::make(watched_features(), false, {rows.features, rows.features, rows.scores, rows.truth});
  EXPECT_NEAR(baseline.error_mean, 0.55, 0.02);
  const ColumnBins& bins = baseline.columns[0].bins;
  const auto part = [&](double x) { return baseline.error_parts[static_cast<std::size_t>(bins.find(x))]; };
  EXPECT_GT(part(1.0) - part(-1.0), 0.2);  // The rest of it is in the prediction, which says the same.
}

TEST(Baseline, OutlivesTheWayThroughJson) {
  for (const bool binary : {true, false}) {
    const Baseline baseline = *watched_baseline(binary);
    const auto read = Baseline::from_json(*base::parse_json(baseline.to_json().dump()));
    ASSERT_TRUE(read) << base::render(read.error());
    EXPECT_EQ(read->to_json().dump(), baseline.to_json().dump());
    EXPECT_EQ(read->width, 2);
    EXPECT_EQ(read->prediction().kind, ColumnKind::prediction);
  }
}

TEST(Baseline, ThatIsBrokenIsRefused) {
  const auto refusal = [](const std::string& name, Json value) {
    Json json = watched_baseline(false)->to_json();
    json.set(name, std::move(value));
    const auto read = Baseline::from_json(json);
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(refusal("columns", Json::array()), "a version's baseline is broken: no columns");
  EXPECT_EQ(refusal("truth_sums", 1), "a version's baseline is broken: truth_sums");
  EXPECT_EQ(refusal("truth_sums", Json::array()), "a version's baseline is broken: truth_sums");
  EXPECT_EQ(refusal("error_parts", Json::array()), "a version's baseline is broken: error_parts");
  EXPECT_EQ(refusal("reconstruction", Reconstruction::fit({}, 1).to_json()),
            "a version's baseline is broken: its reconstruction has another width");
  Json columns = watched_baseline()->to_json()["columns"];
  columns.as_array()[0].set("reference", Json::array());
  EXPECT_EQ(refusal("columns", columns),
            "a version's baseline is broken: the counts of 'x' are too few or too many");
}

TEST(Baseline, OfNoRowsIsNoReasonToFail) {
  const Baseline baseline = Baseline::make(watched_features(), true, {});
  EXPECT_TRUE(Baseline::from_json(baseline.to_json()));
}

}  // namespace
}  // namespace trimtab::watch
