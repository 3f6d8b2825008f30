#include "serve/log_rule.h"

#include <gtest/gtest.h>

namespace trimtab::serve {
namespace {

TEST(LogRule, ASampleIsAShareOfTheIdsAndALargerOneContainsIt) {
  int in_tenth = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = "p" + std::to_string(i);
    in_tenth += is_sampled(id, 0.1) ? 1 : 0;
    EXPECT_TRUE(!is_sampled(id, 0.1) || is_sampled(id, 0.5));
    EXPECT_TRUE(is_sampled(id, 1));
  }
  EXPECT_NEAR(in_tenth, 1000, 120);
}

TEST(LogRule, OnlyTheDeclaredColumnsAreKept) {
  EXPECT_EQ(only_columns(R"({"origin":"LGA","email":"a@b","distance":733})", {"distance", "origin", "x"}),
            R"({"origin":"LGA","distance":733})");
  EXPECT_EQ(only_columns("{}", {"origin"}), "{}");
}

}  // namespace
}  // namespace trimtab::serve
