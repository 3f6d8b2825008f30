#include "watch/column_bins.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <numeric>

#include "model/unseen.h"

namespace trimtab::watch {
namespace {

constexpr double kNull = model::kMissing;
using model::kUnseen;

TEST(ColumnBins, OfNumbersAreQuantilesWithABinBelowAndOneAbove) {
  std::vector<double> values(1000);
  std::iota(values.begin(), values.end(), 0);
  const ColumnBins bins = ColumnBins::of_numbers(values);
  EXPECT_EQ(bins.ordinary(), 22);
  std::vector<int> counts(static_cast<std::size_t>(bins.size()));
  for (const double value : values) ++counts[static_cast<std::size_t>(bins.find(value))];
  EXPECT_EQ(counts[0], 0);
  EXPECT_EQ(counts[21], 0);
  for (std::size_t bin = 1; bin < 21; ++bin) EXPECT_EQ(counts[bin], 50) << bin;
  EXPECT_EQ(bins.find(-1), 0);
  EXPECT_EQ(bins.find(999), 20);
  EXPECT_EQ(bins.find(999.5), 21);
  EXPECT_EQ(bins.find(std::numeric_limits<double>::infinity()), 21);
  EXPECT_EQ(bins.find(kNull), bins.null_bin());
}

TEST(ColumnBins, AFewDifferentNumbersGetABinEach) {
  const ColumnBins bins = ColumnBins::of_numbers({0, 0, 0, 1, 1, kNull});
  EXPECT_EQ(bins.edges().size(), 3u);
  EXPECT_EQ(bins.find(0), 1);
  EXPECT_EQ(bins.find(1), 2);
  EXPECT_EQ(bins.find(2), 3);
  EXPECT_EQ(bins.find(-1), 0);
}

TEST(ColumnBins, OfNothingHoldEverything) {
  const ColumnBins bins = ColumnBins::of_numbers({kNull});
  EXPECT_EQ(bins.size(), 3);
  EXPECT_EQ(bins.find(7), 0);
  EXPECT_EQ(bins.find(kNull), 1);
}

TEST(ColumnBins, OfTextsKnowTheUnseenFromTheMissing) {
  ASSERT_TRUE(model::is_unseen(kUnseen));
  ASSERT_FALSE(model::is_unseen(kNull));
  const ColumnBins few = ColumnBins::of_levels(3);
  EXPECT_EQ(few.find(2), 2);
  EXPECT_EQ(few.find(kNull), 3);
  EXPECT_EQ(few.find(kUnseen), 4);
  const ColumnBins many = ColumnBins::of_levels(5000);
  EXPECT_EQ(many.size(), 66);
  EXPECT_EQ(many.find(62), 62);
  EXPECT_EQ(many.find(63), 63);
  EXPECT_EQ(many.find(4999), 63);
}

TEST(ColumnBins, OutliveTheWayThroughJson) {
  for (const ColumnBins& bins :
       {ColumnBins::of_levels(5), ColumnBins::of_numbers({1, 2.5, 3}), ColumnBins::of_numbers({})})
    EXPECT_EQ(*ColumnBins::from_json(*base::parse_json(bins.to_json().dump())), bins);
  const auto refusal = [](const char* text) {
    const Result<Json> json = base::parse_json(text);
    const Result<ColumnBins> bins = ColumnBins::from_json(*json);
    return bins ? std::string() : bins.error().message;
  };
  EXPECT_EQ(refusal("{}"), "a column's bins are broken: no edges and no levels");
  EXPECT_EQ(refusal(R"({"levels":65})"), "a column's bins are broken: 65 levels");
  EXPECT_EQ(refusal(R"({"edges":[1,1]})"), "a column's bins are broken: the edges do not rise");
}

}  // namespace
}  // namespace trimtab::watch
