#include "registry/run_filter.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "registry/filter_names.h"
#include "registry/filter_tokens.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kBytesMax = 64 * 1024;
constexpr std::size_t kTermsMax = 500;
constexpr int kDepthMax = 64;
// What a message repeats of a hostile text.
constexpr std::size_t kShownMax = 200;

std::string shown(std::string_view text) {
  if (text.size() <= kShownMax) return std::string(text);
  std::size_t end = kShownMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return out;
}

bool is_joint(const Token& token) { return is_keyword(token, "AND") || is_keyword(token, "OR"); }

class FilterParser {
 public:
  FilterParser(std::string_view text, SearchSubject subject)
      : text_(text), subject_(subject), tokens_(split_filter(text)) {}

  Result<Filter> parse() {
    if (tokens_.size() == 1)
      return invalid("Invalid filter '" + std::string(text_) + "'. Could not be parsed.");
    TRY(parse_either(0));
    if (peek().kind != TokenKind::end) return refuse_clause(at_);
    return std::move(filter_);
  }

 private:
  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }

  // The place is that of the clause or of the token that is wrong.
  tl::unexpected<Error> invalid(std::string message) const { return invalid_at(peek(), std::move(message)); }
  static tl::unexpected<Error> invalid_at(const Token& token, std::string message) {
    return fail(ErrorCode::invalid, std::move(message),
                "at character " + std::to_string(token.place + 1) + " of the filter");
  }

  // Names every token of the clause, as MLflow does.
  tl::unexpected<Error> refuse_clause(std::size_t from) const {
    std::string words;
    for (std::size_t i = from; i < tokens_.size() && words.size() < kShownMax; ++i) {
      const Token& token = tokens_[i];
      if (token.kind == TokenKind::end || (i > from && is_joint(token))) break;
      words += (words.empty() ? "'" : ", '") + shown(token.text) + "'";
    }
    return invalid_at(tokens_[from], "Invalid clause(s) in filter string: " + words);
  }

  // MLflow takes AND where it likes: at the start, at the end, twice. So do we, between clauses.
  Status parse_either(int depth) {
    TRY(parse_both(depth));
    while (is_keyword(peek(), "OR")) {
      ++at_;
      TRY(parse_both(depth));
      filter_.steps.push_back({FilterStep::Kind::either, 0});
    }
    return {};
  }

  Status parse_both(int depth) {
    bool any = false;
    while (true) {
      while (is_keyword(peek(), "AND")) ++at_;
      const TokenKind kind = peek().kind;
      if (kind == TokenKind::end || kind == TokenKind::close || is_keyword(peek(), "OR")) break;
      TRY(parse_clause(depth));
      if (any) filter_.steps.push_back({FilterStep::Kind::both, 0});
      any = true;
    }
    if (any) return {};
    if (peek().kind == TokenKind::end) return invalid("Invalid clause(s) in filter string: it ends too soon");
    return refuse_clause(at_);
  }

  Status parse_clause(int depth) {
    if (peek().kind != TokenKind::open) return parse_comparison();
    if (depth == kDepthMax) {
      return invalid("Invalid filter: more than " + std::to_string(kDepthMax) + " parentheses are open");
    }
    const std::size_t open = at_++;
    TRY(parse_either(depth + 1));
    if (peek().kind != TokenKind::close) return refuse_clause(open);
    ++at_;
    return {};
  }

  Status parse_comparison() {
    const std::size_t start = at_;
    const Token name_token = peek();
    const bool is_name = name_token.kind == TokenKind::name ||
                         (name_token.kind == TokenKind::text && name_token.text.front() == '"');
    if (!is_name) {
      const bool is_value = name_token.kind == TokenKind::number || name_token.kind == TokenKind::text;
      if (!is_value || peek(1).kind != TokenKind::comparison) return refuse_clause(start);
      return invalid("Invalid comparison clause. Expected 'Identifier' found '" + shown(name_token.text) +
                     "'");
    }
    ++at_;
    const std::optional<std::string> comparison = take_operator();
    if (!comparison) return refuse_clause(start);
    const Result<FilterName> name = read_name(name_token.text, subject_, false);
    if (!name) return invalid_at(name_token, shown(name.error().message));
    if (filter_.terms.size() == kTermsMax) {
      return invalid("Invalid filter: it has more than " + std::to_string(kTermsMax) + " comparisons");
    }
    filter_.terms.push_back(TRY(parse_term(start, *name, *comparison)));
    const auto term = static_cast<std::uint32_t>(filter_.terms.size() - 1);
    filter_.steps.push_back({FilterStep::Kind::term, term});
    return {};
  }

  // In upper case and with one blank between words. Nothing: there is none.
  std::optional<std::string> take_operator() {
    if (peek().kind == TokenKind::comparison) return std::string(tokens_[at_++].text);
    std::string words;
    if (is_keyword(peek(), "IS")) {
      ++at_;
      const bool is_not = is_keyword(peek(), "NOT");
      if (is_not) ++at_;
      if (!is_keyword(peek(), "NULL")) return std::nullopt;
      ++at_;
      return is_not ? "IS NOT NULL" : "IS NULL";
    }
    if (is_keyword(peek(), "NOT")) {
      words = "NOT ";
      ++at_;
    }
    for (const std::string_view word : {"LIKE", "ILIKE", "IN"}) {
      if (!is_keyword(peek(), word)) continue;
      ++at_;
      return words + std::string(word);
    }
    return std::nullopt;
  }

  Result<FilterTerm> parse_term(std::size_t start, const FilterName& name, const std::string& comparison) {
    FilterTerm term;
    term.field = name.field;
    term.key = name.key;
    const bool asks_null = comparison.starts_with("IS ");
    if (asks_null && name.field != FilterField::tag && name.field != FilterField::param) {
      return invalid_at(tokens_[start], refuse_null(name));
    }
    if (!asks_null) TRY(parse_value(start, name, term));
    Result<FilterOperator> read = read_operator(name, comparison);
    if (!read) return invalid_at(tokens_[start + 1], read.error().message);
    term.comparison = *read;
    const bool takes_list = *read == FilterOperator::in || *read == FilterOperator::not_in;
    if (!asks_null && takes_list != has_list_) {
      return invalid_at(tokens_[start + 2], "Expected a quoted string value for attributes. Got value " +
                                                shown(tokens_[start + 2].text));
    }
    return term;
  }

  std::string refuse_null(const FilterName& name) const {
    if (subject_ == SearchSubject::experiments) {
      return "IS NULL / IS NOT NULL is only supported for tags, not for attribute '" + name.key + "'";
    }
    const std::string_view type = name.field == FilterField::metric    ? "metric"
                                  : name.field == FilterField::dataset ? "dataset"
                                                                       : "attribute";
    return "IS NULL / IS NOT NULL is only supported for tags and params, not for '" + std::string(type) +
           "' '" + name.key + "'";
  }

  Status parse_value(std::size_t start, const FilterName& name, FilterTerm& term) {
    has_list_ = false;
    const Token token = peek();
    if (token.kind == TokenKind::end || token.kind == TokenKind::close || token.kind == TokenKind::unknown ||
        is_joint(token)) {
      return refuse_clause(start);
    }
    if (token.kind == TokenKind::open) return parse_list(start, name, term);
    ++at_;
    if (name.field == FilterField::metric || name.field == FilterField::number_attribute) {
      if (token.kind != TokenKind::number) return invalid_at(token, refuse_value(name, token.text));
      term.number = std::strtod(std::string(token.text).c_str(), nullptr);
      return {};
    }
    if (token.kind == TokenKind::text) {
      term.texts.emplace_back(token.text.substr(1, token.text.size() - 2));
      return {};
    }
    if (token.kind != TokenKind::name) return invalid_at(token, refuse_value(name, token.text));
    return invalid_at(
        token, "Parameter value is either not quoted or unidentified quote types used for string value " +
                   shown(token.text) + ". Use either single or double quotes.");
  }

  static std::string refuse_value(const FilterName& name, std::string_view value) {
    const std::string text = shown(value);
    switch (name.field) {
      case FilterField::metric:
        return "Expected numeric value type for metric. Found " + text;
      case FilterField::number_attribute:
        return "Expected numeric value type for numeric attribute: " + name.key + ". Found " + text;
      case FilterField::param:
        return "Expected a quoted string value for parameter (e.g. 'my-value'). Got value " + text;
      case FilterField::tag:
        return "Expected a quoted string value for tag (e.g. 'my-value'). Got value " + text;
      case FilterField::dataset:
        return "Expected a quoted string value for dataset attributes. Got value " + text;
      default:
        return "Expected a quoted string value for attributes. Got value " + text;
    }
  }

  Status parse_list(std::size_t start, const FilterName& name, FilterTerm& term) {
    const Token open = peek();
    std::size_t close = at_;
    while (tokens_[close].kind != TokenKind::close && tokens_[close].kind != TokenKind::end) ++close;
    if (tokens_[close].kind == TokenKind::end) return refuse_clause(start);
    if (name.field != FilterField::text_attribute && name.field != FilterField::dataset) {
      return invalid_at(open,
                        refuse_value(name, text_.substr(open.place, tokens_[close].place + 1 - open.place)));
    }
    if (const Status takes = check_takes_list(name, subject_); !takes) {
      return invalid_at(open, takes.error().message);
    }
    constexpr std::string_view kExpected =
        "While parsing a list in the query, expected a non-empty list of "
        "string values, but got ";
    if (close == at_ + 1) return invalid_at(open, std::string(kExpected) + "empty list");
    for (++at_; at_ < close; ++at_) {
      if (peek().kind != TokenKind::text) return invalid(std::string(kExpected) + "ill-formed list.");
      term.texts.emplace_back(peek().text.substr(1, peek().text.size() - 2));
      if (peek(1).kind == TokenKind::comma) {
        ++at_;
      } else if (at_ + 1 < close) {
        return invalid(std::string(kExpected) + "ill-formed list.");
      }
    }
    at_ = close + 1;
    has_list_ = true;
    return {};
  }

  std::string_view text_;
  SearchSubject subject_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  bool has_list_ = false;
  Filter filter_;
};

Result<OrderTerm> parse_order_clause(const std::string& clause, SearchSubject subject) {
  const std::vector<Token> tokens = split_filter(clause);
  const std::string quoted = "'" + shown(clause) + "'";
  const bool is_name = tokens.front().kind == TokenKind::name;
  if (!is_name || tokens.size() > 3 || (tokens.size() == 3 && tokens[1].kind != TokenKind::name)) {
    return fail(ErrorCode::invalid, "Invalid order_by clause " + quoted + ". Could not be parsed.");
  }
  const std::string direction = tokens.size() == 3 ? upper(tokens[1].text) : "ASC";
  if (direction != "ASC" && direction != "DESC") {
    return fail(ErrorCode::invalid, "Invalid ordering key in order_by clause " + quoted + ".");
  }
  const FilterName name = TRY(read_name(tokens.front().text, subject, true));
  if (name.field == FilterField::dataset)
    return fail(ErrorCode::invalid, "Invalid identifier type 'dataset'");
  return OrderTerm{name.field, name.key, direction == "ASC"};
}

}  // namespace

Result<Filter> parse_filter(std::string_view text, SearchSubject subject) {
  if (text.empty()) return Filter();
  if (text.size() > kBytesMax) {
    return fail(ErrorCode::invalid, "Invalid filter: it is " + std::to_string(text.size()) +
                                        " bytes long, and at most " + std::to_string(kBytesMax) +
                                        " are taken");
  }
  return FilterParser(text, subject).parse();
}

Result<std::vector<OrderTerm>> parse_order(const std::vector<std::string>& order_by, SearchSubject subject) {
  std::vector<OrderTerm> order;
  for (const std::string& clause : order_by) {
    OrderTerm term = TRY(parse_order_clause(clause, subject));
    const bool is_repeated = std::any_of(order.begin(), order.end(), [&](const OrderTerm& known) {
      return known.field == term.field && known.key == term.key;
    });
    if (is_repeated) {
      std::string list;
      for (const std::string& each : order_by) list += (list.empty() ? "'" : ", '") + each + "'";
      return fail(ErrorCode::invalid, "`order_by` contains duplicate fields: [" + shown(list) + "]");
    }
    order.push_back(std::move(term));
  }
  return order;
}

}  // namespace trimtab::registry
