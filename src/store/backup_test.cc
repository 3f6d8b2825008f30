#include "store/backup.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/file.h"
#include "store/fsck.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

namespace fs = std::filesystem;

const base::ManualClock kClock(base::kDayUs);

class BackupTest : public testing::Test {
 protected:
  BackupTest() : home_(Home::open(scratch_ / "home", kClock).value()) {
    blob_ = home_->blobs().put("a file").value();
    EXPECT_TRUE(home_->database().write([this](Connection& connection) {
      return connection.run_script("INSERT INTO artifact VALUES ('run/r', 'a', '" + blob_ + "', 6);");
    }));
    EXPECT_TRUE(base::make_folders(home_->log_folder() / "late"));
    std::ofstream(home_->log_folder() / "late" / "000000000000.seg") << "rows";
  }

  BackupReport back_up() {
    const Result<BackupReport> made = store::back_up(*home_, kClock, saved_);
    CHECK(made.has_value());
    return *made;
  }
  Error refused_restore() {
    const Result<BackupReport> restored = restore_to(saved_, scratch_ / "again");
    CHECK(!restored.has_value());
    return restored.error();
  }

  ScratchFolder scratch_;
  std::unique_ptr<Home> home_;
  std::string blob_;
  const fs::path saved_ = scratch_ / "saved";
};

TEST_F(BackupTest, BecomesAHomeWithTheSameContent) {
  const BackupReport made = back_up();
  EXPECT_EQ(made.blobs, 1);
  EXPECT_EQ(made.linked, 1);
  EXPECT_EQ(made.blob_bytes, 6u);
  EXPECT_EQ(made.log_bytes, 4u);
  EXPECT_FALSE(fs::exists(saved_ / "token"));
  const BackupReport restored = restore_to(saved_, scratch_ / "again").value();
  EXPECT_EQ(restored.bytes(), made.bytes());
  EXPECT_EQ(restored.made_at, base::kDayUs);
  const std::unique_ptr<Home> again = Home::open(scratch_ / "again", kClock).value();
  EXPECT_EQ(again->blobs().get(blob_).value(), "a file");
  EXPECT_EQ(base::read_file(again->log_folder() / "late" / "000000000000.seg").value(), "rows");
  FsckReport report;
  check_store(*again, report);
  EXPECT_EQ(report.problems, std::vector<std::string>());
  EXPECT_EQ(report.references, 1);
}

TEST_F(BackupTest, AMetricOfALoggedModelIsNoDamage) {
  EXPECT_TRUE(home_->database().write([](Connection& connection) {
    return connection.run_script(
        "INSERT INTO logged_model VALUES ('m-1', 0, 'm', '', '', 'x', 2, 0, 0, NULL);"
        "INSERT INTO logged_model_metric (model_id, key, run_id, dataset_name, dataset_digest, value,"
        " timestamp_ms, step) VALUES ('m-1', 'acc', 'r', '', '', 0.9, 7, 3);");
  }));
  back_up();
  ASSERT_TRUE(restore_to(saved_, scratch_ / "again"));
  const std::unique_ptr<Home> again = Home::open(scratch_ / "again", kClock).value();
  for (Home* home : {home_.get(), again.get()}) {
    FsckReport report;
    check_store(*home, report);
    EXPECT_EQ(report.problems, std::vector<std::string>());
  }
}

TEST_F(BackupTest, NothingIsOverwritten) {
  back_up();
  const auto again = store::back_up(*home_, kClock, saved_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
  EXPECT_EQ(again.error().message,
            "the target of the backup '" + saved_.string() + "' is not an empty folder");
  EXPECT_EQ(again.error().hint, "name a folder that is not there yet");
  ASSERT_TRUE(base::make_folders(scratch_ / "again" / "something"));
  EXPECT_EQ(refused_restore().message,
            "the home '" + (scratch_ / "again").string() + "' is not an empty folder");
}

TEST_F(BackupTest, InsideOfTheHomeItWouldSaveNothing) {
  const auto refused = store::back_up(*home_, kClock, home_->folder() / "saved");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "a backup inside of the home '" + home_->folder().string() + "' would save nothing");
}

TEST_F(BackupTest, WhatWasInterruptedIsNone) {
  back_up();
  fs::remove(saved_ / "backup.json");
  EXPECT_EQ(refused_restore().message, "'" + saved_.string() + "' is no whole backup: it has no backup.json");
}

TEST_F(BackupTest, WhatHasChangedSinceIsRefused) {
  back_up();
  fs::remove_all(saved_ / "blobs" / blob_.substr(0, 2));
  EXPECT_EQ(refused_restore().message, "the backup '" + saved_.string() +
                                           "' is not as it was made: it has 0 files in blobs/ instead of 1");
  std::ofstream(saved_ / "meta.db", std::ios::app) << "more";
  fs::remove_all(scratch_ / "again");
  EXPECT_EQ(refused_restore().message,
            "the backup '" + saved_.string() + "' is not as it was made: meta.db has another content");
  std::ofstream(saved_ / "backup.json") << "{}";
  fs::remove_all(scratch_ / "again");
  EXPECT_EQ(refused_restore().message,
            "'" + (saved_ / "backup.json").string() + "' is not of a backup that this Trimtab reads");
}

}  // namespace
}  // namespace trimtab::store
