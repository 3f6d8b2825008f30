#include "people/access_token.h"

#include <gtest/gtest.h>

namespace trimtab::people {
namespace {

TEST(AccessToken, ATypingErrorIsSeen) {
  const std::string token = make_access_token();
  EXPECT_TRUE(is_access_token(token));
  EXPECT_NE(token, make_access_token());
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string wrong = token;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    EXPECT_FALSE(is_access_token(wrong)) << wrong;
  }
  EXPECT_FALSE(is_access_token(token + "0"));
  EXPECT_FALSE(is_access_token(""));
}

}  // namespace
}  // namespace trimtab::people
