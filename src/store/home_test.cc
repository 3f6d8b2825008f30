#include "store/home.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/hash.h"
#include "base/json.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

namespace fs = std::filesystem;

const base::ManualClock kClock(1'000'000);

unsigned mode(const fs::path& file) {
  struct stat facts{};
  EXPECT_EQ(::stat(file.c_str(), &facts), 0) << file;
  return facts.st_mode & 0777;
}

class HomeTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Home>> try_open() { return Home::open(folder_, kClock); }
  std::unique_ptr<Home> open() {
    Result<std::unique_ptr<Home>> home = try_open();
    EXPECT_TRUE(home) << (home ? "" : home.error().message);
    return home ? *std::move(home) : nullptr;
  }
  void expect_locked(const std::string& by) {
    const auto refused = try_open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::home_locked);
    EXPECT_EQ(refused.error().message, "the home '" + folder_.string() + "' is in use by " + by);
    EXPECT_EQ(refused.error().hint, "stop that process, or use --home with another folder");
  }

  ScratchFolder scratch_;
  fs::path folder_ = scratch_ / "deep/.trimtab";
};

TEST_F(HomeTest, AFirstOpenMakesEverythingAndKeepsItPrivate) {
  const auto home = open();
  EXPECT_EQ(mode(folder_), 0700u);
  EXPECT_EQ(mode(folder_ / "token"), 0600u);
  EXPECT_EQ(mode(folder_ / "lock"), 0600u);
  EXPECT_TRUE(base::is_sha256(home->token()));  // 64 hexadecimal digits.
  EXPECT_EQ(read_token(folder_).value(), home->token());
  EXPECT_TRUE(fs::is_directory(folder_ / "blobs"));
  EXPECT_TRUE(fs::is_directory(folder_ / "staging"));
  EXPECT_TRUE(fs::is_directory(home->log_folder()));
  EXPECT_TRUE(fs::exists(folder_ / "meta.db"));
  EXPECT_EQ(home->epoch(), 1);
}

TEST_F(HomeTest, EachOpenRaisesTheEpochAndKeepsTheToken) {
  std::string token = open()->token();
  const auto home = open();
  EXPECT_EQ(home->epoch(), 2);
  EXPECT_EQ(home->token(), token);
}

TEST_F(HomeTest, AFolderWithATrailingSlashIsTheSameHome) {
  folder_ = scratch_ / "slash/";
  const auto home = open();
  EXPECT_EQ(mode(scratch_ / "slash"), 0700u);
  EXPECT_TRUE(fs::exists(scratch_ / "slash/meta.db"));
}

TEST_F(HomeTest, ASecondOpenInTheSameProcessIsRefused) {
  const auto home = open();
  expect_locked("process " + std::to_string(::getpid()));
  EXPECT_TRUE(home->publish_address("127.0.0.1", 7700));
  expect_locked("process " + std::to_string(::getpid()) + ", which serves at http://127.0.0.1:7700");
  EXPECT_TRUE(home->publish_address("::1", 7701));
  expect_locked("process " + std::to_string(::getpid()) + ", which serves at http://[::1]:7701");
}

TEST_F(HomeTest, AnotherProcessIsRefusedUntilTheOwnerIsGone) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto home = open();
    const bool ready = home && home->publish_address("127.0.0.1", 7711) && ::write(ends[1], "r", 1) == 1;
    while (ready) ::pause();
    std::_Exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  expect_locked("process " + std::to_string(child) + ", which serves at http://127.0.0.1:7711");
  const auto server = find_server(folder_);
  ASSERT_TRUE(server);
  EXPECT_EQ(server->process_id, child);
  EXPECT_EQ(server->port, 7711);

  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(folder_ / "server.json"));  // Left by the killed owner, and nobody believes it.
  EXPECT_FALSE(find_server(folder_));
  const auto home = open();
  EXPECT_EQ(home->epoch(), 2);
  EXPECT_FALSE(fs::exists(folder_ / "server.json"));
}

TEST_F(HomeTest, TheAddressIsPublishedPrivatelyAndTakenBack) {
  EXPECT_FALSE(find_server(folder_));
  auto home = open();
  EXPECT_FALSE(find_server(folder_));
  EXPECT_TRUE(home->publish_address("127.0.0.1", 7700));
  EXPECT_EQ(mode(folder_ / "server.json"), 0600u);
  const auto server = find_server(folder_);
  ASSERT_TRUE(server);
  EXPECT_EQ(server->host, "127.0.0.1");
  EXPECT_EQ(server->port, 7700);
  EXPECT_EQ(server->epoch, 1);
  EXPECT_EQ(server->process_id, ::getpid());
  home.reset();
  EXPECT_FALSE(fs::exists(folder_ / "server.json"));
  EXPECT_FALSE(find_server(folder_));
}

TEST_F(HomeTest, LookingForTheServerDoesNotKeepAnOwnerOut) {
  open().reset();
  std::atomic<bool> stop = false;
  std::thread looking([&] {
    while (!stop) {
      std::ofstream(folder_ / "server.json") << R"({"host":"127.0.0.1","port":1,"epoch":1,"process_id":1})";
      EXPECT_FALSE(find_server(folder_));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(open());
  stop = true;
  looking.join();
}

TEST_F(HomeTest, GarbageInServerJsonIsNoServer) {
  const auto home = open();
  for (const char* text : {"", "{", "[]", R"({"host":"","port":7700})", R"({"host":"h","port":0})"}) {
    std::ofstream(folder_ / "server.json") << text;
    EXPECT_FALSE(find_server(folder_)) << text;
    expect_locked("process " + std::to_string(::getpid()));
  }
}

TEST_F(HomeTest, OpeningClearsWhatACrashLeft) {
  open().reset();
  const fs::path shard = folder_ / "blobs/ab";
  fs::create_directories(shard);
  fs::create_directories(folder_ / "staging/train-1");
  for (const char* name : {"staging/train-1/model", "blobs/ab/.tmp-1", ".tmp-2", "blobs/notes.txt"}) {
    std::ofstream(folder_ / name) << "x";
  }
  const auto home = open();
  EXPECT_TRUE(fs::is_empty(folder_ / "staging"));
  EXPECT_FALSE(fs::exists(shard / ".tmp-1"));
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-2"));
  EXPECT_TRUE(fs::exists(folder_ / "blobs/notes.txt"));  // Not ours to delete.
}

TEST_F(HomeTest, StagingIsFreshPrivateAndOnTheBlobsDisk) {
  const auto home = open();
  const fs::path first = home->make_staging("train").value();
  const fs::path second = home->make_staging("train").value();
  EXPECT_NE(first, second);
  EXPECT_EQ(mode(first), 0700u);
  std::ofstream(first / "model") << "tree";
  EXPECT_TRUE(home->blobs().put_file(first / "model"));
}

TEST_F(HomeTest, ATokenThatIsNoneIsRefused) {
  const auto none = read_token(folder_);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_EQ(none.error().message, "there is no home with a token at '" + folder_.string() + "'");
  EXPECT_EQ(none.error().hint, "`trimtab apply` or `trimtab serve` makes one");

  open().reset();
  std::ofstream(folder_ / "token") << "secret";
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(refused.error().message,
            "'" + (folder_ / "token").string() + "' does not hold a token of 64 hexadecimal digits");
  EXPECT_EQ(refused.error().hint, "remove the file; the next start writes a new one");
  // A refused open lets the lock go.
  fs::remove(folder_ / "token");
  EXPECT_TRUE(open());
}

TEST_F(HomeTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(scratch_ / "file") << "x";
  folder_ = scratch_ / "file";
  const auto refused = try_open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(refused.error().message, "cannot make the folder '" + folder_.string() + "': File exists");
}

}  // namespace
}  // namespace trimtab::store
