#include "registry/like_pattern.h"

#include <gtest/gtest.h>
#include <random>

namespace trimtab::registry {
namespace {

// What LIKE means, letter by letter, in as much time as it takes.
bool naive_like(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '%') {
    for (std::size_t skip = 0; skip <= text.size(); ++skip) {
      if (naive_like(text.substr(skip), pattern.substr(1))) return true;
    }
    return false;
  }
  return !text.empty() && (pattern[0] == '_' || pattern[0] == text[0]) &&
         naive_like(text.substr(1), pattern.substr(1));
}

TEST(LikePattern, MatchesWhatItsMeaningSays) {
  std::mt19937 random(5);
  const auto word = [&](std::string_view letters, std::size_t size_max) {
    std::string out;
    for (std::size_t size = random() % (size_max + 1); size > 0; --size)
      out += letters[random() % letters.size()];
    return out;
  };
  for (int round = 0; round < 20'000; ++round) {
    const std::string pattern = word("ab%_", 7);
    const std::string text = word("ab", 9);
    EXPECT_EQ(LikePattern(pattern, false).matches(text), naive_like(text, pattern)) << pattern << " " << text;
  }
}

TEST(LikePattern, OneBlankStandsForOneCharacterOfAnyAlphabet) {
  EXPECT_TRUE(LikePattern("M_ller", false).matches("Müller"));
  EXPECT_FALSE(LikePattern("M__ller", false).matches("Müller"));
  EXPECT_TRUE(LikePattern("%_ö%", false).matches("aaö"));
}

TEST(LikePattern, OnlyIlikeTakesCapitalsAsSmallLetters) {
  EXPECT_FALSE(LikePattern("abc%", false).matches("ABCd"));
  EXPECT_TRUE(LikePattern("aBc%", true).matches("AbCD"));
}

// Would take hours where each % tries every place anew.
TEST(LikePattern, HostilePatternsEnd) {
  std::string pattern;
  std::string marked;
  for (int i = 0; i < 2'000; ++i) pattern += "%a";
  for (int i = 0; i < 100; ++i)
    marked += "%_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  const std::string text(8'000, 'a');
  EXPECT_FALSE(LikePattern(pattern + "%b", false).matches(text));
  EXPECT_FALSE(LikePattern(marked + "%b%", false).matches(text));
}

}  // namespace
}  // namespace trimtab::registry
