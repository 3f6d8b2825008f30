#include "base/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace trimtab::base {
namespace {

TEST(Base64, WritesWhatTheStandardSays) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64_url("\xfb\xff"), "-_8");
}

TEST(Base64, OfAddressesRefusesWhatIsNone) {
  for (const char* text : {"a", "ab\ncd", "a=bc", "Zg==", "Zm9v YmFy", "+/8"})
    EXPECT_FALSE(from_base64_url(text)) << text;
}

RC_GTEST_PROP(Base64, ComesBack, (const std::string& bytes)) {
  RC_ASSERT(from_base64(to_base64(bytes)) == bytes);
  RC_ASSERT(from_base64_url(to_base64_url(bytes)) == bytes);
}

}  // namespace
}  // namespace trimtab::base
