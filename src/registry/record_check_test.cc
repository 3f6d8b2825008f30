// Each test breaks one invariant of the record behind the program's back, and expects the sentence that says
// so.
#include "registry/record_check.h"

#include "registry/record_world_test.h"

namespace trimtab::registry {
namespace {

class RecordCheckTest : public RecordWorld {
 protected:
  RecordCheckTest() {
    open_endpoint();
    enlist("second");
  }
  Words problems() {
    Words found;
    const Status checked = check_record(*home_, found);
    EXPECT_TRUE(checked) << base::render(checked.error());
    return found;
  }
  void expect(const std::string& broken_by, const Words& sentences) {
    tamper(broken_by);
    EXPECT_EQ(problems(), sentences);
  }
};

TEST_F(RecordCheckTest, AWholeRecordHasNoProblems) {
  EXPECT_EQ(problems(), Words{});
  ASSERT_TRUE(promote("late", 2));
  ASSERT_TRUE(promote("late", 1, "endpoint.roll_back"));
  ASSERT_TRUE(change_challenger(*home_, clock_, "late", 2, "heal", "shadow"));
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "counter", "late"));
  EXPECT_EQ(problems(), Words{});
}

TEST_F(RecordCheckTest, AChampionThatTheHistoryDoesNotKnow) {
  expect("UPDATE endpoint SET serving_version = 2; UPDATE model_alias SET version = 2",
         {"endpoint 'late' serves version 2, but the audit history names version 1: restore meta.db from a "
          "backup, "
          "or promote a version again"});
}

TEST_F(RecordCheckTest, AChampionThatIsGone) {
  expect("UPDATE endpoint SET serving_version = NULL; DELETE FROM model_alias",
         {"endpoint 'late' has no champion, but the audit history names version 1: restore meta.db from a "
          "backup, "
          "or promote a version again"});
}

TEST_F(RecordCheckTest, AChampionWhoseGatesRefusedIt) {
  expect("UPDATE model_version SET gates = 'refused' WHERE version = 1",
         {"endpoint 'late' serves version 1, whose gates are 'refused': promote a version that passed"});
}

TEST_F(RecordCheckTest, AnAliasThatSaysSomethingElse) {
  expect("UPDATE model_alias SET version = 2",
         {"endpoint 'late' serves version 1, but the alias 'champion' points at version 2"});
  expect("DELETE FROM model_alias",
         {"endpoint 'late' serves version 1, but the alias 'champion' is missing"});
}

TEST_F(RecordCheckTest, AnAliasOfAVersionThatIsNotReady) {
  expect(
      "UPDATE model_version SET status = 'FAILED_REGISTRATION' WHERE version = 1",
      {"alias 'champion' of model 'late' points at version 1, which is FAILED_REGISTRATION and not READY"});
}

TEST_F(RecordCheckTest, AFileThatIsAnother) {
  expect(
      "UPDATE artifact SET blob_sha256 = (SELECT blob_sha256 FROM artifact WHERE root = 'model/late/2' AND "
      "path = "
      "'model.txt') WHERE root = 'model/late/1' AND path = 'model.txt'",
      {"alias 'champion' of model 'late' points at version 1, whose file 'model.txt' is not the one that its "
       "manifest lists"});
}

TEST_F(RecordCheckTest, AManifestThatIsAnother) {
  expect(
      "UPDATE artifact SET blob_sha256 = (SELECT blob_sha256 FROM artifact WHERE root = 'model/late/2' AND "
      "path = "
      "'manifest.json') WHERE root = 'model/late/1' AND path = 'manifest.json'",
      {"alias 'champion' of model 'late' points at version 1, whose manifest is not the one that was "
       "registered: "
       "restore meta.db from a backup"});
}

TEST_F(RecordCheckTest, AFileThatIsNotThere) {
  ASSERT_TRUE(home_->blobs().remove(base::sha256("first")));
  EXPECT_EQ(problems(),
            Words{"alias 'champion' of model 'late' points at version 1, whose file 'model.txt' is not "
                  "there: restore blobs/ from a backup"});
}

TEST_F(RecordCheckTest, AManifestThatIsNotThere) {
  const std::string manifest = find_version(*home_, "late", 1).value().manifest_sha256;
  ASSERT_TRUE(home_->blobs().remove(manifest));
  const Words found = problems();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with(
      "alias 'champion' of model 'late' points at version 1, whose manifest cannot be read: "))
      << found[0];
}

TEST_F(RecordCheckTest, AVersionWithoutLineage) {
  expect(
      "DELETE FROM lineage WHERE direction = 'input' AND run_id = (SELECT run_id FROM model_version WHERE "
      "version = 2)",
      {"version 2 of model 'late' has no lineage: nothing says what it was trained on"});
}

TEST_F(RecordCheckTest, AVersionThatItsRunDidNotMake) {
  expect("UPDATE lineage SET sha256 = 'another' WHERE direction = 'output' AND name = 'late/2'",
         {"version 2 of model 'late' is not what the lineage of its run names as output"});
}

TEST_F(RecordCheckTest, AVersionAndARunOfDifferentSteps) {
  expect(
      "UPDATE run_tag SET value = 'another' WHERE key = 'trimtab.step_key' AND run = (SELECT number FROM run "
      "WHERE id = "
      "(SELECT run_id FROM model_version WHERE version = 2))",
      {"version 2 of model 'late' and its run do not name the same training step"});
}

TEST_F(RecordCheckTest, AVersionThatTheHistoryDoesNotKnow) {
  expect("DELETE FROM audit WHERE object = 'model/late/2'",
         {"version 2 of model 'late' has no audit row of its making"});
}

TEST_F(RecordCheckTest, AReadyVersionOfAnUnfinishedRun) {
  expect("UPDATE run SET status = 'RUNNING' WHERE id = (SELECT run_id FROM model_version WHERE version = 2)",
         {"version 2 of model 'late' is READY, but its run is RUNNING"});
}

TEST_F(RecordCheckTest, ARunThatIsRunningThoughItsLeaseIsOver) {
  const std::string run(32, 'b');
  tamper("INSERT INTO run (number, id, experiment_id, name, status, start_ms) SELECT 1 + max(number), '" +
         run +
         "', 0, 'n', 'RUNNING', 0 FROM run;"
         "INSERT INTO run_tag SELECT max(number), 'trimtab.lease', '10m' FROM run;"
         "INSERT INTO setting VALUES ('lease_look', '{\"time\":600000000,\"heartbeats\":{\"" +
         run + "\":0}}')");
  EXPECT_EQ(problems(), Words{});
  expect(
      "UPDATE setting SET value = replace(value, '600000000', '600000001') WHERE name = 'lease_look'",
      {"run '" + run +
       "' is RUNNING, but its lease of 10m was over at 1970-01-01T00:10:00.000001Z: start the server, or end "
       "the run"});
}

TEST_F(RecordCheckTest, WhatIsLeftOfSomethingThatIsGone) {
  expect(
      "INSERT INTO artifact SELECT 'model/late/9', path, blob_sha256, size FROM artifact WHERE root = "
      "'model/late/1' LIMIT 1",
      {"the files of 'model/late/9' belong to no version: restore meta.db from a backup"});
  tamper("DELETE FROM artifact WHERE root = 'model/late/9'");
  expect("INSERT INTO logged_model VALUES ('m-1', 99, 'n', '', '', 'l', 2, 0, 0, NULL)",
         {"logged model 'm-1' is of experiment 99, which does not exist: restore meta.db from a backup"});
}

}  // namespace
}  // namespace trimtab::registry
