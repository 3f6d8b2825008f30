#include "table/expression_scan.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace trimtab::table {

namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

// Characters that look like a blank, like nothing, or like a plain quote or dash. Between words they would
// make an expression mean something else than it shows.
constexpr std::array<CodeRange, 13> kMisleading = {{
    {0x80, 0xA0},
    {0xAD, 0xAD},
    {0x34F, 0x34F},
    {0x61C, 0x61C},
    {0x115F, 0x1160},
    {0x1680, 0x1680},
    {0x180B, 0x180E},
    {0x2000, 0x206F},
    {0x3000, 0x3000},
    {0x3164, 0x3164},
    {0xFE00, 0xFEFF},
    {0xFFA0, 0xFFFB},
    {0xE0000, 0xE0FFF},
}};
// Characters that reverse the order of what is shown; no use of them in a reviewed file is honest.
constexpr std::array<CodeRange, 2> kReversing = {{{0x202A, 0x202E}, {0x2066, 0x2069}}};

template <std::size_t N>
bool within(const std::array<CodeRange, N>& ranges, char32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const CodeRange& range) { return range.first <= code && code <= range.last; });
}

std::string code_name(char32_t code) {
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", static_cast<unsigned>(code));
  return name;
}

bool is_word_byte(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return std::isalnum(code) != 0 || byte == '_' || code >= 0x80;
}

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: this is no UTF-8.
};

Character decode(std::string_view text) {
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const std::size_t bytes = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < bytes) return {};
  char32_t code = byte(0) & (0xFFu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  const char32_t least = bytes == 4 ? 0x10000 : bytes == 3 ? 0x800 : 0x80;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least || surrogate || code > 0x10FFFF ? Character{} : Character{code, bytes};
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<ExpressionFault> run() {
    while (!fault_ && at_ < text_.size()) step();
    if (!fault_ && !brackets_.empty())
      refuse(brackets_.back(), quoted(brackets_.back()) + " is never closed");
    return std::move(fault_);
  }

 private:
  void refuse(std::size_t offset, std::string message, std::string hint = {}) {
    fault_ = ExpressionFault{offset, std::move(message), std::move(hint)};
  }

  std::string quoted(std::size_t offset) const { return "'" + std::string(1, text_[offset]) + "'"; }

  bool looking_at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }

  void step() {
    const char byte = text_[at_];
    if (byte == '\'' || byte == '"') return quotation(byte);
    if (looking_at("--") || looking_at("/*")) {
      return refuse(at_, "a comment is not allowed in an expression",
                    "in the project file a comment starts with # outside of the quotes");
    }
    if (is_word_byte(byte) && static_cast<unsigned char>(byte) < 0x80) return word();
    if (byte == '(' || byte == '[' || byte == '{') return open_bracket();
    if (byte == ')' || byte == ']' || byte == '}') return close_bracket(byte);
    if (byte == ';') {
      return refuse(at_, "';' is not allowed in an expression", "write one expression, no statements");
    }
    if (byte == '?' || byte == '$') {
      return refuse(at_, quoted(at_) + " is not allowed in an expression",
                    "there are no parameters; a column whose name has this sign needs double quotes");
    }
    if (!character(false)) return;
    name_follows_ = byte == '.' || (name_follows_ && std::isspace(static_cast<unsigned char>(byte)) != 0);
  }

  // Takes one character; false when it was refused.
  bool character(bool in_quotes) {
    const Character taken = decode(text_.substr(at_));
    if (taken.bytes == 0) {
      refuse(at_, "the text is not valid UTF-8");
    } else if (taken.code == 0 || (taken.code < 0x20 && !std::isspace(static_cast<int>(taken.code)))) {
      refuse(at_, "the control character " + code_name(taken.code) + " is not allowed in an expression");
    } else if (within(kReversing, taken.code)) {
      refuse(at_, "the character " + code_name(taken.code) + " is not allowed: it hides what the text says");
    } else if (!in_quotes && within(kMisleading, taken.code)) {
      refuse(at_, "the character " + code_name(taken.code) + " is not allowed outside of quotes",
             "write a plain blank, quote or minus sign");
    } else {
      at_ += taken.bytes;
    }
    return !fault_;
  }

  // A text in single or a name in double quotes; the quote itself stands doubled inside.
  void quotation(char quote) {
    const std::size_t start = at_;
    if (start > 0 && (is_word_byte(text_[start - 1]) || text_[start - 1] == '&')) {
      return refuse(start, "a quote must not follow a letter",
                    "put a blank between them; texts with a prefix, as in E'…', are not allowed");
    }
    for (++at_; at_ < text_.size();) {
      if (text_[at_] != quote) {
        if (!character(true)) return;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
        at_ += 2;
      } else {
        ++at_;
        name_follows_ = false;
        return;
      }
    }
    refuse(start, quote == '\'' ? "the text that starts here has no closing quote"
                                : "the name that starts here has no closing quote");
  }

  void open_bracket() {
    name_follows_ = false;
    if (static_cast<int>(brackets_.size()) == kExpressionDepthMax) {
      return refuse(at_, std::string(kTooDeep), std::string(kSplitIt));
    }
    brackets_.push_back(at_++);
  }

  void close_bracket(char byte) {
    name_follows_ = false;
    const char wanted = byte == ')' ? '(' : byte == ']' ? '[' : '{';
    if (brackets_.empty() || text_[brackets_.back()] != wanted) {
      return refuse(at_, quoted(at_) + " closes nothing");
    }
    brackets_.pop_back();
    ++at_;
  }

  // The parser copies the operand of `CASE operand WHEN …` once for each WHEN. Such a CASE inside the operand
  // of another doubles the tree at each level: 500 bytes grow to many megabytes, 1,000 to more than there is.
  // Words after a dot or after AS are names, even when they read CASE or WHEN.
  void word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word_byte(text_[at_])) {
      if (!character(false)) return;
    }
    std::string word(text_.substr(start, at_ - start));
    std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool is_name = name_follows_;
    name_follows_ = !is_name && word == "as";
    if (is_name) return;
    if (word == "when") in_operand_ = false;
    if (word != "case") return;
    if (in_operand_) {
      return refuse(start, "a CASE is not allowed between the CASE and the WHEN of another",
                    "derive it as a column of its own first");
    }
    in_operand_ = true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::size_t> brackets_;  // Where those that are open stand.
  bool name_follows_ = false;          // After a dot or AS, with nothing but blanks since.
  bool in_operand_ = false;            // Since the last CASE there was no WHEN.
  std::optional<ExpressionFault> fault_;
};

}  // namespace

std::optional<ExpressionFault> scan_expression(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return ExpressionFault{0,
                           "the expression has " + std::to_string(text.size()) + " bytes; at most " +
                               std::to_string(kExpressionBytesMax) + " are allowed",
                           std::string(kSplitIt)};
  }
  const bool blank =
      std::all_of(text.begin(), text.end(), [](unsigned char byte) { return std::isspace(byte) != 0; });
  if (blank) return ExpressionFault{0, "the expression is empty", "write a column or a calculation"};
  return Scanner(text).run();
}

}  // namespace trimtab::table
