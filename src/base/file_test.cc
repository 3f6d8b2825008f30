#include "base/file.h"

#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"

namespace trimtab::base {
namespace {

namespace fs = std::filesystem;

// Every test has a folder of its own.
class FileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(make_folders(folder_)); }
  void TearDown() override { EXPECT_TRUE(remove_tree(folder_)); }

  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / random_id();
};

TEST_F(FileTest, ReadsBackWhatWasWritten) {
  const std::string bytes = std::string("a\0b\n", 4) + std::string(3'000'000, 'x');
  ASSERT_TRUE(write_file_durably(folder_ / "a", bytes));
  EXPECT_EQ(read_file(folder_ / "a"), bytes);
  ASSERT_TRUE(write_file_durably(folder_ / "a", ""));
  EXPECT_EQ(read_file(folder_ / "a"), "");
  EXPECT_EQ(files(), 1U) << "a temporary file stayed behind";
}

TEST_F(FileTest, TheModeDoesNotDependOnTheUmask) {
  const mode_t before = ::umask(077);
  const Status written = write_file_durably(folder_ / "a", "x", 0664);
  ::umask(before);
  ASSERT_TRUE(written);
  struct stat facts{};
  ASSERT_EQ(::stat((folder_ / "a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0664U);
}

TEST_F(FileTest, TheLongestNameCanBeWritten) {
  EXPECT_TRUE(write_file_durably(folder_ / std::string(255, 'n'), "x"));
}

TEST_F(FileTest, AFailedWriteLeavesNothingBehind) {
  ASSERT_TRUE(make_folders(folder_ / "taken"));
  EXPECT_FALSE(write_file_durably(folder_ / "taken", "x"));
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(write_file_durably(folder_ / "no" / "such", "x").error().code, ErrorCode::not_found);
}

TEST_F(FileTest, AFullDiskIsSaidToBeFull) {
  EXPECT_EQ(errno_error(ENOSPC, "cannot write").code, ErrorCode::storage_full);
  EXPECT_EQ(errno_error(EDQUOT, "cannot write").code, ErrorCode::storage_full);
  EXPECT_EQ(errno_error(ENOENT, "cannot open").code, ErrorCode::not_found);
  EXPECT_EQ(errno_error(EIO, "cannot write").code, ErrorCode::storage_broken);
  EXPECT_EQ(errno_error(EIO, "cannot write").message, "cannot write: Input/output error");
}

TEST_F(FileTest, ReadingKeepsToItsLimit) {
  ASSERT_TRUE(write_file_durably(folder_ / "a", "12345"));
  EXPECT_EQ(read_file(folder_ / "a", 5), "12345");
  EXPECT_EQ(read_file(folder_ / "a", 4).error().code, ErrorCode::too_large);
  // A file whose size is not known beforehand.
  EXPECT_EQ(read_file("/proc/self/status", 10).error().code, ErrorCode::too_large);
  EXPECT_TRUE(read_file("/proc/self/status")->starts_with("Name:"));
}

TEST_F(FileTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(read_file(folder_ / "none").error().code, ErrorCode::not_found);
  EXPECT_EQ(move_file_durably(folder_ / "none", folder_ / "a").error().code, ErrorCode::not_found);
  EXPECT_EQ(read_file(folder_).error().code, ErrorCode::storage_broken);
}

TEST_F(FileTest, MovesAFile) {
  ASSERT_TRUE(write_file_durably(folder_ / "a", "new"));
  ASSERT_TRUE(write_file_durably(folder_ / "b", "old"));
  ASSERT_TRUE(move_file_durably(folder_ / "a", folder_ / "b"));
  EXPECT_EQ(read_file(folder_ / "b"), "new");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, MakesFoldersThatAreMissing) {
  EXPECT_TRUE(make_folders(folder_ / "a" / "b" / "c"));
  EXPECT_TRUE(make_folders(folder_ / "a" / "b" / "c"));
  EXPECT_TRUE(make_folders(folder_ / "a" / "d" / ""));
  EXPECT_TRUE(fs::is_directory(folder_ / "a" / "d"));
  ASSERT_TRUE(write_file_durably(folder_ / "file", ""));
  EXPECT_FALSE(make_folders(folder_ / "file"));
  EXPECT_FALSE(make_folders(folder_ / "file" / "below"));
}

TEST_F(FileTest, RemovesTreesAndTakesAbsenceForDone) {
  ASSERT_TRUE(make_folders(folder_ / "a" / "b"));
  EXPECT_TRUE(remove_tree(folder_ / "a"));
  EXPECT_TRUE(remove_tree(folder_ / "a"));
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(FileTest, APatternNamesFilesInByteOrder) {
  for (const char* name : {"b.csv", "a.csv", "B.csv", "c.txt"})
    ASSERT_TRUE(write_file_durably(folder_ / name, ""));
  ASSERT_TRUE(make_folders(folder_ / "folder.csv"));
  const std::string here = folder_.string() + "/";
  EXPECT_EQ(glob_files(here + "*.csv"),
            (std::vector<std::string>{here + "B.csv", here + "a.csv", here + "b.csv"}));
  EXPECT_EQ(glob_files(here + "[ab].csv").size(), 2U);
  EXPECT_EQ(glob_files(here + "c.txt").size(), 1U);
  EXPECT_TRUE(glob_files(here + "none*").empty());
}

TEST_F(FileTest, ADescriptorIsClosedOnce) {
  const int fd = ::open("/dev/null", O_RDONLY);
  Descriptor first(fd);
  Descriptor second(std::move(first));
  EXPECT_EQ(second.get(), fd);
  second = Descriptor();
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  EXPECT_FALSE(second);
}

TEST(OpenBeneath, ReadsWhatLiesBelowAndNothingElse) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("beneath-" + random_id());
  std::filesystem::create_directories(folder / "root/a");
  ASSERT_TRUE(write_file_durably(folder / "root/a/b", "inside"));
  ASSERT_TRUE(write_file_durably(folder / "secret", "outside"));
  std::filesystem::create_symlink(folder / "secret", folder / "root/link");
  std::filesystem::create_directory_symlink(folder, folder / "root/up");
  std::filesystem::create_symlink("b", folder / "root/a/same");
  const std::filesystem::path root = folder / "root";

  const Result<Descriptor> file = open_beneath(root, "a/b");
  ASSERT_TRUE(file) << render(file.error());
  char text[8] = {};
  EXPECT_EQ(::read(file->get(), text, sizeof text), 6);
  EXPECT_STREQ(text, "inside");
  EXPECT_TRUE(open_beneath(root, "a/../a/b"));
  for (const char* name : {"../secret", "a/../../secret", "link", "a/same", "/etc/passwd", ""}) {
    const Result<Descriptor> refused = open_beneath(root, name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::forbidden) << name;
  }
  EXPECT_FALSE(open_beneath(root, "up/secret"));
  EXPECT_EQ(open_beneath(root, "a/gone").error().code, ErrorCode::not_found);
  EXPECT_FALSE(open_beneath(folder / "gone", "a"));
  ASSERT_TRUE(remove_tree(folder));
}

}  // namespace
}  // namespace trimtab::base
