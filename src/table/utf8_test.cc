#include "table/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>

namespace trimtab::table {
namespace {

TEST(Utf8, KnowsTextFromBytes) {
  for (const char* text : {"", "a", "plain text of more than eight bytes", "é", "日本", "😀",
                           "\u07FF\u0800\uFFFF", "\U0010FFFF", "\xED\x9F\xBF", "\xEE\x80\x80", "eight...é"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(repair_utf8(text), text);
  }
  for (const char* bytes : {"\x80", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xE6\x97",
                            "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                            "\xFF", "plain text \xFE", "\xF0\x9F\x98", "eight...\xE9 more"}) {
    EXPECT_FALSE(is_utf8(bytes)) << testing::PrintToString(bytes);
    EXPECT_TRUE(is_utf8(repair_utf8(bytes))) << testing::PrintToString(bytes);
  }
}

TEST(Utf8, RepairsTheBadBytesAlone) {
  EXPECT_EQ(repair_utf8("caf\xE9 au lait"), "caf\uFFFD au lait");
  EXPECT_EQ(repair_utf8("\xE6\x97日"), "\uFFFD\uFFFD日");
  EXPECT_EQ(repair_utf8(std::string_view("a\0\xFF", 3)), std::string_view("a\0\uFFFD", 5));
}

RC_GTEST_PROP(Utf8, WhatIsRepairedIsText, (const std::string& bytes)) {
  std::string text = repair_utf8(bytes);
  RC_ASSERT(is_utf8(text));
  RC_ASSERT((text == bytes) == is_utf8(bytes));
}

}  // namespace
}  // namespace trimtab::table
