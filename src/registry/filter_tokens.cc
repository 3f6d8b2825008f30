#include "registry/filter_tokens.h"

#include <algorithm>

namespace trimtab::registry {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '`' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<Token> split() {
    while (true) {
      at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
      if (at_ == text_.size()) break;
      const std::size_t start = at_;
      const TokenKind kind = take();
      tokens_.push_back({kind, text_.substr(start, at_ - start), start});
    }
    tokens_.push_back({TokenKind::end, {}, text_.size()});
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  TokenKind take() {
    const char c = peek();
    if (starts_name(c)) return take_name();
    if (c == '\'' || c == '"') return take_quoted(c) ? TokenKind::text : TokenKind::unknown;
    if (is_digit(c) ||
        ((c == '-' || c == '.') && (is_digit(peek(1)) || (peek(1) == '.' && is_digit(peek(2)))))) {
      return take_number();
    }
    ++at_;
    if (c == '(') return TokenKind::open;
    if (c == ')') return TokenKind::close;
    if (c == ',') return TokenKind::comma;
    if (std::string_view("<>=!").find(c) == std::string_view::npos) return TokenKind::unknown;
    while (std::string_view("<>=!").find(peek()) != std::string_view::npos && peek() != '\0') ++at_;
    return TokenKind::comparison;
  }

  // A name goes on over dots, and over a quoted part that follows a dot: tags.`mlflow.note`.
  TokenKind take_name() {
    if (peek() == '`' && !take_quoted('`')) return TokenKind::unknown;
    while (at_ < text_.size()) {
      const char c = peek();
      const bool follows_dot = at_ > 0 && text_[at_ - 1] == '.';
      if (follows_dot && (c == '`' || c == '"')) {
        if (!take_quoted(c)) return TokenKind::unknown;
      } else if (c != '`' && (starts_name(c) || is_digit(c) || c == '.')) {
        ++at_;
      } else {
        break;
      }
    }
    return TokenKind::name;
  }

  // False: it never closes, and all the rest is taken.
  bool take_quoted(char quote) {
    for (std::size_t end = text_.find(quote, at_ + 1);; end = text_.find(quote, end + 2)) {
      if (end == std::string_view::npos) {
        at_ = text_.size();
        return false;
      }
      // Two of them stand for themselves within the text, as in SQL.
      if (quote == '\'' && end + 1 < text_.size() && text_[end + 1] == quote) continue;
      at_ = end + 1;
      return true;
    }
  }

  TokenKind take_number() {
    if (peek() == '-') ++at_;
    while (is_digit(peek())) ++at_;
    if (peek() == '.') ++at_;
    while (is_digit(peek())) ++at_;
    const bool has_sign = peek(1) == '-' || peek(1) == '+';
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(has_sign ? 2 : 1))) {
      at_ += has_sign ? 2 : 1;
      while (is_digit(peek())) ++at_;
    }
    return TokenKind::number;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> split_filter(std::string_view text) { return Splitter(text).split(); }

bool is_keyword(const Token& token, std::string_view upper) {
  return token.kind == TokenKind::name &&
         std::equal(token.text.begin(), token.text.end(), upper.begin(), upper.end(), [](char a, char b) {
           return (a >= 'a' && a <= 'z' ? static_cast<char>(a - ('a' - 'A')) : a) == b;
         });
}

}  // namespace trimtab::registry
