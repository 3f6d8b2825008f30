#include "http/percent.h"

#include <gtest/gtest.h>

namespace trimtab::http {
namespace {

TEST(Percent, DecodesAndTellsWhatIsNoEncoding) {
  EXPECT_EQ(decode_percent("a%20b%2Fc%2f"), "a b/c/");
  EXPECT_EQ(decode_percent("a+b"), "a+b");
  EXPECT_EQ(decode_percent("a+b", true), "a b");
  EXPECT_EQ(decode_percent("%41"), "A");
  for (const char* bad : {"%", "a%4", "%zz", "%4g", "100%"}) {
    const Result<std::string> result = decode_percent(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::malformed);
    EXPECT_EQ(result.error().message, "'" + std::string(bad) + "' has a '%' without two hexadecimal digits");
  }
}

TEST(Percent, KnowsUtf8) {
  for (const char* good : {"", "plain", "süß", "€", "\xF0\x9F\x98\x80", "\xEE\x80\x80"})
    EXPECT_TRUE(is_utf8(good));
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xFF", "\xF0\x80\x80\xAF", "a\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(Percent, ShowsWhatCallersSendWithoutItsTricks) {
  EXPECT_EQ(shown("a\x1b[31m\r\n\xFF"), "a?[31m???");
  EXPECT_EQ(shown(std::string(200, 'a')), std::string(120, 'a') + "…");
}

TEST(Percent, ComparesWithoutCase) {
  EXPECT_TRUE(equal_without_case("Content-Type", "content-tYPE"));
  EXPECT_FALSE(equal_without_case("Host", "Hosts"));
  EXPECT_FALSE(equal_without_case("[", "{"));  // A bit apart, like 'A' and 'a'.
}

}  // namespace
}  // namespace trimtab::http
