#include "serve/mend_cell.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace trimtab::serve {
namespace {

TEST(MendCell, ReadsTheNumberOfATextWithAUnit) {
  EXPECT_EQ(number_in("12.30 u"), 12.3);
  EXPECT_EQ(number_in(" 7 "), 7);
  EXPECT_EQ(number_in("-3.5°C"), -3.5);
  EXPECT_EQ(number_in("+.5 m/s"), 0.5);
  EXPECT_EQ(number_in("$ 5"), 5);
  EXPECT_EQ(number_in("€12.50"), 12.5);
  EXPECT_EQ(number_in("1e3 kg"), 1000);
  EXPECT_EQ(number_in("12 %"), 12);
}

TEST(MendCell, TakesNothingForANumberThatMayMeanAnother) {
  for (const char* text : {"", " ", "u", "n/a", "12,30", "1,234", "1.2.3", "3 of 5", "2013-04-01", "A320",
                           "inf", "nan", "info", "-", ".", "3k", "1.5 M", "1e999", "12 a very long unit"}) {
    EXPECT_EQ(number_in(text), std::nullopt) << text;
  }
}

RC_GTEST_PROP(MendCell, AnyTextIsLookedAt, (const std::string& text)) {
  const std::optional<double> number = number_in(text);
  const bool is_fine = !number || std::isfinite(*number);
  RC_ASSERT(is_fine);
}

TEST(MendCell, KnowsALevelInAnotherSpelling) {
  const KnownLevels levels({"north", "South", "a", "A"});
  EXPECT_EQ(levels.meant_by("north"), nullptr) << "known as it is";
  EXPECT_EQ(*levels.meant_by(" NORTH "), "north");
  EXPECT_EQ(*levels.meant_by("south"), "South");
  EXPECT_EQ(levels.meant_by("east"), nullptr);
  EXPECT_EQ(levels.meant_by(" a "), nullptr) << "two would fit";
}

}  // namespace
}  // namespace trimtab::serve
