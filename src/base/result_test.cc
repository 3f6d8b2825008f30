#include "base/result.h"

#include <gtest/gtest.h>

namespace trimtab::base {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0)
    return fail(ErrorCode::invalid, std::to_string(number) + " is odd", "take an even number");
  return number / 2;
}

Status refuse_odd(int number) {
  TRY(half(number));
  return {};
}

Result<int> quarter(int number) { return TRY(half(TRY(half(number)))); }

TEST(Try, GivesTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "3 is odd");
  EXPECT_EQ(quarter(6).error().hint, "take an even number");
  EXPECT_TRUE(refuse_odd(2));
  EXPECT_EQ(refuse_odd(3).error().code, ErrorCode::invalid);
}

TEST(Try, TakesValuesThatOnlyMove) {
  const auto boxed = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto unboxed = [&]() -> Result<int> { return *TRY(boxed()); };
  EXPECT_EQ(unboxed(), 7);
}

TEST(Render, ShowsPlaceCauseAndHint) {
  Error error{ErrorCode::invalid, "column 'b' is missing", "add it", SourceRange{"f.yaml", 3, 5}, nullptr};
  EXPECT_EQ(render(error), "f.yaml:3:5: error: column 'b' is missing\n   hint: add it");
  const Error outer = wrap(error, "cannot plan 'flights'");
  EXPECT_EQ(outer.code, ErrorCode::invalid);
  EXPECT_EQ(render(outer),
            "f.yaml:3:5: error: cannot plan 'flights'\n   because: column 'b' is missing\n   hint: add it");
  error.where = SourceRange{"f.yaml", 0, 0};
  error.hint.clear();
  EXPECT_EQ(render(error), "f.yaml: error: column 'b' is missing");
}

TEST(CheckDeathTest, ABrokenInvariantStopsTheProgram) {
  EXPECT_DEATH(CHECK(1 + 1 == 3), "result_test.cc:[0-9]+: invariant broken: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace trimtab::base
