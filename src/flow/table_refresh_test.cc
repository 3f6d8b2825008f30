#include "flow/table_refresh.h"

#include <gtest/gtest.h>

#include "flow/small_world_test.h"

namespace trimtab::flow {
namespace {

using Words = std::vector<std::string>;

class TableRefreshTest : public testing::Test {
 protected:
  Result<PreparedTable> try_prepare() {
    return world_.pipeline()->prepare("rides", *world_.project.as_of, world_.notes);
  }
  PreparedTable prepare() {
    Result<PreparedTable> prepared = try_prepare();
    if (!prepared) ADD_FAILURE() << base::render(prepared.error());
    return prepared ? std::move(*prepared) : PreparedTable{};
  }
  std::string error_of_whole() {
    Pipeline& pipeline = *(pipeline_ = world_.pipeline());
    Journey journey = pipeline.set_out(
        {.model = "late", .as_of = *world_.project.as_of, .test_from = {}, .champion_manifest = {}},
        world_.notes);
    for (auto pass : {&Pipeline::enter, &Pipeline::clean, &Pipeline::check, &Pipeline::profile}) {
      EXPECT_TRUE((pipeline.*pass)(journey));
    }
    const Status whole = pipeline.check_whole(journey);
    return whole ? "passed" : base::render(whole.error());
  }
  void declare(const std::string& from, const std::string& to) { world_.declare(from, to); }
  Words ran() { return world_.notes.take_started(); }
  static std::string day(int number) { return "data/trips/" + SmallWorld::name_of_day(number); }
  // Steps on one day's trips.
  static Words steps_of_day(int number) {
    return {"check rides: " + day(number), "clean rides: " + day(number), "ingest trips: " + day(number),
            "profile table/rides: " + day(number)};
  }

  SmallWorld world_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(TableRefreshTest, RowsAreCleanedCheckedAndKnownPartByPart) {
  const PreparedTable table = prepare();
  EXPECT_EQ(table.source.rows(), 4 * 48);
  EXPECT_EQ(table.kept.rows(), 4 * 48);
  EXPECT_EQ(table.kept.schema.names(), (Words{"departs", "town", "km", "minutes", "temp", "far", "__row"}));
  EXPECT_EQ(table.states.size(), 4u);
  EXPECT_EQ(table.recipe.whole_table, Words{"drop_duplicates by departs, town"});
  EXPECT_FALSE(table.pending);
  ran();
  const PreparedTable again = prepare();
  EXPECT_EQ(ran(), Words{});
  EXPECT_EQ(again.kept.to_json(), table.kept.to_json());
}

TEST_F(TableRefreshTest, ANewFileRunsItsOwnStepsAlone) {
  prepare();
  ran();
  world_.write("data/trips/" + SmallWorld::name_of_day(5), SmallWorld::trips_of_day(5));
  prepare();
  EXPECT_EQ(ran(), steps_of_day(5));
}

TEST_F(TableRefreshTest, ARewrittenFileRunsItsOwnStepsAlone) {
  const PreparedTable before = prepare();
  ran();
  world_.write(day(3), SmallWorld::trips_of_day(3, 2));
  const PreparedTable after = prepare();
  EXPECT_EQ(ran(), steps_of_day(3));
  for (const std::size_t part : {0, 1, 3}) EXPECT_EQ(after.kept.parts[part], before.kept.parts[part]);
}

TEST_F(TableRefreshTest, ALateFileRunsItsOwnStepsAlone) {
  world_.remove(day(2));
  prepare();
  ran();
  world_.write(day(2), SmallWorld::trips_of_day(2));
  const PreparedTable table = prepare();
  EXPECT_EQ(ran(), steps_of_day(2));
  EXPECT_EQ(table.kept.parts[1].origin, day(2));
}

TEST_F(TableRefreshTest, ARemovedFileRunsNothing) {
  prepare();
  ran();
  world_.remove(day(2));
  EXPECT_EQ(prepare().kept.parts.size(), 3u);
  EXPECT_EQ(ran(), Words{});
}

// Weather counts for three hours: that of the 2nd is seen by trips of the 2nd and by the first of the 3rd.
TEST_F(TableRefreshTest, AChangedJoinedFileReachesOnlyTheRowsThatCanSeeIt) {
  prepare();
  ran();
  const std::string weather = "data/weather/" + SmallWorld::name_of_day(2);
  world_.write(weather, SmallWorld::weather_of_day(2, 1));
  prepare();
  EXPECT_EQ(ran(), (Words{"check rides: " + day(2), "clean rides: " + day(2), "clean rides: " + day(3),
                          "ingest weather: " + weather, "profile table/rides: " + day(2)}));
}

TEST_F(TableRefreshTest, AChangedCheckCleansNothingAgain) {
  prepare();
  ran();
  declare("between: {km: [0, 100]}", "between: {km: [0, 35]}");
  const PreparedTable table = prepare();
  EXPECT_GT(table.quarantined, 0);
  EXPECT_EQ(table.kept.rows() + table.quarantined, 4 * 48);
  for (const std::string& step : ran())
    EXPECT_FALSE(step.starts_with("clean") || step.starts_with("ingest")) << step;
}

TEST_F(TableRefreshTest, TheCountsOfAllPartsAreAddedUp) {
  declare("between: {km: [0, 100]}", "between: {km: [0, 35]}");
  const PreparedTable table = prepare();
  std::int64_t failed = 0;
  for (const Json& check : table.checks.as_array()) failed += check.int_or("failed");
  EXPECT_EQ(failed, table.quarantined);
}

TEST_F(TableRefreshTest, ACheckThatMustNotFailStopsThePreparation) {
  declare("- not_null: [town]", "- {between: {minutes: [0, 20]}, on_fail: fail}");
  const Result<PreparedTable> refused = try_prepare();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::check_failed);
  const std::string words = base::render(refused.error());
  EXPECT_NE(words.find("between(minutes, 0, 20)"), std::string::npos) << words;
}

TEST_F(TableRefreshTest, TheWholeTableIsTestedForWhoeverLearnsFromIt) {
  EXPECT_EQ(error_of_whole(), "passed");
  declare("rows: {at_least: 10}", "rows: {at_least: 1000}");
  const std::string words = error_of_whole();
  EXPECT_NE(words.find("table 'rides'"), std::string::npos) << words;
  EXPECT_NE(words.find("192"), std::string::npos) << words;
  EXPECT_NE(words.find("1000"), std::string::npos) << words;
}

table::Part part(const std::string& origin, std::optional<TimeUs> from, std::optional<TimeUs> to) {
  table::Part made;
  made.origin = origin;
  made.time_min = from;
  made.time_max = to;
  return made;
}

TEST(ReachableParts, ArePartsThatSomeRowCanSee) {
  table::Snapshot joined;
  joined.parts = {part("old", 0, 99), part("edge", 0, 100), part("now", 150, 160), part("later", 201, 300),
                  part("timeless", {}, {})};
  table::LookupSpec as_of;
  as_of.left_time = "at";
  as_of.age_max = 50;
  const auto names = [&](const table::LookupSpec& lookup, std::optional<TimeUs> from,
                         std::optional<TimeUs> to) {
    Words found;
    for (const table::Part& reachable : reachable_parts(joined, lookup, from, to))
      found.push_back(reachable.origin);
    return found;
  };
  EXPECT_EQ(names(as_of, 150, 200), (Words{"edge", "now", "timeless"}));
  const Words all = {"old", "edge", "now", "later", "timeless"};
  EXPECT_EQ(names(as_of, {}, {}), all);
  EXPECT_EQ(names(table::LookupSpec{}, 150, 200), all);
  as_of.age_max = 0;
  EXPECT_EQ(names(as_of, 150, 200), (Words{"old", "edge", "now", "timeless"}));
}

}  // namespace
}  // namespace trimtab::flow
