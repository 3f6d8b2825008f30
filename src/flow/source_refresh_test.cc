#include "flow/source_refresh.h"

#include <gtest/gtest.h>

#include "flow/small_world_test.h"

namespace trimtab::flow {
namespace {

class SourceRefreshTest : public testing::Test {
 protected:
  // As a new run of the program does it: nothing is remembered but what the home holds.
  Result<table::Snapshot> try_refresh(const std::string& source = "trips") {
    SourceRefresh refresh(world_.project, *world_.home, *world_.engine, *world_.executor, world_.clock);
    bool pending = false;
    return refresh.refresh(*world_.project.find_source(source), as_of_, world_.notes, pending);
  }
  table::Snapshot refresh(const std::string& source = "trips") {
    Result<table::Snapshot> snapshot = try_refresh(source);
    if (!snapshot) ADD_FAILURE() << base::render(snapshot.error());
    return snapshot ? std::move(*snapshot) : table::Snapshot{};
  }
  static std::vector<std::string> origins(const table::Snapshot& snapshot) {
    std::vector<std::string> names;
    for (const table::Part& part : snapshot.parts) names.push_back(part.origin);
    return names;
  }
  std::vector<std::string> ran() { return world_.notes.take_started(); }
  static std::string file(int day) { return "data/trips/" + SmallWorld::name_of_day(day); }
  std::string current_manifest(const std::string& dataset) {
    return world_.query("SELECT manifest_sha256 FROM dataset WHERE name = '" + dataset + "'", 1).at(0);
  }

  SmallWorld world_;
  TimeUs as_of_ = *world_.project.as_of;
};

using Words = std::vector<std::string>;

TEST_F(SourceRefreshTest, EachFileBecomesAPartOnce) {
  const table::Snapshot first = refresh();
  EXPECT_EQ(origins(first), (Words{file(1), file(2), file(3), file(4)}));
  EXPECT_EQ(first.rows(), 4 * 48);
  EXPECT_EQ(ran(), (Words{"ingest trips: " + file(1), "ingest trips: " + file(2), "ingest trips: " + file(3),
                          "ingest trips: " + file(4), "sniff trips"}));
  const table::Snapshot again = refresh();
  EXPECT_EQ(again.to_json(), first.to_json());
  EXPECT_EQ(ran(), Words{});
}

TEST_F(SourceRefreshTest, ANewFileIsAllThatIsRead) {
  const table::Snapshot first = refresh();
  const std::string before = current_manifest("source/trips");
  ran();
  world_.add_day(5);
  const table::Snapshot second = refresh();
  EXPECT_EQ(ran(), Words{"ingest trips: " + file(5)});
  EXPECT_EQ(second.parts.size(), 5u);
  EXPECT_TRUE(std::equal(first.parts.begin(), first.parts.end(), second.parts.begin()));
  EXPECT_NE(current_manifest("source/trips"), before);
}

TEST_F(SourceRefreshTest, ARewrittenFileBecomesANewPartAndTheOldOneStays) {
  const table::Snapshot first = refresh();
  ran();
  world_.write(file(2), SmallWorld::trips_of_day(2, 10));
  const table::Snapshot second = refresh();
  EXPECT_EQ(ran(), Words{"ingest trips: " + file(2)});
  EXPECT_EQ(second.parts[0], first.parts[0]);
  EXPECT_NE(second.parts[1].blob_sha256, first.parts[1].blob_sha256);
  EXPECT_TRUE(world_.home->blobs().has(first.parts[1].blob_sha256));
  // Written back, it is what it was, and nothing runs.
  world_.write(file(2), SmallWorld::trips_of_day(2));
  EXPECT_EQ(refresh().to_json(), first.to_json());
  EXPECT_EQ(ran(), Words{});
}

TEST_F(SourceRefreshTest, ARemovedFileLeavesTheSnapshot) {
  refresh();
  ran();
  world_.remove(file(3));
  EXPECT_EQ(origins(refresh()), (Words{file(1), file(2), file(4)}));
  EXPECT_EQ(ran(), Words{});
}

TEST_F(SourceRefreshTest, ALateFileTakesItsPlaceInTime) {
  world_.remove(file(2));
  refresh();
  world_.write("data/trips/zz-late.csv", SmallWorld::trips_of_day(2));
  EXPECT_EQ(origins(refresh()), (Words{file(1), "data/trips/zz-late.csv", file(3), file(4)}));
}

TEST_F(SourceRefreshTest, WhatIsLaterThanAsOfIsInvisible) {
  as_of_ = base::parse_time("2020-01-02T12:00:00Z").value();
  EXPECT_EQ(origins(refresh()), (Words{file(1), file(2)}));
  as_of_ = *world_.project.as_of;
  EXPECT_EQ(origins(refresh()).size(), 4u);
}

TEST_F(SourceRefreshTest, ATouchedFileWithTheSameContentIsNoChange) {
  const table::Snapshot first = refresh();
  ran();
  std::filesystem::last_write_time(world_.project_folder() / file(1),
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(refresh().to_json(), first.to_json());
  EXPECT_EQ(ran(), Words{});
}

TEST_F(SourceRefreshTest, TypesAreFrozenWhenASourceIsFirstRead) {
  refresh();
  world_.write(file(5), "departs,town,km,minutes\n2020-01-05 00:00:00,north,far,7\n");
  const table::Snapshot without = refresh();
  EXPECT_EQ(without.rows(), 4 * 48);
  EXPECT_EQ(left_rows_of(without),
            Words{"source trips: a file was set aside: data/trips/2020-01-05.csv:2: 1 of 1 rows cannot be "
                  "read, more than the 5 % that may leave: column 'km' wants a number, found 'far'"});
  // It is kept with the snapshot, and the file is not read again.
  ran();
  EXPECT_EQ(refresh().to_json(), without.to_json());
  EXPECT_EQ(ran(), Words{});
  const auto kept = load_snapshot(*world_.home, world_.project.name, source_dataset("trips"));
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ(left_rows_of(**kept), left_rows_of(without));

  world_.write(file(5), SmallWorld::trips_of_day(5) + "2020-01-05 23:45:00,north,far,7\n");
  EXPECT_EQ(left_rows_of(refresh()),
            Words{"source trips: 1 row left: data/trips/2020-01-05.csv:50: column 'km' wants a number, found "
                  "'far'"});
  world_.write(file(5), SmallWorld::trips_of_day(5));
  EXPECT_EQ(left_rows_of(refresh()), Words{});
}

TEST_F(SourceRefreshTest, TheFirstReadingIsStrict) {
  world_.project.sources[0].columns = {
      {"at", "make_timestamp(2020, CAST(minutes AS INTEGER), 1, 0, 0, 0)", {}}};
  const Result<table::Snapshot> refused = try_refresh();
  ASSERT_FALSE(refused);
  const std::string words = base::render(refused.error());
  EXPECT_TRUE(words.starts_with("trips/2020-01-01.csv:")) << words;
  EXPECT_NE(words.find("rows cannot be read, more than the 5 % that may leave: "), std::string::npos)
      << words;
}

TEST_F(SourceRefreshTest, RowsThatArriveBecomePartsThatAreNeverOpenedAgain) {
  refresh("weather");
  ran();
  world_.receive("weather", {R"({"hour":"2020-01-05T00:00:00Z","town":"NORTH","temp":1.5})",
                             R"({"hour":"2020-01-05T01:00:00Z","town":"NORTH","temp":2.5})"});
  const table::Snapshot first = refresh("weather");
  EXPECT_EQ(ran(), Words{"ingest weather: rows 1..2"});
  EXPECT_EQ(first.parts.back().origin, "rows 1..2");
  EXPECT_EQ(first.parts.back().rows, 2);

  world_.receive("weather", {R"({"hour":"2020-01-05T02:00:00Z","town":"NORTH","temp":3.5})"});
  const table::Snapshot second = refresh("weather");
  EXPECT_EQ(ran(), Words{"ingest weather: rows 3..3"});
  ASSERT_EQ(second.parts.size(), first.parts.size() + 1);
  EXPECT_TRUE(std::equal(first.parts.begin(), first.parts.end(), second.parts.begin()));
  refresh("weather");
  EXPECT_EQ(ran(), Words{});
}

TEST_F(SourceRefreshTest, ADryRunSeesTheSchemaAndKeepsNothing) {
  SmallWorld planned(true);
  SourceRefresh refresh(planned.project, *planned.home, *planned.engine, *planned.executor, planned.clock);
  bool pending = false;
  const Result<table::Snapshot> snapshot =
      refresh.refresh(*planned.project.find_source("trips"), as_of_, planned.notes, pending);
  ASSERT_TRUE(snapshot) << base::render(snapshot.error());
  EXPECT_TRUE(pending);
  EXPECT_EQ(snapshot->schema.names(), (Words{"departs", "town", "km", "minutes"}));
  EXPECT_EQ(snapshot->parts.size(), 4u);
  EXPECT_EQ(planned.query("SELECT name FROM dataset", 1), Words{});
  EXPECT_EQ(planned.query("SELECT name FROM setting WHERE name LIKE 'schema/%'", 1), Words{});
}

TEST(Snapshots, AreKeptByNameAndReadBack) {
  SmallWorld world;
  EXPECT_FALSE(load_snapshot(*world.home, "trips", source_dataset("trips")).value().has_value());
  table::Snapshot snapshot;
  snapshot.name = source_dataset("trips");
  snapshot.schema = table::Schema({{"x", table::ColumnType::integer}});
  const std::string manifest = save_snapshot(*world.home, "trips", snapshot, 1).value();
  EXPECT_EQ(load_snapshot(*world.home, "trips", "source/trips").value()->to_json(), snapshot.to_json());
  // The same again changes nothing, not even the time.
  EXPECT_EQ(save_snapshot(*world.home, "trips", snapshot, 2).value(), manifest);
  EXPECT_EQ(world.query("SELECT updated_at FROM dataset", 1), Words{"1"});
}

}  // namespace
}  // namespace trimtab::flow
