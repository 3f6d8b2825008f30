#include "base/diagnostics.h"

#include <gtest/gtest.h>

namespace trimtab::base {
namespace {

TEST(Diagnostics, OneErrorIsItself) {
  Diagnostics diagnostics;
  EXPECT_TRUE(diagnostics.empty());
  diagnostics.add({"f.yaml", 2, 1}, "unknown key 'nam'", "did you mean 'name'?");
  const Error error = diagnostics.as_error();
  EXPECT_EQ(error.message, "unknown key 'nam'");
  EXPECT_EQ(error.hint, "did you mean 'name'?");
  EXPECT_EQ(error.code, ErrorCode::invalid);
}

TEST(Diagnostics, ManyAreListedByPlace) {
  Diagnostics diagnostics;
  diagnostics.add({"f.yaml", 10, 1}, "third");
  diagnostics.add({"f.yaml", 2, 7}, "second");
  diagnostics.add({"f.yaml", 2, 1}, "first");
  EXPECT_EQ(diagnostics.as_error().message,
            "3 errors\nf.yaml:2:1: error: first\nf.yaml:2:7: error: second\nf.yaml:10:1: error: third");
}

TEST(Closest, FindsSlipsAndNothingElse) {
  const std::vector<std::string> columns = {"dep_delay", "arr_delay", "origin", "day"};
  EXPECT_EQ(closest("dep_dely", columns), "dep_delay");
  EXPECT_EQ(closest("origni", columns), "origin");
  EXPECT_EQ(closest("day", columns), "day");
  EXPECT_EQ(closest("carrier", columns), "");
  EXPECT_EQ(closest(std::string(100'000, 'x'), columns), "");
  EXPECT_EQ(did_you_mean("dep_dely", columns), "did you mean 'dep_delay'?");
  EXPECT_EQ(did_you_mean("carrier", columns), "");
}

}  // namespace
}  // namespace trimtab::base
