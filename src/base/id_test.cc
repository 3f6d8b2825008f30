#include "base/id.h"

#include <gtest/gtest.h>
#include <set>

#include "base/hex.h"

namespace trimtab::base {
namespace {

TEST(Id, IsThirtyTwoDigitsAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = random_id();
    EXPECT_TRUE(is_id(id)) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Id, HasOneSpelling) {
  EXPECT_TRUE(is_id("0123456789abcdef0123456789abcdef"));
  EXPECT_FALSE(is_id("0123456789ABCDEF0123456789abcdef"));
  EXPECT_FALSE(is_id("0123456789abcdef0123456789abcde"));
  EXPECT_FALSE(is_id("0123456789abcdef0123456789abcdefa"));
  EXPECT_FALSE(is_id("../3456789abcdef0123456789abcdef"));
  EXPECT_FALSE(is_id(""));
}

TEST(RandomHex, HasTheLengthAskedFor) {
  EXPECT_EQ(random_hex(0), "");
  EXPECT_TRUE(is_hex(random_hex(1), 2));
  // Above 256 bytes the kernel may hand them out in parts.
  EXPECT_TRUE(is_hex(random_hex(100'000), 200'000));
}

TEST(EqualInConstantTime, ComparesWholeTexts) {
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secret2"));
  EXPECT_FALSE(equal_in_constant_time("secret", ""));
}

}  // namespace
}  // namespace trimtab::base
