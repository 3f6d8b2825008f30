#include "store/blobs.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

namespace fs = std::filesystem;

const std::string kAbsent(64, 'a');

class BlobsTest : public testing::Test {
 protected:
  fs::path stage(const std::string& name, const std::string& bytes) {
    fs::create_directories(scratch_ / "staging");
    const fs::path file = scratch_ / "staging" / name;
    EXPECT_TRUE(base::write_file_durably(file, bytes, 0600));
    return file;
  }
  // Changes one byte of a file as a bad disk would.
  static void flip(const fs::path& file) {
    fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    const char first = static_cast<char>(bytes.get());
    bytes.seekp(0);
    bytes.put(static_cast<char>(first ^ 1));
  }
  static unsigned mode(const fs::path& file) {
    struct stat facts{};
    EXPECT_EQ(::stat(file.c_str(), &facts), 0);
    return facts.st_mode & 0777;
  }

  ScratchFolder scratch_;
  Blobs blobs_{scratch_ / "blobs"};
};

TEST_F(BlobsTest, BytesComeBackUnderTheirHash) {
  const std::string bytes("\0any\xff bytes", 11);
  const std::string name = blobs_.put(bytes).value();
  EXPECT_EQ(name, base::sha256(bytes));
  EXPECT_EQ(blobs_.path(name), blobs_.folder() / name.substr(0, 2) / name);
  EXPECT_EQ(mode(blobs_.path(name)), 0444u);
  EXPECT_TRUE(blobs_.has(name));
  EXPECT_TRUE(blobs_.verify(name));
  EXPECT_EQ(blobs_.get(name).value(), bytes);
  EXPECT_EQ(blobs_.get(blobs_.put("").value()).value(), "");
}

TEST_F(BlobsTest, WhatIsThereIsNotWrittenAgain) {
  const fs::path file = blobs_.path(blobs_.put("bytes").value());
  struct stat before{}, after{};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  EXPECT_TRUE(blobs_.put("bytes"));
  EXPECT_TRUE(blobs_.put_file(stage("same", "bytes")));
  ASSERT_EQ(::stat(file.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  // Only its time is renewed, so that no sweep takes it from whoever has just put it.
  EXPECT_EQ(before.st_size, after.st_size);
  EXPECT_FALSE(fs::exists(scratch_ / "staging/same"));
  EXPECT_EQ(blobs_.list().size(), 1u);
}

TEST_F(BlobsTest, AStagedFileMovesIn) {
  const fs::path staged = stage("part", "rows");
  struct stat before{}, after{};
  ASSERT_EQ(::stat(staged.c_str(), &before), 0);
  const std::string name = blobs_.put_file(staged).value();
  EXPECT_EQ(name, base::sha256("rows"));
  EXPECT_FALSE(fs::exists(staged));
  EXPECT_EQ(mode(blobs_.path(name)), 0444u);
  ASSERT_EQ(::stat(blobs_.path(name).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);  // Moved, not copied.
}

TEST_F(BlobsTest, OnlyARegularFileMovesIn) {
  const fs::path target = stage("target", "rows");
  const fs::path link = scratch_ / "staging/link";
  fs::create_symlink(target, link);
  const auto refused = blobs_.put_file(link);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid);
  EXPECT_EQ(refused.error().message,
            "'" + link.string() + "' is no regular file, so it cannot become a blob");
  EXPECT_TRUE(fs::exists(target));
  const auto absent = blobs_.put_file(scratch_ / "staging/none");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
  EXPECT_EQ(absent.error().message,
            "there is no file '" + (scratch_ / "staging/none").string() + "' to keep");
}

TEST_F(BlobsTest, WhatIsNotThereIsNotFound) {
  for (const std::string& name : {kAbsent, std::string("../../etc/passwd"), std::string()}) {
    EXPECT_FALSE(blobs_.has(name));
    const auto got = blobs_.get(name);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::not_found);
    EXPECT_EQ(got.error().message, "there is no blob '" + name + "'");
    const auto verified = blobs_.verify(name);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, ErrorCode::not_found);
    EXPECT_EQ(verified.error().message, "there is no blob '" + name + "'");
  }
  EXPECT_TRUE(blobs_.list().empty());
}

TEST_F(BlobsTest, AFlippedByteIsFoundOut) {
  const std::string name = blobs_.put("precious").value();
  flip(blobs_.path(name));
  const auto got = blobs_.get(name);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(got.error().message,
            "blob '" + blobs_.path(name).string() + "' does not hold the bytes its name promises");
  EXPECT_EQ(got.error().hint, "restore it from a backup, or remove it: what made it makes it again");
  const auto verified = blobs_.verify(name);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::storage_broken);
}

TEST_F(BlobsTest, RemovingMakesRoomForTheSameBytes) {
  const std::string name = blobs_.put("bytes").value();
  flip(blobs_.path(name));
  EXPECT_TRUE(blobs_.remove(name));
  EXPECT_TRUE(blobs_.remove(name));
  EXPECT_FALSE(blobs_.has(name));
  EXPECT_TRUE(blobs_.put("bytes"));
  EXPECT_TRUE(blobs_.verify(name));
}

TEST_F(BlobsTest, TheListHoldsBlobsAndStraysTheRest) {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) names.push_back(blobs_.put(std::to_string(i)).value());
  std::sort(names.begin(), names.end());
  const fs::path half = blobs_.path(names[0]).parent_path() / ".tmp-0123";
  const fs::path misplaced = blobs_.path(names[0]).parent_path() / (std::string(62, '0') + "zz");
  const fs::path alien = blobs_.folder() / "notes.txt";
  for (const fs::path& file : {half, misplaced, alien}) std::ofstream(file) << "x";
  EXPECT_EQ(blobs_.list(), names);
  EXPECT_EQ(blobs_.strays().size(), 3u);
}

TEST_F(BlobsTest, ManyThreadsMayPutTheSameBytes) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this] {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(blobs_.put("bytes " + std::to_string(i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(blobs_.list().size(), 10u);
  EXPECT_TRUE(blobs_.strays().empty());
}

}  // namespace
}  // namespace trimtab::store
