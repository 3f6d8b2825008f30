// LIKE and ILIKE as SQLite has them: % stands for any text, _ for one character; ILIKE takes A to Z as a to
// z. The time for a match grows with the text and never with its square, whatever the pattern is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trimtab::registry {

class LikePattern {
 public:
  LikePattern() = default;
  LikePattern(std::string_view pattern, bool ignores_case);
  bool matches(std::string_view text) const;

 private:
  // A piece between two %.
  struct Piece {
    std::string bytes;
    std::u32string characters;  // '_' is kAny. Empty unless the pattern holds a _.
    // Bit i of masks[c] says that character i of the piece may be c; in any, that it may be whatever it
    // likes.
    std::unordered_map<char32_t, std::vector<std::uint64_t>> masks;
    std::vector<std::uint64_t> any;
  };

  bool matches_bytes(std::string_view text) const;
  bool matches_characters(std::u32string_view text) const;
  static bool stands_at_front(std::u32string_view text, const Piece& piece);
  static std::size_t find(std::u32string_view text, const Piece& piece);
  static void prepare(Piece& piece);

  bool ignores_case_ = false;
  bool has_any_ = false;
  std::size_t shortest_ = 0;   // No text of fewer bytes can match.
  std::vector<Piece> pieces_;  // At least one; one: there is no %.
};

}  // namespace trimtab::registry
