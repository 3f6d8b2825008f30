// A user's files in, the same rows with predictions out.
#include "flow/score.h"

#include <gtest/gtest.h>

#include "model/artifact.h"
#include "table/operation_fixture_test.h"
#include "train/trainer.h"

namespace trimtab::flow {
namespace {

using table::ColumnType;
using table::Schema;

// The source has a, b and c in its files and declares x as a + b; the model has learnt that x > 50 is late,
// and how warm it was comes from a joined table.
class Score : public table::OperationFixture {
 protected:
  void SetUp() override {
    table::OperationFixture::SetUp();
    for (const auto& [name, bytes] : artifact().to_files())
      inputs_["artifact/" + name] = {write("artifact/" + name, bytes)};
    const Schema weather({{"place", ColumnType::text}, {"warm", ColumnType::real}});
    inputs_["rows/weather"] = {write_part("weather.parquet", weather, {{"north", 100.0}, {"south", 0.0}})};
  }

  static model::Artifact artifact() {
    model::Artifact made;
    made.recipe.request =
        Schema({{"x", ColumnType::integer}, {"place", ColumnType::text}, {"share", ColumnType::real}});
    table::LookupSpec weather;
    weather.table = "weather";
    weather.left_keys = weather.right_keys = {"place"};
    weather.select = {"warm"};
    made.recipe.stages = {table::LookupStage{weather},
                          table::DeriveStage{{{"sum", "x + coalesce(warm, 0) + coalesce(share, 0)", {}}}},
                          table::SelectStage{{"sum"}}};
    made.recipe.joined = {{0, "weather", Schema({{"place", ColumnType::text}, {"warm", ColumnType::real}})}};
    made.recipe.features = {{"sum", ColumnType::real, {}}};
    train::FrameData data;
    data.train.width = 1;
    data.train.feature_names = {"sum"};
    for (int i = 0; i < 100; ++i) {
      data.train.values.push_back(i);
      data.train.targets.push_back(i > 50 ? 1 : 0);
    }
    data.test = data.train;
    project::LightgbmLearner learner;
    learner.rounds = 30;
    learner.learning_rate = 0.3;
    learner.min_data_in_leaf = 1;
    const auto report =
        train::fit(data, learner, project::Task::binary, 1, [](std::int64_t, std::int64_t) { return true; });
    CHECK(report.has_value());
    made.learner = report->learner;
    made.model_text = report->model_text;
    made.baseline = Json::object();
    return made;
  }

  Result<Json> score(const std::vector<std::filesystem::path>& files,
                     const std::string& output = "scored.csv") {
    const Schema raw({{"a", ColumnType::integer},
                      {"b", ColumnType::integer},
                      {"place", ColumnType::text},
                      {"share", ColumnType::real}});
    const std::vector<table::Stage> declared = {table::DeriveStage{{{"x", "a + b", {}}}}};
    Json read = Json::object({{"schema", raw.to_json()}, {"nulls", Json::array().push("").push("NA")}});
    read.set("time_zone", "UTC").set("columns", table::stages_to_json(declared)).set("time", "");
    std::map<std::string, Paths> inputs = inputs_;
    inputs["file"] = files;
    return run(score_files, score_params(read, output), inputs);
  }

  // The column of predictions as "low" and "high", for it is their side that the rows decide.
  std::string sides() const {
    std::string text = bytes_of(output("scored.csv"));
    std::string shown;
    for (std::size_t at = text.find('\n') + 1; at < text.size(); at = text.find('\n', at) + 1) {
      const std::string line = text.substr(at, text.find('\n', at) - at);
      shown += std::stod(line.substr(line.rfind(',') + 1)) > 0.5 ? "high " : "low ";
    }
    return shown;
  }

  std::string refusal(const std::vector<std::filesystem::path>& files) {
    const Result<Json> done = score(files);
    return done ? "" : base::render(done.error());
  }

  std::map<std::string, Paths> inputs_;
};

TEST_F(Score, DeclaredColumnsAreComputedAndJoinsAreLookedUp) {
  const auto file =
      write("in/a.csv", "a,b,place,share\n30,30,south,\n10,10,south,NA\n1,1,north,0\n1,2,,0.5\n");
  const Result<Json> done = score({file});
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ(done->dump(), R"({"rows":4,"resumed_rows":0,"files":1})");
  EXPECT_EQ(sides(), "high low high low ");
}

TEST_F(Score, RowsPassAsTheyWereWithWhateverElseTheyHold) {
  const auto file =
      write("in/a.csv", "note,b,a,place,share\n\"one, two\",30,30,south,0.50\n\"say \"\"hi\"\"\",1,1,NA,2\n");
  ASSERT_TRUE(score({file}));
  const std::string text = bytes_of(output("scored.csv"));
  EXPECT_EQ(text.substr(0, text.find('\n')), "note,b,a,place,share,prediction");
  EXPECT_NE(text.find("\n\"one, two\",30,30,south,0.5,0.9"), std::string::npos) << text;
  EXPECT_NE(text.find("\n\"say \"\"hi\"\"\",1,1,,2.0,"), std::string::npos) << text;
}

TEST_F(Score, AFileMayHoldTheDeclaredOrTheJoinedColumnItself) {
  ASSERT_TRUE(score({write("in/a.csv", "x,place,share\n60,south,0\n2,south,0\n")}));
  EXPECT_EQ(sides(), "high low ");
  // What the file says goes before the join: it is cold in the north, for once.
  ASSERT_TRUE(score({write("in/b.csv", "x,place,share,warm\n2,north,0,0\n2,south,0,99\n2,north,0,\n")}));
  EXPECT_EQ(sides(), "low high high ");
}

TEST_F(Score, ManyRowsOfSeveralFilesKeepTheirOrderAndMakeTheSameBytes) {
  std::string first = "a,b,place,share\n";
  for (int row = 0; row < 5000; ++row) first += std::to_string(row % 100) + ",0,south,0\n";
  const auto one = write("in/1.csv", first);
  const auto two = write("in/2.csv", "share,place,b,a\n0,south,0,99\n");
  EXPECT_EQ(score({one, two})->dump(), R"({"rows":5001,"resumed_rows":0,"files":2})");
  const std::string bytes = bytes_of(output("scored.csv"));
  EXPECT_NE(bytes.find("\n99,0,south,0.0,0.9"), std::string::npos);
  EXPECT_EQ(sides().substr(0, 20), "low low low low low ");
  ASSERT_TRUE(score({one, two}));
  EXPECT_EQ(bytes_of(output("scored.csv")), bytes);
}

TEST_F(Score, ParquetComesInAndGoesOut) {
  const Schema schema({{"a", ColumnType::integer},
                       {"b", ColumnType::integer},
                       {"place", ColumnType::text},
                       {"share", ColumnType::real},
                       {"day", ColumnType::time}});
  const auto part = write_part("in/a.parquet", schema, {{30, 30, "south", nullptr, "2013-01-01T00:00:00Z"}});
  ASSERT_TRUE(score({part}, "scored.parquet"));
  EXPECT_EQ(table::shown(*table::parquet_schema(engine(), output("scored.parquet"))),
            "a: integer, b: integer, place: text, share: real, day: time, prediction: real");
  EXPECT_TRUE(
      rows_of(output("scored.parquet")).starts_with("30 30 \"south\" null \"2013-01-01T00:00:00Z\" 0.9"));
}

TEST_F(Score, NoRowsMakeAHeader) {
  EXPECT_EQ(score({write("in/a.csv", "a,b,place,share\n")})->dump(),
            R"({"rows":0,"resumed_rows":0,"files":1})");
  EXPECT_EQ(bytes_of(output("scored.csv")), "a,b,place,share,prediction\n");
}

TEST_F(Score, WhatIsMissingIsNamedAllAtOnce) {
  EXPECT_EQ(
      refusal({write("in/a.csv", "a,plce\n1,x\n")}),
      "in/a.csv: error: the columns 'b', 'place', 'share' are missing\n   hint: the file has 'plce'; did you "
      "mean 'place'?");
  EXPECT_EQ(refusal({write("in/b.csv", "a,b,share\n1,1,1\n")}),
            "in/b.csv: error: the column 'place' is missing\n"
            "   hint: the model needs them as its source declares them; further columns do no harm");
}

TEST_F(Score, WhatDoesNotFitIsNamedWithItsPlace) {
  EXPECT_EQ(refusal({write("in/a.csv", "a,b,place,share\n1,1,x,1\n1,many,x,1\n")}),
            "in/a.csv:3: error: column 'b' wants a whole number, found 'many'\n"
            "   hint: list the token under `nulls:`, or correct the row");
  EXPECT_EQ(refusal({write("in/b.csv", "a,b,place,share,prediction\n1,1,x,1,1\n")}),
            "in/b.csv: error: there is a column 'prediction' already\n   hint: rename it in the file");
  const auto good = write("in/c.csv", "a,b,place,share\n1,1,x,1\n");
  EXPECT_EQ(refusal({good, write("in/d.csv", "a,b,place,share,more\n1,1,x,1,1\n")}),
            "in/d.csv:1: error: the header has 'more', which the source's other files do not have\n"
            "   hint: all files of a source have the same columns, in any order");
}

TEST_F(Score, AStopIsHeard) {
  stop_ = true;
  EXPECT_EQ(refusal({write("in/a.csv", "a,b,place,share\n1,1,x,1\n")}), "error: stopped on request");
}

TEST_F(Score, OnlyCsvAndParquetAreWritten) {
  const Result<Json> done = score({write("in/a.csv", "a,b,place,share\n1,1,x,1\n")}, "scored.xlsx");
  ASSERT_FALSE(done);
  EXPECT_EQ(base::render(done.error()),
            "error: a file 'scored.xlsx' cannot be written\n   hint: name it .csv or .parquet");
}

}  // namespace
}  // namespace trimtab::flow
