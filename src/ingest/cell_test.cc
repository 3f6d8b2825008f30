#include "ingest/cell.h"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>

#include "base/json.h"
#include "table/random_rows_test.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;

TEST(Cell, AWholeNumberIsTakenAsItStands) {
  EXPECT_EQ(integer_of_cell("42"), 42);
  EXPECT_EQ(integer_of_cell(" -7\t"), -7);
  EXPECT_EQ(integer_of_cell("+7"), 7);
  EXPECT_EQ(integer_of_cell("007"), 7);
  EXPECT_EQ(integer_of_cell("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(integer_of_cell("-9223372036854775808"), INT64_MIN);
}

TEST(Cell, AFractionOfZeroIsNone) {
  EXPECT_EQ(integer_of_cell("5.0"), 5);
  EXPECT_EQ(integer_of_cell("5."), 5);
  EXPECT_EQ(integer_of_cell("-5.000"), -5);
}

TEST(Cell, WhatIsNotAWholeNumberIsRefusedAndNotRounded) {
  for (const char* text : {"", " ", "1.5", "5.01", ".0", "-.0", "1e3", "0x10", "1_000", "1,000", "--1", "+-1",
                           "1 2", "9223372036854775808", "5.0.0", "five", "true"}) {
    EXPECT_EQ(integer_of_cell(text), std::nullopt) << text;
  }
}

TEST(Cell, ARealIsTheNearestDouble) {
  EXPECT_EQ(real_of_cell("1.5"), 1.5);
  EXPECT_EQ(real_of_cell(" +.5 "), 0.5);
  EXPECT_EQ(real_of_cell("-1e-3"), -0.001);
  EXPECT_EQ(real_of_cell("1e-400"), 0.0);
  EXPECT_TRUE(std::isnan(*real_of_cell("NaN")));
  EXPECT_EQ(real_of_cell("-inf"), -INFINITY);
  EXPECT_EQ(real_of_cell("Infinity"), INFINITY);
}

TEST(Cell, WhatIsNoNumberOrTooLargeIsRefused) {
  for (const char* text : {"", "-", "1.5.2", "1,5", "0x1p3", "1e400", "-1e400", "1 m", "++1", "+nan"}) {
    EXPECT_EQ(real_of_cell(text), std::nullopt) << text;
  }
}

RC_GTEST_PROP(CellProperty, EveryRealIsReadBackFromItsShortestText, ()) {
  const double value = *table::any_real();
  RC_PRE(std::isfinite(value));
  const std::optional<double> read = real_of_cell(Json(value).dump());
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == value);
}

RC_GTEST_PROP(CellProperty, EveryWholeNumberIsReadBack, ()) {
  const std::int64_t value = *table::any_integer();
  RC_ASSERT(integer_of_cell(std::to_string(value)) == value);
  RC_ASSERT(integer_of_cell(std::to_string(value) + ".00") == value);
}

TEST(Cell, TrueAndFalseInAnyCase) {
  EXPECT_EQ(boolean_of_cell("true"), true);
  EXPECT_EQ(boolean_of_cell(" FALSE "), false);
  for (const char* text : {"", "t", "yes", "1", "0", "truex"}) {
    EXPECT_EQ(boolean_of_cell(text), std::nullopt) << text;
  }
}

TEST(Cell, ADateHasAYearOfFourDigits) {
  EXPECT_TRUE(starts_as_date("2013-01-05"));
  EXPECT_TRUE(starts_as_date(" 2013/1/5 6:00"));
  EXPECT_FALSE(starts_as_date("1-2-3"));
  EXPECT_FALSE(starts_as_date("2013-1"));
  EXPECT_FALSE(starts_as_date("01-05-2013"));
  EXPECT_FALSE(starts_as_date("20130105T06"));
}

TEST(Cell, ATimeThatNamesItsZoneIsAnInstant) {
  EXPECT_EQ(instant_of_cell(" 2013-01-05T06:00Z"), *base::parse_time("2013-01-05T06:00:00Z"));
  EXPECT_EQ(instant_of_cell("2013-01-05 06:00-05:00"), *base::parse_time("2013-01-05T11:00:00Z"));
  for (const char* text : {"", "2013-01-05", "2013-01-05 06:00", "06:00Z", "2013-02-30T06:00Z"}) {
    EXPECT_EQ(instant_of_cell(text), std::nullopt) << text;
  }
}

ColumnType elected(const std::vector<std::string>& cells) {
  TypeVote vote;
  for (const std::string& cell : cells) vote.add(cell);
  EXPECT_EQ(vote.has_value(), !cells.empty());
  return vote.winner();
}

TEST(TypeVote, TheNarrowestTypeThatHoldsAllWins) {
  EXPECT_EQ(elected({"1", "-2"}), ColumnType::integer);
  EXPECT_EQ(elected({"1", "2.5"}), ColumnType::real);
  EXPECT_EQ(elected({"1", "nan"}), ColumnType::real);
  EXPECT_EQ(elected({"true", "False"}), ColumnType::boolean);
  EXPECT_EQ(elected({"2013-01-05", "2013-01-05T06:00:00Z"}), ColumnType::time);
  EXPECT_EQ(elected({"EWR"}), ColumnType::text);
}

TEST(TypeVote, AFractionOfZeroMakesAColumnReal) { EXPECT_EQ(elected({"1", "2.0"}), ColumnType::real); }

TEST(TypeVote, AMixIsText) {
  EXPECT_EQ(elected({"true", "1"}), ColumnType::text);
  EXPECT_EQ(elected({"1", "true"}), ColumnType::text);
  EXPECT_EQ(elected({"2013-01-05", "3"}), ColumnType::text);
  EXPECT_EQ(elected({"1", "many"}), ColumnType::text);
  EXPECT_EQ(elected({"2013-01-05", "2013-02-30"}), ColumnType::text);
}

TEST(TypeVote, WithoutAValueItIsText) { EXPECT_EQ(elected({}), ColumnType::text); }

RC_GTEST_PROP(TypeVoteProperty, TheOrderOfTheCellsDoesNotMatter, ()) {
  const auto cell = rc::gen::element<std::string>("1", "2.5", "true", "2013-01-05", "EWR", "nan", "007");
  const auto cells =
      *rc::gen::nonEmpty(rc::gen::resize(6, rc::gen::container<std::vector<std::string>>(cell)));
  std::vector<std::string> turned(cells.rbegin(), cells.rend());
  RC_ASSERT(elected(cells) == elected(turned));
}

}  // namespace
}  // namespace trimtab::ingest
