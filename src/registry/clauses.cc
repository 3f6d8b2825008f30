#include "registry/clauses.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "registry/model_rules.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kFilterMax = 64u << 10;
constexpr std::size_t kClausesMax = 500;

enum class TokenKind : std::uint8_t { name, text, number, operation, open, close, comma, end, other };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view written;
};

bool is_name_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0 ||
         std::string_view("_.-/").find(c) != std::string_view::npos;
}

std::string upper(std::string_view text) {
  std::string high(text);
  std::transform(high.begin(), high.end(), high.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return high;
}

bool is_word(const Token& token, std::string_view word) {
  return token.kind == TokenKind::name && upper(token.written) == word;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Token next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    const std::size_t begin = at_;
    const TokenKind kind = scan();
    return {kind, text_.substr(begin, at_ - begin)};
  }

 private:
  TokenKind scan() {
    if (at_ == text_.size()) return TokenKind::end;
    const char c = text_[at_];
    if (c == '\'') return quote(c) ? TokenKind::text : TokenKind::other;
    const bool is_signed = (c == '-' || c == '+') && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
    if (is_digit(c) || is_signed) return number();
    if (is_name_character(c) || c == '`' || c == '"') return name();
    ++at_;
    if (c == '(') return TokenKind::open;
    if (c == ')') return TokenKind::close;
    if (c == ',') return TokenKind::comma;
    if (c == '=' || c == '<' || c == '>' || c == '!') {
      if (c != '=' && at_ < text_.size() && text_[at_] == '=') ++at_;
      return TokenKind::operation;
    }
    return TokenKind::other;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  // Past the closing quote. False when there is none: the rest of the filter is then one token.
  bool quote(char mark) {
    const std::size_t end = text_.find(mark, at_ + 1);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    return end != std::string_view::npos;
  }

  TokenKind name() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '`' || c == '"') {
        if (!quote(c)) return TokenKind::other;
      } else if (is_name_character(c)) {
        ++at_;
      } else {
        break;
      }
    }
    return TokenKind::name;
  }

  TokenKind number() {
    ++at_;
    const auto belongs = [&](char c) {
      const bool is_sign = (c == '-' || c == '+') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      return is_name_character(c) ? (c != '-' && c != '/') || is_sign : is_sign;
    };
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    return TokenKind::number;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string without_quotes(std::string_view text) {
  const bool is_quoted = text.size() > 1 && text.front() == text.back() &&
                         std::string_view("'\"`").find(text.front()) != std::string_view::npos;
  return std::string(is_quoted ? text.substr(1, text.size() - 2) : text);
}

class Reader {
 public:
  explicit Reader(std::string_view filter) : scanner_(filter) { advance(); }

  Result<std::vector<Clause>> read() {
    std::vector<Clause> clauses;
    while (token_.kind != TokenKind::end) {
      if (!clauses.empty()) {
        if (!is_word(token_, "AND")) return fail(unreadable());
        advance();
      }
      std::optional<Clause> clause = read_clause();
      if (!clause) return fail(unreadable());
      clauses.push_back(*std::move(clause));
      if (clauses.size() > kClausesMax) {
        return fail(ErrorCode::invalid,
                    "Invalid filter string: more than " + std::to_string(kClausesMax) + " comparisons.");
      }
    }
    return clauses;
  }

 private:
  void advance() { token_ = scanner_.next(); }

  // The tokens of the clause that could not be read, up to where the reading stopped and the next AND.
  Error unreadable() {
    std::string parts;
    bool has_operation = false;
    while (token_.kind != TokenKind::end && !is_word(token_, "AND") && taken_.size() < 20) take();
    for (const Token& token : taken_) has_operation = has_operation || token.kind == TokenKind::operation;
    for (const Token& token : taken_) {
      parts.append(parts.empty() ? "" : has_operation ? ", " : " ").append(token.written.substr(0, 200));
    }
    return {ErrorCode::invalid, "Invalid clause(s) in filter string: " + parts, {}, std::nullopt, nullptr};
  }

  Token take() {
    taken_.push_back(token_);
    const Token token = token_;
    advance();
    return token;
  }

  std::optional<Clause> read_clause() {
    taken_.clear();
    Clause clause;
    if (token_.kind != TokenKind::name) return std::nullopt;
    const std::string_view name = take().written;
    const std::size_t dot = name.find('.');
    const std::size_t quote = name.find_first_of("`\"");
    if (dot != std::string_view::npos && dot < quote) clause.entity = name.substr(0, dot);
    clause.key = without_quotes(clause.entity.empty() ? name : name.substr(dot + 1));
    if (!read_operation(clause) || !read_value(clause)) return std::nullopt;
    return clause;
  }

  bool read_operation(Clause& clause) {
    if (token_.kind == TokenKind::operation) {
      clause.operation = take().written;
      return clause.operation != "!";
    }
    if (is_word(token_, "LIKE") || is_word(token_, "ILIKE") || is_word(token_, "IN")) {
      clause.operation = upper(take().written);
      return true;
    }
    if (!is_word(token_, "NOT")) return false;
    take();
    if (!is_word(token_, "IN")) return false;
    take();
    clause.operation = "NOT IN";
    return true;
  }

  bool read_value(Clause& clause) {
    clause.written = token_.written;
    const bool is_double_quoted = token_.kind == TokenKind::name && token_.written.front() == '"';
    if (token_.kind == TokenKind::text || is_double_quoted) {
      clause.text = without_quotes(take().written);
      return true;
    }
    if (token_.kind == TokenKind::number) return read_number(clause);
    if (token_.kind != TokenKind::open) return false;
    take();
    clause.kind = Clause::Kind::texts;
    while (token_.kind == TokenKind::text) {
      clause.written += (clause.texts.empty() ? "" : ", ") + std::string(token_.written);
      clause.texts.push_back(without_quotes(take().written));
      if (token_.kind != TokenKind::comma) break;
      take();
    }
    if (token_.kind != TokenKind::close || clause.texts.empty()) return false;
    take();
    clause.written += ")";
    return true;
  }

  bool read_number(Clause& clause) {
    std::string_view written = token_.written;
    if (written.front() == '+') written.remove_prefix(1);
    const auto [end, failed] =
        std::from_chars(written.data(), written.data() + written.size(), clause.number);
    if (failed != std::errc() || end != written.data() + written.size()) return false;
    const bool is_whole = written.find_first_of(".eE") == std::string_view::npos;
    clause.kind = is_whole ? Clause::Kind::whole_number : Clause::Kind::number;
    take();
    return true;
  }

  Scanner scanner_;
  Token token_;
  std::vector<Token> taken_;  // Of the present clause.
};

std::string folded(std::string_view text) {
  std::string low(text);
  std::transform(low.begin(), low.end(), low.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 0x80 ? std::tolower(c) : c); });
  return low;
}

// Bytes of the character at `at`.
std::size_t character_bytes(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
  return end - at;
}

}  // namespace

Result<std::vector<Clause>> parse_clauses(std::string_view filter) {
  if (filter.size() > kFilterMax) {
    return fail(ErrorCode::invalid,
                "Invalid filter string: it is longer than " + std::to_string(kFilterMax) + " bytes.");
  }
  return Reader(filter).read();
}

bool is_text_operation(std::string_view operation) {
  constexpr std::array<std::string_view, 6> kKnown = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"};
  return std::find(kKnown.begin(), kKnown.end(), operation) != kKnown.end();
}

bool is_number_operation(std::string_view operation) {
  constexpr std::array<std::string_view, 6> kKnown = {"=", "!=", "<", "<=", ">", ">="};
  return std::find(kKnown.begin(), kKnown.end(), operation) != kKnown.end();
}

// Goes back to the last "%" alone, so the work is at most pattern × text, and both are bounded.
bool is_like(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t after_percent = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      after_percent = ++p;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      ++p;
      t += character_bytes(text, t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_percent != std::string_view::npos) {
      p = after_percent;
      retry += character_bytes(text, retry);
      t = retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool holds_for_text(const Clause& clause, std::string_view value) {
  const std::string& operation = clause.operation;
  CHECK(is_text_operation(operation));
  const auto is_listed = [&] {
    const auto& list = clause.texts;
    return clause.kind == Clause::Kind::texts ? std::find(list.begin(), list.end(), value) != list.end()
                                              : clause.text == value;
  };
  if (operation == "=") return clause.text == value;
  if (operation == "!=") return clause.text != value;
  if (operation == "LIKE") return is_like(clause.text, value);
  if (operation == "ILIKE") return is_like(folded(clause.text), folded(value));
  return is_listed() == (operation == "IN");
}

bool holds_for_number(const Clause& clause, double value) {
  const std::string& operation = clause.operation;
  CHECK(is_number_operation(operation));
  if (operation == "=") return value == clause.number;
  if (operation == "!=") return value != clause.number;
  if (operation == "<") return value < clause.number;
  if (operation == "<=") return value <= clause.number;
  if (operation == ">") return value > clause.number;
  return value >= clause.number;
}

Result<OrderBy> parse_order_by(std::string_view text) {
  Scanner scanner(text);
  const Token key = scanner.next();
  const Token direction = scanner.next();
  const bool has_end = direction.kind == TokenKind::end || scanner.next().kind == TokenKind::end;
  if (key.kind != TokenKind::name || !has_end) {
    return fail(ErrorCode::invalid,
                "Invalid order_by clause '" + std::string(text) + "'. Could not be parsed.");
  }
  const bool is_descending = is_word(direction, "DESC");
  if (direction.kind != TokenKind::end && !is_descending && !is_word(direction, "ASC")) {
    return fail(ErrorCode::invalid, "Invalid ordering key in order_by clause '" + std::string(text) + "'.");
  }
  std::string_view name = key.written;
  for (const std::string_view entity : {"attribute.", "attributes.", "attr."}) {
    if (name.starts_with(entity)) name.remove_prefix(entity.size());
  }
  return OrderBy{without_quotes(name), !is_descending};
}

}  // namespace trimtab::registry
