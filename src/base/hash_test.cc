#include "base/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <vector>

#include "base/file.h"
#include "base/id.h"

namespace trimtab::base {
namespace {

TEST(Sha256, GivesThePublishedHashes) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

RC_GTEST_PROP(Sha256, DoesNotDependOnThePieces, (const std::vector<std::string>& pieces)) {
  Sha256 hash;
  std::string whole;
  for (const std::string& piece : pieces) {
    hash.update(piece);
    whole += piece;
  }
  const std::string digest = hash.finish();
  RC_ASSERT(is_sha256(digest));
  RC_ASSERT(digest == sha256(whole));
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / random_id();
  const std::string bytes(1'000'000, 'x');
  ASSERT_TRUE(write_file_durably(path, bytes));
  EXPECT_EQ(sha256_file(path), sha256(bytes));
  ASSERT_TRUE(remove_tree(path));
  EXPECT_EQ(sha256_file(path).error().code, ErrorCode::not_found);
  EXPECT_EQ(sha256_file(testing::TempDir()).error().code, ErrorCode::storage_broken);
}

TEST(Sha256, HasOneSpelling) {
  EXPECT_TRUE(is_sha256(std::string(64, 'a')));
  EXPECT_FALSE(is_sha256(std::string(64, 'A')));
  EXPECT_FALSE(is_sha256(std::string(63, 'a')));
}

}  // namespace
}  // namespace trimtab::base
