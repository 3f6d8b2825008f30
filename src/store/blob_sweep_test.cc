#include "store/blob_sweep.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

const base::ManualClock kClock(100 * base::kDayUs);

class BlobSweepTest : public testing::Test {
 protected:
  BlobSweepTest() : home_(Home::open(scratch_ / "home", kClock).value()) {}

  std::string put(const std::string& bytes) { return home_->blobs().put(bytes).value(); }
  void run(const std::string& sql) {
    const Status done =
        home_->database().write([&](Connection& connection) { return connection.run_script(sql); });
    ASSERT_TRUE(done) << done.error().message;
  }
  void add_artifact(const std::string& root, const std::string& path, const std::string& sha256) {
    run("INSERT INTO artifact VALUES ('" + root + "', '" + path + "', '" + sha256 + "', 1)");
  }
  void add_result(const std::string& key, const std::string& blob, int finished_day) {
    run("INSERT INTO step_result VALUES ('" + key +
        "', 'ingest', 'x', 'done', '{\"files\":{\"a\":{\"blob\":\"" + blob + "\",\"size\":1}}}', '{}', '', " +
        std::to_string(finished_day * base::kDayUs) + ")");
  }
  SweepReport sweep(const SweepOptions& options = {}) {
    const Result<SweepReport> report = sweep_blobs(*home_, options);
    EXPECT_TRUE(report) << report.error().message;
    return *report;
  }

  ScratchFolder scratch_;
  std::unique_ptr<Home> home_;
};

TEST_F(BlobSweepTest, WhatNothingNamesGoesAndWhatSomethingNamesStays) {
  const std::string unused = put("nobody knows me");
  const std::string file = put("a file of a run");
  add_artifact("run/r", "a.txt", file);
  const SweepReport report = sweep();
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_removed, 15u);
  EXPECT_EQ(report.blobs_kept, 1);
  EXPECT_FALSE(home_->blobs().has(unused));
  EXPECT_TRUE(home_->blobs().has(file));
  EXPECT_EQ(sweep().blobs_removed, 0);
}

TEST_F(BlobSweepTest, ABlobWithTwoNamesStaysUntilBothAreGone) {
  const std::string file = put("shared");
  add_artifact("run/a", "x", file);
  add_artifact("run/b", "x", file);
  run("DELETE FROM artifact WHERE root = 'run/a'");
  EXPECT_EQ(sweep().blobs_removed, 0);
  run("DELETE FROM artifact WHERE root = 'run/b'");
  EXPECT_EQ(sweep().blobs_removed, 1);
}

TEST_F(BlobSweepTest, AManifestKeepsItsPartsAndNotTheSnapshotThatItGrewFrom) {
  const std::string part = put("part");
  const std::string old_part = put("old part");
  const std::string parent = put(R"({"parts":[{"blob":")" + old_part + R"("}]})");
  const std::string manifest =
      put(R"({"parts":[{"blob":")" + part + R"("}],"parent_sha256":")" + parent + R"("})");
  run("INSERT INTO dataset VALUES ('p', 'table/t', '" + manifest + "', 1, 1)");
  EXPECT_EQ(sweep().blobs_removed, 2);
  EXPECT_TRUE(home_->blobs().has(part));
  EXPECT_TRUE(home_->blobs().has(manifest));
  EXPECT_FALSE(home_->blobs().has(parent));
}

TEST_F(BlobSweepTest, AFileOfAnArtifactNamesNothing) {
  const std::string other = put("other");
  add_artifact("run/a", "notes.json", put("{\"see\":\"" + other + "\"}"));
  EXPECT_EQ(sweep().blobs_removed, 1);
}

TEST_F(BlobSweepTest, WhatAnIncidentNamesStays) {
  const std::string candidate = put("candidate");
  run("INSERT INTO incident VALUES (1, 'late', 'closed', 's', 1, 2);"
      "INSERT INTO incident_event VALUES (1, 1, 1, 'verdict', '{\"candidate\":\"" +
      candidate + "\"}')");
  EXPECT_EQ(sweep().blobs_removed, 0);
}

TEST_F(BlobSweepTest, OldResultsThatNobodyNeedsAreForgotten) {
  const std::string old_file = put("old");
  const std::string young_file = put("young");
  const std::string used_file = put("used");
  add_result("old", old_file, 10);
  add_result("young", young_file, 90);
  add_result("used", used_file, 10);
  add_artifact("model/m/1", "booster.txt", used_file);
  EXPECT_EQ(sweep().results_removed, 0);
  const SweepReport report = sweep({.results_before = 50 * base::kDayUs});
  EXPECT_EQ(report.results_removed, 1);
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_FALSE(home_->blobs().has(old_file));
  EXPECT_TRUE(home_->blobs().has(young_file));
  EXPECT_TRUE(home_->blobs().has(used_file));
}

TEST_F(BlobSweepTest, WhatWasPutAMomentAgoWaits) {
  const std::string file = put("on its way");
  const SweepReport report = sweep({.young_us = base::kHourUs});
  EXPECT_EQ(report.blobs_removed, 0);
  EXPECT_EQ(report.blobs_young, 1);
  const timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, home_->blobs().path(file).c_str(), long_ago, 0), 0);
  put("on its way");  // Once more: it is young again.
  EXPECT_EQ(sweep({.young_us = base::kHourUs}).blobs_removed, 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, home_->blobs().path(file).c_str(), long_ago, 0), 0);
  EXPECT_EQ(sweep({.young_us = base::kHourUs}).blobs_removed, 1);
}

TEST_F(BlobSweepTest, ADryRunSaysTheSameAndRemovesNothing) {
  add_artifact("run/a", "x", put("going"));
  add_artifact("run/b", "x", put("staying"));
  const SweepReport report = sweep({.roots_going = {"run/a"}, .dry_run = true});
  EXPECT_EQ(report.blobs_removed, 1);
  EXPECT_EQ(report.bytes_removed, 5u);
  EXPECT_EQ(home_->blobs().list().size(), 2u);
}

TEST_F(BlobSweepTest, TheDatabaseGivesItsFreePagesBack) {
  for (int i = 0; i < 200; ++i) {
    run("INSERT INTO setting VALUES ('big" + std::to_string(i) + "', '" + std::string(20'000, 'x') + "')");
  }
  run("DELETE FROM setting WHERE name LIKE 'big%'");
  const Database::Compaction done = home_->database().compact().value();
  EXPECT_GT(done.bytes_before, 4'000'000u);
  EXPECT_LT(done.bytes_after, 1'000'000u);
  run("INSERT INTO setting VALUES ('after', 'x')");
  EXPECT_TRUE(home_->database().check_integrity());
}

}  // namespace
}  // namespace trimtab::store
