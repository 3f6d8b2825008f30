#include "check/row_checks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "check/contract_fixture_test.h"

namespace trimtab::check {
namespace {

class RowChecks : public ContractFixture {};
using table::ColumnType;

TEST_F(RowChecks, EachKindTellsGoodFromBad) {
  EXPECT_EQ(summary("      - not_null: [origin]\n", {flight("EWR", 1), flight(nullptr, 1)}),
            "1/1 not_null(origin): 1 quarantine");
  EXPECT_EQ(
      summary("      - in: {origin: [EWR, it's]}\n", {flight("EWR", 1), flight("it's", 1), flight("X", 1)}),
      "2/1 in(origin, EWR, it's): 1 quarantine");
  EXPECT_EQ(summary("      - between: {distance: [2, 4]}\n",
                    {flight("a", 1), flight("a", 2), flight("a", 4), flight("a", 5)}),
            "2/2 between(distance, 2, 4): 2 quarantine");
  EXPECT_EQ(summary("      - between: {distance: [null, 4]}\n", {flight("a", -9), flight("a", 5)}),
            "1/1 between(distance, any, 4): 1 quarantine");
  EXPECT_EQ(summary("      - matches: {origin: \"[A-Z]{3}\"}\n",
                    {flight("EWR", 1), flight("EWRX", 1), flight("ewr", 1)}),
            "1/2 matches(origin, [A-Z]{3}): 2 quarantine");
  EXPECT_EQ(summary("      - expression: distance > delay\n", {flight("a", 1), flight("a", 0)}),
            "1/1 distance > delay: 1 quarantine");
}

TEST_F(RowChecks, NothingCanBeSaidOfANull) {
  EXPECT_EQ(summary("      - in: {origin: [EWR]}\n"
                    "      - between: {distance: [2, 4]}\n"
                    "      - matches: {origin: x}\n"
                    "      - expression: distance > 0\n",
                    {flight(nullptr, nullptr)}),
            "1/0 in(origin, EWR): 0 pass; between(distance, 2, 4): 0 pass; matches(origin, x): 0 pass; "
            "distance > 0: 0 pass");
}

TEST_F(RowChecks, NoNumberIsBetweenNothing) {
  EXPECT_EQ(summary("      - between: {delay: [0, null]}\n",
                    {flight("a", 1, "NaN"), flight("a", 1, "Infinity"), flight("a", 1, "-Infinity")}),
            "1/2 between(delay, 0, any): 2 quarantine");
}

TEST_F(RowChecks, ARowLeavesWithAllItsReasons) {
  ASSERT_TRUE(
      checked("      - not_null: [origin]\n"
              "      - between: {distance: [1, 9]}\n",
              {flight("EWR", 1), flight(nullptr, 10), flight("JFK", 0), flight("LGA", 9)}));
  EXPECT_EQ(rows_of(output("kept.parquet"), {"origin", "distance"}), "\"EWR\" 1\n\"LGA\" 9\n");
  EXPECT_EQ(rows_of(output("quarantine.parquet"), {"origin", "distance", "__reasons"}),
            "null 10 \"not_null(origin); between(distance, 1, 9)\"\n\"JFK\" 0 \"between(distance, 1, 9)\"\n");
}

TEST_F(RowChecks, WhenAllPassThePartIsKeptByteForByte) {
  const auto done = checked("      - not_null: [origin]\n", {flight("EWR", 1)});
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ(bytes_of(output("kept.parquet")), bytes_of(path("part.parquet")));
  EXPECT_FALSE(std::filesystem::exists(output("quarantine.parquet")));
  EXPECT_EQ(base::format_time((*done)["time_min"].as_int()), "2013-01-05T00:00:00Z");
}

TEST_F(RowChecks, TheSpanOfTimesIsThatOfTheKeptRows) {
  const auto done = checked("      - not_null: [origin]\n", {{"2013-01-01", nullptr, 1, 0, true},
                                                             {"2013-01-02", "EWR", 1, 0, true},
                                                             {"2013-01-03", "EWR", 1, 0, true},
                                                             {"2013-01-04", nullptr, 1, 0, true}});
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ(base::format_time((*done)["time_min"].as_int()), "2013-01-02T00:00:00Z");
  EXPECT_EQ(base::format_time((*done)["time_max"].as_int()), "2013-01-03T00:00:00Z");
}

TEST_F(RowChecks, MostlyForgivesAShareOfTheRows) {
  const std::string check = "      - not_null: [origin]\n        mostly: 75%\n";
  EXPECT_EQ(summary(check, {flight("a", 1), flight("a", 1), flight("a", 1), flight(nullptr, 1)}),
            "4/0 not_null(origin): 1 pass");
  EXPECT_EQ(summary(check, {flight("a", 1), flight(nullptr, 1)}), "1/1 not_null(origin): 1 quarantine");
}

TEST_F(RowChecks, AWarningKeepsTheRows) {
  EXPECT_EQ(summary("      - not_null: [origin]\n        on_fail: warn\n", {flight(nullptr, 1)}),
            "1/0 not_null(origin): 1 warn");
}

TEST_F(RowChecks, AFailureStopsAndShowsARow) {
  const auto done = checked("      - between: {distance: [1, 9]}\n        on_fail: fail\n",
                            {flight("EWR", 5), flight("JFK", 0), flight("LGA", 99)});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::check_failed);
  EXPECT_EQ(base::render(done.error()),
            "error: table 'departures' breaks its contract: between(distance, 1, 9) failed for 2 rows, e.g. "
            "{\"at\":\"2013-01-05T00:00:00Z\",\"distance\":0}\n"
            "   hint: correct the rows where they come from, or change the check or its `on_fail:`");
  EXPECT_FALSE(std::filesystem::exists(output("kept.parquet")));
}

TEST_F(RowChecks, ASampleHasFiveRowsAtMost) {
  const auto done = checked("      - not_null: [origin]\n", Rows(7, flight(nullptr, 1)));
  ASSERT_TRUE(done) << base::render(done.error());
  const Json& check = (*done)["checks"].as_array().front();
  EXPECT_EQ(check.int_or("failed"), 7);
  EXPECT_EQ(check["sample"].as_array().size(), 5u);
  EXPECT_EQ(check["sample"].as_array().front().dump(), R"({"at":"2013-01-05T00:00:00Z","origin":null})");
}

TEST_F(RowChecks, AnEmptyPartPasses) {
  EXPECT_EQ(summary("      - not_null: [origin]\n", {}), "0/0 not_null(origin): 0 pass");
}

TEST_F(RowChecks, StopsOnRequest) {
  stop_ = true;
  EXPECT_EQ(checked("      - not_null: [origin]\n", {flight("a", 1)}).error().code, ErrorCode::cancelled);
}

// Whatever the rows, each is kept or quarantined, in its order, and none is lost.
TEST_F(RowChecks, EveryRowStaysOrLeaves) {
  const bool holds = rc::check([this] {
    const auto distances = *rc::gen::resize(12, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5)));
    Rows rows;
    std::string kept;
    std::string left;
    for (const int distance : distances) {
      rows.push_back(flight("a", distance));
      (distance == 0 ? left : kept) += std::to_string(distance) + "\n";
    }
    RC_ASSERT(checked("      - between: {distance: [1, null]}\n", rows).has_value());
    RC_ASSERT(rows_of(output("kept.parquet"), {"distance"}) == kept);
    const bool has_left = std::filesystem::exists(output("quarantine.parquet"));
    RC_ASSERT(has_left == !left.empty());
    if (has_left) RC_ASSERT(rows_of(output("quarantine.parquet"), {"distance"}) == left);
  });
  EXPECT_TRUE(holds);
}

TEST_F(RowChecks, TheOrderIsKeptOverManyBatches) {
  Rows rows;
  std::string kept;
  for (int i = 0; i < 5000; ++i) {
    rows.push_back(flight("a", i));
    if (i % 3 != 0) kept += std::to_string(i) + "\n";
  }
  ASSERT_TRUE(checked("      - expression: distance % 3 != 0\n", rows));
  EXPECT_EQ(rows_of(output("kept.parquet"), {"distance"}), kept);
}

TEST(Fits, AColumnHoldsValuesOfItsType) {
  EXPECT_TRUE(fits(ColumnType::real, Json(1)));
  EXPECT_FALSE(fits(ColumnType::integer, Json(0.5)));
  EXPECT_FALSE(fits(ColumnType::text, Json(1)));
  EXPECT_FALSE(fits(ColumnType::boolean, Json(1)));
  EXPECT_TRUE(fits(ColumnType::time, Json("2013-01-05")));
  EXPECT_FALSE(fits(ColumnType::time, Json("soon")));
}

}  // namespace
}  // namespace trimtab::check
