#include "base/clock.h"

#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>
#include <vector>

namespace trimtab::base {
namespace {

constexpr TimeUs kYear0 = -719'528 * kDayUs;
constexpr TimeUs kYear10000 = 2'932'897 * kDayUs;

TEST(Time, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(1'364'774'400 * kSecondUs), "2013-04-01T00:00:00Z");
  EXPECT_EQ(format_time(1'500'000), "1970-01-01T00:00:01.500Z");
  EXPECT_EQ(format_time(1'500'001), "1970-01-01T00:00:01.500001Z");
  EXPECT_EQ(format_time(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(Time, BeyondFourDigitYearsStopsAtTheirEnds) {
  EXPECT_EQ(format_time(std::numeric_limits<TimeUs>::max()), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_time(std::numeric_limits<TimeUs>::min()), "0000-01-01T00:00:00Z");
}

TEST(Time, IsReadInTheFormsThatFilesHave) {
  const TimeUs april = 1'364'774'400 * kSecondUs;
  EXPECT_EQ(parse_time("2013-04-01"), april);
  EXPECT_EQ(parse_time("2013-04-01T00:00"), april);
  EXPECT_EQ(parse_time("2013-04-01 00:00:00"), april);
  EXPECT_EQ(parse_time("2013-04-01T00:00:00Z"), april);
  EXPECT_EQ(parse_time("2013-04-01T02:00:00+02:00"), april);
  EXPECT_EQ(parse_time("2013-03-31T18:30:00-05:30"), april);
  EXPECT_EQ(parse_time("2013-04-01T00:00:00.25"), april + 250'000);
  EXPECT_EQ(parse_time("2013-04-01T00:00:00.123456789Z"), april + 123'456);
  EXPECT_EQ(parse_time("2016-02-29"), 1'456'704'000 * kSecondUs);
}

TEST(Time, RefusesEverythingElse) {
  const std::vector<std::string_view> wrong = {
      "", "now", "2013", "2013-4-1", "2013-13-01", "2013-02-29", "2013-04-31", "2013-04-01T",
      "2013-04-01T24:00", "2013-04-01T00:60", "2013-04-01T00:00:60", "2013-04-01T00:00:00.",
      "2013-04-01T00:00:00.1234567890", "2013-04-01T00:00:00+2", "2013-04-01T00:00:00Zx", "2013-04-01Z",
      " 2013-04-01", "-013-04-01",
      // Out of the years that have four digits, by their zone.
      "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"};
  for (const std::string_view text : wrong) {
    const Result<TimeUs> read = parse_time(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid);
  }
}

RC_GTEST_PROP(Time, ReadsBackWhatWasWritten, ()) {
  const TimeUs time = *rc::gen::inRange<TimeUs>(kYear0, kYear10000);
  RC_ASSERT(parse_time(format_time(time)) == time);
}

RC_GTEST_PROP(Time, NeverTripsOverAnyText, (const std::string& text)) {
  const Result<TimeUs> time = parse_time("2013-04-01T" + text);
  // In brackets, because the macro takes expressions apart and then evaluates both sides of ||.
  RC_ASSERT((time || time.error().code == ErrorCode::invalid));
}

TEST(Duration, TakesAWholeNumberAndAUnit) {
  EXPECT_EQ(parse_duration("30s"), 30 * kSecondUs);
  EXPECT_EQ(parse_duration("15m"), 15 * kMinuteUs);
  EXPECT_EQ(parse_duration("24h"), kDayUs);
  EXPECT_EQ(parse_duration("2d"), 2 * kDayUs);
  EXPECT_EQ(parse_duration("4w"), 28 * kDayUs);
  EXPECT_EQ(parse_duration("0s"), 0);
  for (const std::string_view text :
       {"", "s", "3", "1.5h", "-1h", "1 h", "1H", "1y", "99999999999999w", "1h30m"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, IsWrittenInTheLargestUnitThatDividesIt) {
  EXPECT_EQ(format_duration(90 * kSecondUs), "90s");
  EXPECT_EQ(format_duration(2 * kHourUs), "2h");
  EXPECT_EQ(format_duration(3 * kDayUs), "3d");
  EXPECT_EQ(format_duration(14 * kDayUs), "2w");
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(-kHourUs), "-1h");
}

RC_GTEST_PROP(Duration, ReadsBackWhatWasWritten, ()) {
  // Microseconds with more than eighteen digits are refused: thirty thousand years are enough.
  const TimeUs duration = *rc::gen::inRange<TimeUs>(0, 999'999'999'999'999'999);
  RC_ASSERT(parse_duration(format_duration(duration)) == duration);
}

TEST(ManualClock, NeverGoesBack) {
  ManualClock clock(100);
  clock.advance_to(200);
  clock.advance_to(150);
  EXPECT_EQ(clock.now(), 200);
}

TEST(SystemClock, KnowsTheCentury) { EXPECT_GT(SystemClock().now(), *parse_time("2024-01-01")); }

TEST(SteadyNow, OnlyGrows) {
  const TimeUs before = steady_now();
  EXPECT_LE(before, steady_now());
}

}  // namespace
}  // namespace trimtab::base
