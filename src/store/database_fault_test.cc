// The database on a disk that fails: full, lying, without power. SQLite's own door to the system is wrapped,
// so that a test can make any fsync fail and can see what was on the disk at the last one.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/database.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

namespace fs = std::filesystem;

const base::ManualClock kClock(1'000'000);

// The system's own VFS with another fsync. Files opened through it behave as always until a test says
// otherwise.
class FaultyDisk {
 public:
  FaultyDisk() {
    only_ = this;
    ::sqlite3_initialize();
    real_ = ::sqlite3_vfs_find(nullptr);
    faulty_ = *real_;
    faulty_.zName = "faulty";
    faulty_.xOpen = open;
    ::sqlite3_vfs_register(&faulty_, 1);
  }
  ~FaultyDisk() {
    ::sqlite3_vfs_register(real_, 1);
    ::sqlite3_vfs_unregister(&faulty_);
    only_ = nullptr;
  }

  void fail_syncs(bool fail) { failing_ = fail; }
  int syncs() const { return syncs_; }
  // From now on each fsync keeps what it made durable.
  void remember_durable() { remembering_ = true; }
  // Puts what the disk would hold of the folder `from` after a power loss into `to`. What was written since
  // the last fsync is gone, as on the harshest disk; a deleted file stays deleted, for SQLite syncs the
  // folder.
  void lose_power(const fs::path& from, const fs::path& to) {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, bytes] : durable_) {
      const fs::path path = name;
      if (path.parent_path() != from || !fs::exists(path)) continue;
      std::ofstream(to / path.filename(), std::ios::binary) << bytes;
    }
  }

 private:
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
    const int code = only_->real_->xOpen(only_->real_, name, file, flags, flags_out);
    if (code != SQLITE_OK) return code;
    const std::lock_guard lock(only_->mutex_);
    only_->real_sync_ = file->pMethods->xSync;
    only_->paths_[file] = name == nullptr ? "" : name;
    // Files with locks have other methods than files without.
    sqlite3_io_methods& methods = only_->methods_[file->pMethods];
    methods = *file->pMethods;
    methods.xSync = sync;
    file->pMethods = &methods;
    return code;
  }

  static int sync(sqlite3_file* file, int flags) {
    ++only_->syncs_;
    if (only_->failing_) return SQLITE_IOERR_FSYNC;
    const int code = only_->real_sync_.load()(file, flags);
    const std::lock_guard lock(only_->mutex_);
    if (only_->remembering_) {
      const std::string& path = only_->paths_[file];
      only_->durable_[path] = base::read_file(path).value();
    }
    return code;
  }

  static inline FaultyDisk* only_ = nullptr;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs faulty_{};
  std::atomic<bool> failing_ = false;
  std::atomic<bool> remembering_ = false;
  std::atomic<int> syncs_ = 0;
  std::mutex mutex_;
  std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;  // Guarded by mutex_.
  std::atomic<int (*)(sqlite3_file*, int)> real_sync_ = nullptr;     // The same for all files.
  std::map<sqlite3_file*, std::string> paths_;                       // Guarded by mutex_.
  std::map<std::string, std::string> durable_;                       // Guarded by mutex_.
};

std::unique_ptr<Database> open_at(const fs::path& file) {
  Result<std::unique_ptr<Database>> database = Database::open(file, kClock);
  EXPECT_TRUE(database) << (database ? "" : database.error().message);
  return database ? *std::move(database) : nullptr;
}

Status put(Database& database, const std::string& name, const std::string& value) {
  return database.write([&](Connection& connection) {
    return connection.prepare("INSERT INTO setting (name, value) VALUES (?, ?)").with(name, value).run();
  });
}

std::int64_t count(Database& database) {
  std::int64_t rows = -1;
  EXPECT_TRUE(database.read([&](Connection& connection) -> Status {
    Statement row = connection.prepare("SELECT count(*) FROM setting");
    EXPECT_TRUE(TRY(row.step()));
    rows = row.integer(0);
    return {};
  }));
  return rows;
}

TEST(DatabaseFault, AFailedFsyncStopsAllWritesForGoodAndReadsGoOn) {
  const ScratchFolder scratch;
  const fs::path file = scratch / "meta.db";
  FaultyDisk disk;
  auto database = open_at(file);
  ASSERT_TRUE(put(*database, "before", "x"));

  disk.fail_syncs(true);
  const Status first = put(*database, "lost", "x");
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(first.error().message, "'" + file.string() + "' cannot be read or written: disk I/O error");
  EXPECT_EQ(first.error().hint, "check the disk and the permissions of its folder, then start again");

  // The disk works again, but nobody knows what it has forgotten: nothing is tried any more.
  disk.fail_syncs(false);
  const int syncs = disk.syncs();
  const Status second = put(*database, "later", "x");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(second.error().message, "'" + file.string() + "' takes no writes since one of them failed");
  EXPECT_EQ(second.error().hint, "check the disk, then start again; what was acknowledged is kept");
  ASSERT_TRUE(second.error().cause);
  EXPECT_EQ(second.error().cause->message, first.error().message);
  EXPECT_EQ(disk.syncs(), syncs);
  EXPECT_EQ(count(*database), 1);

  database.reset();
  database = open_at(file);
  EXPECT_TRUE(put(*database, "after", "x"));
  EXPECT_TRUE(database->check_integrity());
}

TEST(DatabaseFault, EveryWriteOfAGroupThatFailsIsRefused) {
  const ScratchFolder scratch;
  FaultyDisk disk;
  auto database = open_at(scratch / "meta.db");
  std::promise<void> let_go;
  std::vector<Status> outcomes;
  const auto remember = [&](Status status) { outcomes.push_back(std::move(status)); };
  database->submit(
      [&](Connection&) -> Status {
        let_go.get_future().wait();
        return {};
      },
      [](Status) {});
  for (int i = 0; i < 5; ++i) {
    // The third says no by itself; the one that it collided with is lost with it.
    const std::string name = i == 2 ? "0" : std::to_string(i);
    database->submit(
        [name](Connection& connection) {
          return connection.prepare("INSERT INTO setting (name, value) VALUES (?, 'x')").with(name).run();
        },
        remember);
  }
  disk.fail_syncs(true);
  let_go.set_value();
  database.reset();
  ASSERT_EQ(outcomes.size(), 5u);
  for (const Status& outcome : outcomes) {
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::storage_broken);
  }
}

TEST(DatabaseFault, WhatWasAcknowledgedSurvivesAPowerLoss) {
  const ScratchFolder scratch;
  const ScratchFolder after;
  FaultyDisk disk;
  disk.remember_durable();
  auto database = open_at(scratch / "meta.db");
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(put(*database, std::to_string(i), std::string(2'000, 'x')));
    if (i % 20 != 19) continue;
    const fs::path folder = after / std::to_string(i);
    fs::create_directory(folder);
    disk.lose_power(scratch.path(), folder);
    const auto restarted = open_at(folder / "meta.db");
    EXPECT_EQ(count(*restarted), i + 1);
    EXPECT_TRUE(restarted->check_integrity());
  }
}

// A file system of its own that is soon full. Only root may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& folder) : folder_(folder) {
    fs::create_directory(folder_);
    mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  void fill() { std::ofstream(folder_ / "filler", std::ios::binary) << std::string(8'000'000, 'f'); }
  void make_room() { fs::remove(folder_ / "filler"); }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

void expect_full(const Status& status, const fs::path& file) {
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::storage_full) << status.error().message;
  EXPECT_EQ(status.error().message, "no space is left to write '" + file.string() + "'");
  EXPECT_EQ(status.error().hint, "free space on its disk and try again; nothing needs a restart");
}

TEST(DatabaseFault, AFullDiskRefusesWritesAndRecoversByItself) {
  const ScratchFolder scratch;
  SmallDisk disk(scratch / "disk");
  if (!disk.mounted())
    GTEST_SKIP() << "mounting a small disk needs root; the file size limit is tested instead";
  const fs::path file = scratch / "disk/meta.db";
  auto database = open_at(file);
  ASSERT_TRUE(put(*database, "before", "x"));
  for (int round = 0; round < 3; ++round) {
    const std::string name = std::to_string(round);
    disk.fill();
    expect_full(put(*database, name, std::string(100'000, 'x')), file);
    expect_full(put(*database, name, std::string(100'000, 'x')), file);
    EXPECT_EQ(count(*database), round + 1);
    disk.make_room();
    EXPECT_TRUE(put(*database, name, std::string(100'000, 'x')));
    EXPECT_EQ(count(*database), round + 2);
  }
  EXPECT_TRUE(database->check_integrity());
  database.reset();
  EXPECT_EQ(count(*open_at(file)), 4);
}

TEST(DatabaseFault, OneWriteLargerThanTheDiskIsRefusedAndTheNextGoesThrough) {
  const ScratchFolder scratch;
  const SmallDisk disk(scratch / "disk");
  if (!disk.mounted())
    GTEST_SKIP() << "mounting a small disk needs root; the file size limit is tested instead";
  const fs::path file = scratch / "disk/meta.db";
  auto database = open_at(file);
  // Larger than the page cache too, so that the disk is found full in the middle of the work.
  expect_full(put(*database, "large", std::string(30'000'000, 'x')), file);
  EXPECT_TRUE(put(*database, "small", "x"));
  EXPECT_EQ(count(*database), 1);
  EXPECT_TRUE(database->check_integrity());
}

TEST(DatabaseFault, OpeningOnAFullDiskSaysSo) {
  const ScratchFolder scratch;
  SmallDisk disk(scratch / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a small disk needs root";
  const fs::path file = scratch / "disk/meta.db";
  disk.fill();
  const auto opened = Database::open(file, kClock);
  ASSERT_FALSE(opened);
  expect_full(fail(opened.error()), file);
  disk.make_room();
  EXPECT_TRUE(put(*open_at(file), "now", "x"));
}

// The limit of `ulimit -f` needs no rights, yet it holds for a whole process: so a child of its own.
TEST(DatabaseFault, AFileSizeLimitIsAFullDiskToo) {
  const ScratchFolder scratch;
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const auto limit_files = [](rlim_t bytes) {
      const rlimit limit{bytes, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &limit);
    };
    const fs::path file = scratch / "meta.db";
    auto database = open_at(file);
    const std::string large(4'000'000, 'x');
    limit_files(2'000'000);
    expect_full(put(*database, "refused", large), file);
    EXPECT_TRUE(put(*database, "small", "x"));
    limit_files(RLIM_INFINITY);
    EXPECT_TRUE(put(*database, "large", large));
    EXPECT_EQ(count(*database), 2);
    EXPECT_TRUE(database->check_integrity());
    database.reset();
    std::_Exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace trimtab::store
