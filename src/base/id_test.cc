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

TEST(OrderedId, IsAUuidOfVersionSevenThatBeginsWithItsTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = ordered_id(1'645'557'742'000'999);
    EXPECT_TRUE(is_id(id)) << id;
    // The time of the example of RFC 9562, A.6.
    EXPECT_EQ(id.substr(0, 13), "017f22e279b07");
    EXPECT_NE(std::string("89ab").find(id[16]), std::string::npos) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(OrderedId, ALaterMillisecondComesLater) {
  EXPECT_LT(ordered_id(0), ordered_id(kMillisecondUs));
  EXPECT_LT(ordered_id(255 * kMillisecondUs), ordered_id(256 * kMillisecondUs));
  EXPECT_LT(ordered_id(kDayUs), ordered_id(20'000 * kDayUs));
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
