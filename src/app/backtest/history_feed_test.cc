// History as it would have arrived.
#include "app/backtest/history_feed.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/file.h"
#include "flow/source_refresh.h"
#include "ingest/ingest.h"
#include "project/load.h"
#include "store/scratch_folder.h"

namespace trimtab::app {
namespace {

constexpr const char* kProject = R"yaml(project: p
sources:
  trips: {read: trips/*.csv, nulls: [""], time: gone}
  weather: {read: weather.csv, time: seen}
  planes: {read: planes.csv}
tables:
  t:
    from: trips
    clean:
      - filter: x > 0
      - join: {with: weather, on: {place: place}, as_of: seen, max_age: 3h, select: [temp]}
models:
  m: {from: t, task: binary, target: TARGET, label_time: "gone + to_minutes(late)", features: [x, temp]}
endpoints:
  late: {model: m, batch: 1d}
)yaml";

TimeUs at(const std::string& text) { return *base::parse_time(text); }

class HistoryFeedTest : public testing::Test {
 protected:
  void SetUp() override { open("late >= 15"); }

  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(base::make_folders((folder_ / name).parent_path()));
    ASSERT_TRUE(base::write_file_durably(folder_ / name, text));
  }

  // The project with this target, and its files ingested by the same operations that a worker runs.
  void open(const std::string& target) {
    write("trips/b.csv", "gone,x,place,late\n2013-01-02T08:00:00Z,5,EWR,20\n2013-01-02T06:00:00Z,6,JFK,\n");
    write("trips/a.csv",
          "gone,x,place,late\n2013-01-01T09:00:00Z,1,EWR,90\n2013-01-01T07:00:00Z,-2,JFK,1\n"
          "2012-12-31T23:00:00Z,3,JFK,1\n");
    write("weather.csv",
          "seen,place,temp\n2013-01-02T05:00:00Z,JFK,2.5\n2013-01-01T05:00:00Z,EWR,1.5\n"
          "2012-12-31T05:00:00Z,EWR,0.5\n");
    write("planes.csv", "tail,seats\nN1,100\n");
    std::string text = kProject;
    text.replace(text.find("TARGET"), 6, target);
    project::Project project = *project::parse(text, "p.yaml", folder_.path());
    history_.sources.clear();
    bench_.reset();
    bench_ = *open_workbench((folder_ / "home").string(), std::move(project));
    for (const project::Source& source : bench_->project.sources) ingest(source);
  }

  static table::OperationRun run_of(Workbench& bench, const Json& params, const std::filesystem::path& file,
                                    const std::filesystem::path& output) {
    return {.engine = *bench.engine,
            .params = params,
            .inputs = {{"file", {file}}},
            .output_folder = output,
            .progress = [](std::int64_t, std::int64_t, std::string_view) { return true; }};
  }

  void ingest(const project::Source& source) {
    table::Snapshot snapshot;
    snapshot.name = flow::source_dataset(source.name);
    snapshot.time_column = source.time;
    const auto files = *ingest::find_files(source, folder_.path());
    const Json sniffing = ingest::sniff_params(source);
    const Json sniffed = *ingest::sniff(run_of(*bench_, sniffing, files.front().path, {}));
    const Json params = ingest::ingest_params(source, *table::Schema::from_json(sniffed["schema"]));
    for (const ingest::SourceFile& file : files) {
      const std::filesystem::path output = *bench_->home->make_staging("part");
      const Result<Json> made = ingest::ingest_file(run_of(*bench_, params, file.path, output));
      ASSERT_TRUE(made) << base::render(made.error());
      snapshot.schema = *table::Schema::from_json((*made)["schema"]);
      table::Part part;
      part.blob_sha256 = *bench_->home->blobs().put_file(output / "part.parquet");
      part.origin = file.name;
      if ((*made)["time_min"].is_int()) part.time_min = made->int_or("time_min");
      if ((*made)["time_max"].is_int()) part.time_max = made->int_or("time_max");
      snapshot.parts.push_back(part);
    }
    history_.sources[source.name] = snapshot;
  }

  Result<HistoryFeed> load(const std::string& from, const std::string& to) {
    return load_feed(*bench_, history_, "late", {"x", "place"}, at(from), at(to));
  }

  const store::ScratchFolder folder_;
  std::unique_ptr<Workbench> bench_;
  History history_;
};

TEST_F(HistoryFeedTest, RequestsComeInOrderOfTheirTimesWhateverTheOrderInTheFiles) {
  const Result<HistoryFeed> feed = load("2013-01-01", "2013-01-03");
  ASSERT_TRUE(feed) << base::render(feed.error());
  std::vector<std::string> ids;
  for (const HistoryFeed::Request& request : feed->requests) ids.push_back(request.id);
  // Rows that a filter would drop are asked about all the same: nobody knew better then.
  EXPECT_EQ(ids, (std::vector<std::string>{"a-1", "a-0", "b-1", "b-0"}));
  EXPECT_EQ(feed->requests[1].body, R"({"dataframe_records":[{"prediction_id":"a-0","x":1,"place":"EWR"}]})");
}

TEST_F(HistoryFeedTest, OnlyWhatHappensWithinTheReplayIsSent) {
  const Result<HistoryFeed> feed = load("2013-01-02", "2013-01-02T08:00:00Z");
  ASSERT_TRUE(feed) << base::render(feed.error());
  ASSERT_EQ(feed->requests.size(), 1u);
  EXPECT_EQ(feed->requests[0].id, "b-1");
}

TEST_F(HistoryFeedTest, LabelsComeWhenTheyBecameKnown) {
  const Result<HistoryFeed> feed = load("2013-01-01", "2013-01-03");
  ASSERT_TRUE(feed) << base::render(feed.error());
  // b-1 never got a label; a-0 happened after a-1, and became known an hour and a half later.
  ASSERT_EQ(feed->labels.size(), 3u);
  const std::pair<const char*, double> expected[] = {
      {"2013-01-01T07:01:00Z", 0}, {"2013-01-01T10:30:00Z", 1}, {"2013-01-02T08:20:00Z", 1}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(base::format_time(feed->labels[i].known_at), expected[i].first);
    EXPECT_EQ(feed->requests[feed->labels[i].request].truth, expected[i].second);
  }
  EXPECT_TRUE(std::isnan(feed->requests[2].truth));
}

TEST_F(HistoryFeedTest, RowsOfJoinedTablesComeWhenTheyWereObserved) {
  const Result<HistoryFeed> feed = load("2013-01-01", "2013-01-03");
  ASSERT_TRUE(feed) << base::render(feed.error());
  const std::vector<HistoryFeed::ObservedRow>& rows = feed->observed.at("weather");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].json, R"({"seen":"2013-01-01T05:00:00Z","place":"EWR","temp":1.5})");
  EXPECT_EQ(base::format_time(rows[1].time), "2013-01-02T05:00:00Z");
  // A table without times is there from the start.
  EXPECT_FALSE(feed->observed.contains("planes"));
}

TEST_F(HistoryFeedTest, AFileArrivesWhenItsLastRowHasHappened) {
  const Result<HistoryFeed> feed = load("2013-01-01", "2013-01-03");
  ASSERT_TRUE(feed) << base::render(feed.error());
  ASSERT_EQ(feed->files.size(), 2u);
  EXPECT_EQ(feed->files[0].path, "trips/a.csv");
  EXPECT_EQ(base::format_time(feed->files[0].at), "2013-01-01T09:00:00Z");
  EXPECT_EQ(base::format_time(feed->files[1].at), "2013-01-02T08:00:00Z");
  EXPECT_EQ(feed->files_at_start, std::vector<std::string>{"planes.csv"});
  EXPECT_EQ(files_before(*bench_, history_, at("2013-01-02")),
            (std::vector<std::string>{"trips/a.csv", "planes.csv"}));
}

TEST_F(HistoryFeedTest, ATargetThatNeedsAJoinedTableIsRefused) {
  open("temp > 2");
  const Result<HistoryFeed> feed = load("2013-01-01", "2013-01-03");
  ASSERT_FALSE(feed);
  EXPECT_EQ(base::render(feed.error()),
            "error: the target of model 'm' needs a joined table\n"
            "   hint: a backtest knows labels from the rows of 'trips' alone");
}

}  // namespace
}  // namespace trimtab::app
