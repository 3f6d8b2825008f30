#include "clean/recipe_steps.h"

#include "clean/recipe_fixture_test.h"

namespace trimtab::clean {
namespace {

const char* const kAt = "2013-01-05T11:00:00Z";

class RecipeSteps : public RecipeFixture {
 protected:
  // What the steps make of the tail number, of a flight that has only that.
  std::string tail(const std::string& steps, const Json& tailnum) {
    return cleaned(steps + "      - select: [tailnum, sched_dep]\n",
                   {{kAt, nullptr, tailnum, nullptr, nullptr, nullptr}});
  }
};

TEST_F(RecipeSteps, WithoutStepsARowOnlyGetsItsNumber) {
  EXPECT_EQ(cleaned("      []\n", {flight("11:00"), flight("12:00")}),
            "\"2013-01-05T11:00:00Z\" \"EWR\" \"N1\" 100 1.5 true 0\n"
            "\"2013-01-05T12:00:00Z\" \"EWR\" \"N1\" 100 1.5 true 1\n");
  EXPECT_EQ((*result_)["rows_in"], Json(2));
  EXPECT_EQ((*result_)["rows"], Json(2));
  EXPECT_EQ(base::format_time((*result_)["time_min"].as_int()), "2013-01-05T11:00:00Z");
  EXPECT_EQ(base::format_time((*result_)["time_max"].as_int()), "2013-01-05T12:00:00Z");
}

TEST_F(RecipeSteps, TextOperationsRunInTheOrderGiven) {
  EXPECT_EQ(tail("      - text: {tailnum: [trim, upper]}\n", " \t n1\u00e9\n"),
            "\"N1\u00c9\" \"2013-01-05T11:00:00Z\" 0\n");
  EXPECT_EQ(tail("      - text: {tailnum: [collapse, lower]}\n", "A \n B"),
            "\"a b\" \"2013-01-05T11:00:00Z\" 0\n");
  EXPECT_EQ(tail("      - text: {tailnum: [trim]}\n", nullptr), "null \"2013-01-05T11:00:00Z\" 0\n");
}

TEST_F(RecipeSteps, AConstantTakesThePlaceOfNulls) {
  EXPECT_EQ(cleaned("      - fill: {tailnum: it's unknown, distance: 7, delay: 0.5, late: false}\n",
                    {{kAt, nullptr, nullptr, nullptr, nullptr, nullptr}}),
            "\"2013-01-05T11:00:00Z\" null \"it's unknown\" 7 0.5 false 0\n");
}

TEST_F(RecipeSteps, DerivedColumnsSeeTheRowBeforeTheStep) {
  EXPECT_EQ(cleaned("      - derive: {distance: distance * 2, far: distance > 150, hour: hour(sched_dep)}\n"
                    "      - select: [sched_dep, distance, far, hour]\n",
                    {flight("11:00")}),
            "\"2013-01-05T11:00:00Z\" 200 false 6 0\n");
}

TEST_F(RecipeSteps, AFilterKeepsRowsForWhichItIsTrueAndTheirNumbers) {
  EXPECT_EQ(cleaned("      - filter: distance > 10\n      - select: [sched_dep, distance]\n",
                    {{kAt, "EWR", "a", 10, 0, true},
                     {kAt, "EWR", "b", 11, 0, true},
                     {kAt, "EWR", "c", nullptr, 0, true},
                     {kAt, "EWR", "d", 12, 0, true}}),
            "\"2013-01-05T11:00:00Z\" 11 1\n\"2013-01-05T11:00:00Z\" 12 3\n");
  EXPECT_EQ((*result_)["rows_in"], Json(4));
  EXPECT_EQ((*result_)["rows"], Json(2));
}

TEST_F(RecipeSteps, CastsAndRenames) {
  EXPECT_EQ(cleaned("      - cast: {distance: text, late: integer}\n"
                    "      - rename: {origin: tailnum, tailnum: origin}\n"
                    "      - select: [origin, tailnum, distance, late, sched_dep]\n",
                    {flight("11:00")}),
            "\"N1\" \"EWR\" \"100\" 1 \"2013-01-05T11:00:00Z\" 0\n");
}

TEST_F(RecipeSteps, ACastThatFailsNamesColumnAndReason) {
  const std::string said = cleaned("      - cast: {tailnum: integer}\n", {flight("11:00")});
  EXPECT_NE(said.find("'tailnum'"), std::string::npos) << said;
  EXPECT_NE(said.find("'N1'"), std::string::npos) << said;
  EXPECT_EQ(result_.error().code, ErrorCode::invalid);
}

constexpr const char* kJoin =
    "      - join: {with: weather, on: {origin: station}, as_of: time_hour, max_age: 3h, select: [temp]}\n"
    "      - select: [sched_dep, temp]\n";

TEST_F(RecipeSteps, AJoinByTimeTakesTheNewestReportThatIsNotLater) {
  EXPECT_EQ(cleaned(kJoin, {flight("09:59"), flight("10:00"), flight("11:30"), flight("11:30", "JFK")},
                    {{report("12:00", 12), report("10:00", 10)}, {report("11:00", 11)}}),
            "\"2013-01-05T09:59:00Z\" null 0\n"
            "\"2013-01-05T10:00:00Z\" 10.0 1\n"
            "\"2013-01-05T11:30:00Z\" 11.0 2\n"
            "\"2013-01-05T11:30:00Z\" null 3\n");
}

TEST_F(RecipeSteps, AReportOlderThanMaxAgeIsNoMatch) {
  EXPECT_EQ(cleaned(kJoin, {flight("13:00"), flight("13:01")}, {{report("10:00", 10)}}),
            "\"2013-01-05T13:00:00Z\" 10.0 0\n\"2013-01-05T13:01:00Z\" null 1\n");
}

TEST_F(RecipeSteps, OfReportsOfOneTimeTheLastCounts) {
  EXPECT_EQ(
      cleaned(kJoin, {flight("10:30")}, {{report("10:00", 1), report("10:00", 2)}, {report("10:00", 3)}}),
      "\"2013-01-05T10:30:00Z\" 3.0 0\n");
}

TEST_F(RecipeSteps, AJoinWithoutAnyReportFindsNothing) {
  EXPECT_EQ(cleaned(kJoin, {flight("10:30")}), "\"2013-01-05T10:30:00Z\" null 0\n");
}

TEST_F(RecipeSteps, APlainJoinTakesTheLastRowOfTheKey) {
  EXPECT_EQ(cleaned("      - join: {with: weather, on: {origin: station}, select: [temp, sky]}\n"
                    "      - select: [temp, sky, sched_dep]\n",
                    {flight("01:00")}, {{report("10:00", 1), report("08:00", 2), report("09:00", 3, "JFK")}}),
            "2.0 \"clear\" \"2013-01-05T01:00:00Z\" 0\n");
}

TEST_F(RecipeSteps, AJoinedFileThatChangedIsReadAgain) {
  EXPECT_EQ(cleaned(kJoin, {flight("10:30")}, {{report("10:00", 1)}}), "\"2013-01-05T10:30:00Z\" 1.0 0\n");
  EXPECT_EQ(cleaned(kJoin, {flight("10:30")}, {{report("10:00", 1), report("10:00", 2)}}),
            "\"2013-01-05T10:30:00Z\" 2.0 0\n");
}

TEST_F(RecipeSteps, TheSameRowsMakeTheSameBytes) {
  Rows flights;
  for (int i = 0; i < 5000; ++i) flights.push_back(flight(i % 2 == 0 ? "10:30" : "11:30"));
  cleaned(kJoin, flights, {{report("10:00", 1)}});
  const std::string first = bytes_of(output("part.parquet"));
  cleaned(kJoin, flights, {{report("10:00", 1)}});
  EXPECT_EQ(bytes_of(output("part.parquet")), first);
  EXPECT_GT(first.size(), 100u);
}

TEST_F(RecipeSteps, StopsOnRequestAndLeavesNothing) {
  stop_ = true;
  EXPECT_EQ(cleaned("      []\n", {flight("11:00")}), "error: stopped on request");
  EXPECT_FALSE(std::filesystem::exists(output("part.parquet")));
}

}  // namespace
}  // namespace trimtab::clean
