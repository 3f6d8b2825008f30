// The words of a filter or an order_by clause.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace trimtab::registry {

enum class TokenKind : std::uint8_t {
  name,        // metrics.loss, tags.`a b`, AND
  number,      // -1.5e3
  text,        // 'a' or "a", with its quotes
  comparison,  // <=
  open,
  close,
  comma,
  unknown,  // What no filter holds; also a quote that never closes, with all that follows.
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;
  std::size_t place = 0;  // Of its first character, from 0.
};

// The last one is the end.
std::vector<Token> split_filter(std::string_view text);
// Whether a token is that keyword, in any case.
bool is_keyword(const Token& token, std::string_view upper);

}  // namespace trimtab::registry
