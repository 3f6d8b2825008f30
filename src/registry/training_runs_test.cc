#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "registry/book_fixture_test.h"
#include "registry/record.h"
#include "registry/record_check.h"
#include "store/migrations.h"

namespace trimtab::registry {
namespace {

class TrainingRunsTest : public BookTest {
 protected:
  NewVersion candidate(const std::string& step_key) {
    NewVersion version;
    version.project = "flights";
    version.model = "late";
    version.step_key = step_key;
    const std::string manifest = home_->blobs().put(R"({"files":[]})").value();
    version.files["manifest.json"] = {manifest, 12};
    version.params = Json::object({{"rounds", 100}, {"learner", "gbm"}});
    version.metrics = Json::object({{"auc", 0.75}, {"broken", std::numeric_limits<double>::quiet_NaN()}});
    version.gates_passed = true;
    version.inputs["snapshot/table/departures"] = std::string(64, 'a');
    version.reason = "the first one";
    return version;
  }
  std::vector<std::string> problems() {
    std::vector<std::string> found;
    EXPECT_TRUE(check_record(*home_, found));
    return found;
  }
  void run_script(const char* script) {
    ASSERT_TRUE(home_->database().write(
        [script](store::Connection& connection) { return connection.run_script(script); }));
  }
};

TEST_F(TrainingRunsTest, ARunOfTrainingIsARunOfTheBook) {
  const VersionFacts made = register_version(*home_, clock_, candidate("k1")).value();
  EXPECT_TRUE(made.is_new);
  for (int round = 0; round < 2; ++round) {
    const RunFacts run = book_->find(made.run_id).value();
    EXPECT_EQ(run.info.status, RunStatus::finished);
    ASSERT_EQ(run.metrics.size(), 2u);
    EXPECT_EQ(run.metrics[0].value, 0.75);
    EXPECT_TRUE(std::isnan(run.metrics[1].value));
    EXPECT_EQ(run.params, (std::vector<KeyValue>{{"learner", "gbm"}, {"rounds", "100"}}));
    EXPECT_EQ(history(made.run_id, "auc").size(), 1u);
    const Json whole = base::parse_json(book_->find_json(made.run_id).value()).value();
    EXPECT_EQ(run_json(*home_, made.run_id).value(), whole["run"]);
    reopen();
  }
  EXPECT_EQ(find_experiment_by_name(*home_, "flights")->artifact_location, "mlflow-artifacts:/1");
  EXPECT_EQ(run_json(*home_, "gone").error().message, "no run has the id 'gone'");
  EXPECT_TRUE(problems().empty());
}

TEST_F(TrainingRunsTest, AStepRegistersOnce) {
  const VersionFacts made = register_version(*home_, clock_, candidate("k1")).value();
  const VersionFacts again = register_version(*home_, clock_, candidate("k1")).value();
  EXPECT_FALSE(again.is_new);
  EXPECT_EQ(again.run_id, made.run_id);
  NewVersion broken = candidate("k2");
  broken.metrics.set("auc", "high");
  EXPECT_EQ(register_version(*home_, clock_, broken).error().message, "metric 'auc' is no number: \"high\"");
}

// Written without a word to the book, which then learns of it when somebody writes to that run, or asks it to
// look.
TEST_F(TrainingRunsTest, ARunThatTheBookHasNotSeenYetIsLoadedWhole) {
  const VersionFacts made = register_version(*home_, clock_, candidate("k1")).value();
  const std::string other = create();
  run_script(
      "INSERT INTO run (id, experiment_id, name, status, start_ms) VALUES ('quiet', 0, 'q', 'RUNNING', 1)");
  EXPECT_FALSE(book_->find("quiet"));
  ASSERT_TRUE(log_metric("quiet", {"m", 1, 1, 1}));
  EXPECT_EQ(book_->find("quiet")->metrics.size(), 1u);
  EXPECT_EQ(history("quiet", "m").size(), 1u);
  run_script(
      "INSERT INTO run (id, experiment_id, name, status, start_ms) VALUES ('silent', 0, 's', 'RUNNING', 1)");
  ASSERT_TRUE(book_->catch_up());
  EXPECT_EQ(book_->find("silent")->info.name, "s");
  ASSERT_TRUE(set_tag(made.run_id, "note", "good"));
  ASSERT_TRUE(log_metric(made.run_id, {"auc", 0.8, base::kDayUs, 7}));
  EXPECT_EQ(book_->find(made.run_id)->metrics[0].value, 0.8);
  EXPECT_EQ(book_->find(made.run_id)->tags.at(4).value, "the first one");
  ASSERT_TRUE(book_->seal_now());
  EXPECT_EQ(history(made.run_id, "auc").size(), 2u);
  reopen();
  EXPECT_EQ(history(made.run_id, "auc").size(), 2u);
  EXPECT_TRUE(book_->find(other));
  EXPECT_TRUE(problems().empty());
}

TEST_F(TrainingRunsTest, DamagedMetricsAreTold) {
  const std::string id = create();
  ASSERT_TRUE(log_metric(id, {"m", 1, 1, 1}));
  ASSERT_TRUE(book_->seal_now());
  ASSERT_TRUE(log_metric(id, {"m", 2, 2, 2}));
  EXPECT_TRUE(problems().empty());
  run_script("UPDATE metric_block SET body = substr(body, 1, length(body) - 1) || x'00'");
  run_script("UPDATE metric_summary SET body = x'01ff'");
  run_script("UPDATE metric_journal SET body = x'07'");
  run_script("INSERT INTO metric_journal (sequence, run, body) VALUES (100, 77, '[]')");
  const std::string restore = ": restore meta.db from a backup";
  EXPECT_EQ(problems(), (std::vector<std::string>{
                            "row 2 of the metric journal (run '" + id + "') cannot be read" + restore,
                            "row 100 of the metric journal belongs to no run" + restore,
                            "the latest metrics of run '" + id + "' cannot be read" + restore,
                            "metric 'm' of run '" + id +
                                "': a block of metric points is damaged: its sum does not match" + restore}));
  // The home opens all the same; what cannot be read is not made up.
  reopen();
  EXPECT_TRUE(book_->find(id)->metrics.empty());
  EXPECT_EQ(book_->history(id, "m", 0, 0).error().message,
            "a block of metric points is damaged: its sum does not match");
}

TEST(RecordMigration, MetricsOfAnOlderHomeAreCarriedOver) {
  const base::ManualClock clock(base::kDayUs);
  const store::ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "home");
  {
    std::vector<store::Migration> first = store::known_migrations();
    first.resize(1);
    const auto database = store::Database::open(scratch.path() / "home" / "meta.db", clock, first).value();
    ASSERT_TRUE(database->write([](store::Connection& connection) {
      return connection.run_script(
          "INSERT INTO experiment VALUES (1, 'flights', 'active', 5, 6);"
          "INSERT INTO run VALUES ('r1', 1, 'stray-heron-407', 'FINISHED', 'active', 7, 8);"
          "INSERT INTO run_param VALUES ('r1', 'depth', '6'); INSERT INTO run_tag VALUES ('r1', 'note', 'ü');"
          "INSERT INTO run_metric VALUES ('r1', 'auc', 1, 2, 0.1, 0), ('r1', 'auc', 2, 3, "
          "0.30000000000000004, 0),"
          " ('r1', 'big', 0, 3, 1.7976931348623157e308, 0), ('r1', 'nan', 0, 3, 0, 1);"
          "INSERT INTO lineage VALUES ('r1', 'input', 'snapshot', 'table/x', 'aa');");
    }));
  }
  const auto home = store::Home::open(scratch / "home", clock).value();
  const auto book = RunBook::open(*home, clock).value();
  for (int round = 0; round < 2; ++round) {
    const RunFacts run = book->find("r1").value();
    EXPECT_EQ(run.info.name, "stray-heron-407");
    EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/1/r1/artifacts");
    ASSERT_EQ(run.metrics.size(), 3u);
    EXPECT_EQ(run.metrics[0].value, 0.30000000000000004);
    EXPECT_EQ(run.metrics[1].value, std::numeric_limits<double>::max());
    EXPECT_TRUE(std::isnan(run.metrics[2].value));
    EXPECT_EQ(run.tags[0].value, "ü");
    EXPECT_EQ(book->history("r1", "auc", 0, 0)->points[0].value, 0.1);
    ASSERT_TRUE(book->seal_now());
  }
  EXPECT_EQ(find_experiment(*home, 0)->name, "Default");
}

}  // namespace
}  // namespace trimtab::registry
