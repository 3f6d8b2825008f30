#include "store/fsck.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/audit.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

namespace fs = std::filesystem;

const base::ManualClock kClock(1'000'000);

class FsckTest : public testing::Test {
 protected:
  FsckTest() : home_(Home::open(scratch_ / "home", kClock).value()) {
    model_ = home_->blobs().put("model").value();
    manifest_ = home_->blobs().put("manifest").value();
    rows_ = home_->blobs().put("rows").value();
    metrics_ = home_->blobs().put("metrics").value();
    EXPECT_TRUE(
        home_->database().write([this](Connection& connection) -> Status { return fill(connection); }));
  }

  Status fill(Connection& connection) {
    TRY(append_audit(connection, 1, "cli", "project.apply", "project/flights", "{}"));
    TRY(append_audit(connection, 2, "cli", "model_version.create", "model/late/1", "{}"));
    TRY(connection.run_script(
        "INSERT INTO experiment (id, name, created_ms, updated_ms) VALUES (1, 'flights', 0, 0);"
        "INSERT INTO run (id, experiment_id, name, status, start_ms)"
        " VALUES ('r1', 1, 'r', 'FINISHED', 0);"
        "INSERT INTO registered_model VALUES ('late', 'flights', '', 0, 0);"));
    TRY(connection.prepare("INSERT INTO artifact VALUES ('run/r1', 'model.txt', ?, 5)").with(model_).run());
    TRY(connection.prepare("INSERT INTO dataset VALUES ('flights', 'source/flights', ?, 1, 0)")
            .with(rows_)
            .run());
    TRY(connection
            .prepare("INSERT INTO model_version (model, version, run_id, step_key, status, manifest_sha256, "
                     "gates, "
                     "created_ms, updated_ms, source, location)"
                     " VALUES ('late', 1, 'r1', 'key', 'READY', ?, 'passed', 0, 0, 'x', 'x')")
            .with(manifest_)
            .run());
    const std::string outputs = R"({"rows":3,"parts":[{"blob":")" + rows_ +
                                R"(","size":4}],"metrics":{"blob":")" + metrics_ + R"("}})";
    return connection
        .prepare("INSERT INTO step_result VALUES (?, 'train', 'train late', 'done', ?, '{}', '', 0)")
        .with(std::string(64, '5'), outputs)
        .run();
  }

  FsckReport check(FsckOptions options = {}) {
    FsckReport report;
    check_store(*home_, report, options);
    return report;
  }
  void expect_problems(const std::vector<std::string>& problems) { EXPECT_EQ(check().problems, problems); }
  void lose(const std::string& sha256) { EXPECT_TRUE(home_->blobs().remove(sha256)); }
  void flip(const std::string& sha256) {
    const fs::path file = home_->blobs().path(sha256);
    fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(file, std::ios::binary | std::ios::in) << "M";
  }

  ScratchFolder scratch_;
  std::unique_ptr<Home> home_;
  std::string model_, manifest_, rows_, metrics_;
};

TEST_F(FsckTest, AHealthyHomeHasNoProblems) {
  const FsckReport report = check();
  EXPECT_EQ(report.problems, std::vector<std::string>());
  EXPECT_EQ(report.audit_rows, 2);
  EXPECT_EQ(report.references, 5);
  EXPECT_EQ(report.blobs, 4);
  EXPECT_EQ(report.blob_bytes, 5u + 8u + 4u + 7u);
}

TEST_F(FsckTest, AMissingBlobIsNamedByWhoeverNeedsIt) {
  const auto needs = [](const std::string& who, const std::string& sha256) {
    return who + " needs blob '" + sha256 + "', which is not there: restore blobs/ from a backup";
  };
  lose(model_);
  lose(manifest_);
  lose(rows_);
  lose(metrics_);
  const std::string step = "the result of step 'train late' (555555555555…)";
  expect_problems({needs("file 'model.txt' of 'run/r1'", model_),
                   needs("dataset 'source/flights' of project 'flights'", rows_),
                   needs("version 1 of model 'late'", manifest_), needs(step, rows_), needs(step, metrics_)});
}

TEST_F(FsckTest, ADamagedBlobIsNamedUnlessInAHurry) {
  flip(model_);
  expect_problems(
      {"blob '" + home_->blobs().path(model_).string() +
       "' does not hold the bytes its name promises: restore it from a backup, or remove it: what "
       "made it makes it again"});
  const FsckReport quick = check({.quick = true});
  EXPECT_EQ(quick.problems, std::vector<std::string>());
  EXPECT_EQ(quick.blobs, 4);
  EXPECT_EQ(quick.blob_bytes, 0u);
}

TEST_F(FsckTest, ATemporaryFileIsNamed) {
  const fs::path file = home_->blobs().path(model_).parent_path() / ".tmp-1";
  std::ofstream(file) << "half";
  expect_problems(
      {"'" + file.string() + "' is no blob: remove it, unless a write is going on at this moment"});
}

TEST_F(FsckTest, ABrokenHistoryIsNamed) {
  EXPECT_TRUE(home_->database().write([](Connection& connection) {
    return connection.run_script("UPDATE audit SET actor = 'x' WHERE sequence = 1");
  }));
  expect_problems(
      {"audit row 1 was changed after it was written: its hash does not match: the history was changed "
       "outside Trimtab; restore meta.db from a backup that has the row"});
}

TEST_F(FsckTest, AnUnreadableResultIsNamed) {
  EXPECT_TRUE(home_->database().write([](Connection& connection) {
    return connection.run_script("UPDATE step_result SET outputs_json = '{'");
  }));
  expect_problems(
      {"the result of step 'train late' (555555555555…) is not JSON: delete its row in step_result, the "
       "step runs again"});
}

TEST_F(FsckTest, ADanglingReferenceIsNamed) {
  home_.reset();
  // As a program would that does not enforce references.
  sqlite3* other = nullptr;
  ASSERT_EQ(::sqlite3_open((scratch_ / "home/meta.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(::sqlite3_exec(other, "DELETE FROM registered_model", nullptr, nullptr, nullptr), SQLITE_OK);
  ::sqlite3_close(other);
  home_ = Home::open(scratch_ / "home", kClock).value();
  expect_problems(
      {"table model_version refers to rows of registered_model that are not there (1 times): restore meta.db "
       "from a backup"});
}

}  // namespace
}  // namespace trimtab::store
