#include "registry/clauses.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>

#include "registry/filter_tokens.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kFilterMax = 64u << 10;
constexpr std::size_t kClausesMax = 500;

std::string without_quotes(std::string_view text) {
  const bool is_quoted = text.size() > 1 && text.front() == text.back() &&
                         std::string_view("'\"`").find(text.front()) != std::string_view::npos;
  return std::string(is_quoted ? text.substr(1, text.size() - 2) : text);
}

class Reader {
 public:
  Reader(std::string_view filter, bool null_tests) : tokens_(split_filter(filter)), null_tests_(null_tests) {}

  Result<std::vector<Clause>> read() {
    std::vector<Clause> clauses;
    while (token().kind != TokenKind::end) {
      if (!clauses.empty()) {
        if (!is_keyword(token(), "AND")) return fail(unreadable());
        take();
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
  const Token& token() const { return tokens_[at_]; }

  // The tokens of the clause that could not be read, up to the next AND behind where the reading stopped.
  Error unreadable() {
    constexpr std::ptrdiff_t kShown = 20;
    while (token().kind != TokenKind::end && !is_keyword(token(), "AND") && at_ - begin_ < kShown) take();
    const bool has_comparison =
        std::any_of(tokens_.begin() + begin_, tokens_.begin() + at_,
                    [](const Token& one) { return one.kind == TokenKind::comparison; });
    std::string parts;
    for (auto one = tokens_.begin() + begin_; one != tokens_.begin() + at_; ++one) {
      parts.append(parts.empty() ? "" : has_comparison ? ", " : " ").append(one->text.substr(0, 200));
    }
    return {ErrorCode::invalid, "Invalid clause(s) in filter string: " + parts, {}, std::nullopt, nullptr};
  }

  const Token& take() { return tokens_[at_++]; }

  std::optional<Clause> read_clause() {
    begin_ = at_;
    Clause clause;
    if (token().kind != TokenKind::name) return std::nullopt;
    const std::string_view name = take().text;
    const std::size_t dot = name.find('.');
    const std::size_t quote = name.find_first_of("`\"");
    if (dot != std::string_view::npos && dot < quote) clause.entity = name.substr(0, dot);
    clause.key = without_quotes(clause.entity.empty() ? name : name.substr(dot + 1));
    if (!read_operation(clause)) return std::nullopt;
    if (clause.operation.starts_with("IS ")) return clause;
    if (!read_value(clause)) return std::nullopt;
    const bool ignores_case = clause.operation == "ILIKE";
    if (ignores_case || clause.operation == "LIKE") clause.pattern = LikePattern(clause.text, ignores_case);
    return clause;
  }

  bool read_operation(Clause& clause) {
    if (token().kind == TokenKind::comparison) {
      clause.operation = take().text;
      return is_text_operation(clause.operation) || is_number_operation(clause.operation);
    }
    for (const char* word : {"LIKE", "ILIKE", "IN"}) {
      if (!is_keyword(token(), word)) continue;
      take();
      clause.operation = word;
      return true;
    }
    if (null_tests_ && is_keyword(token(), "IS")) return read_null_test(clause);
    if (!is_keyword(token(), "NOT")) return false;
    take();
    if (!is_keyword(token(), "IN")) return false;
    take();
    clause.operation = "NOT IN";
    return true;
  }

  bool read_null_test(Clause& clause) {
    take();
    const bool is_not = is_keyword(token(), "NOT");
    if (is_not) take();
    if (!is_keyword(token(), "NULL")) return false;
    take();
    clause.operation = is_not ? "IS NOT NULL" : "IS NULL";
    return true;
  }

  bool read_value(Clause& clause) {
    clause.written = token().text;
    if (token().kind == TokenKind::text) {
      clause.text = without_quotes(take().text);
      return true;
    }
    if (token().kind == TokenKind::number) return read_number(clause);
    if (token().kind != TokenKind::open) return false;
    take();
    clause.kind = Clause::Kind::texts;
    while (token().kind == TokenKind::text) {
      clause.written += (clause.texts.empty() ? "" : ", ") + std::string(token().text);
      clause.texts.push_back(without_quotes(take().text));
      if (token().kind != TokenKind::comma) break;
      take();
    }
    if (token().kind != TokenKind::close || clause.texts.empty()) return false;
    take();
    clause.written += ")";
    return true;
  }

  bool read_number(Clause& clause) {
    std::string_view written = token().text;
    if (written.front() == '+') written.remove_prefix(1);
    const auto [end, failed] =
        std::from_chars(written.data(), written.data() + written.size(), clause.number);
    if (failed != std::errc() || end != written.data() + written.size()) return false;
    const bool is_whole = written.find_first_of(".eE") == std::string_view::npos;
    clause.kind = is_whole ? Clause::Kind::whole_number : Clause::Kind::number;
    take();
    return true;
  }

  std::vector<Token> tokens_;
  bool null_tests_;
  std::ptrdiff_t at_ = 0;
  std::ptrdiff_t begin_ = 0;  // Of the present clause.
};

}  // namespace

Result<std::vector<Clause>> parse_clauses(std::string_view filter, bool null_tests) {
  if (filter.size() > kFilterMax) {
    return fail(ErrorCode::invalid,
                "Invalid filter string: it is longer than " + std::to_string(kFilterMax) + " bytes.");
  }
  return Reader(filter, null_tests).read();
}

bool is_text_operation(std::string_view operation) {
  constexpr std::array<std::string_view, 6> kKnown = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"};
  return std::find(kKnown.begin(), kKnown.end(), operation) != kKnown.end();
}

bool is_number_operation(std::string_view operation) {
  constexpr std::array<std::string_view, 6> kKnown = {"=", "!=", "<", "<=", ">", ">="};
  return std::find(kKnown.begin(), kKnown.end(), operation) != kKnown.end();
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
  if (operation == "LIKE" || operation == "ILIKE") return clause.pattern.matches(value);
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
  const std::vector<Token> tokens = split_filter(text);
  if (tokens.size() > 3 || tokens[0].kind != TokenKind::name) {
    return fail(ErrorCode::invalid,
                "Invalid order_by clause '" + std::string(text) + "'. Could not be parsed.");
  }
  const bool is_descending = is_keyword(tokens[1], "DESC");
  if (tokens.size() == 3 && !is_descending && !is_keyword(tokens[1], "ASC")) {
    return fail(ErrorCode::invalid, "Invalid ordering key in order_by clause '" + std::string(text) + "'.");
  }
  std::string_view name = tokens[0].text;
  for (const std::string_view entity : {"attribute.", "attributes.", "attr."}) {
    if (name.starts_with(entity)) name.remove_prefix(entity.size());
  }
  return OrderBy{without_quotes(name), !is_descending};
}

}  // namespace trimtab::registry
