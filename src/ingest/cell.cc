#include "ingest/cell.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>
namespace trimtab::ingest {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// from_chars knows no plus sign.
std::string_view without_plus(std::string_view text) {
  const bool signed_number = text.size() > 1 && text[0] == '+' && (is_digit(text[1]) || text[1] == '.');
  return signed_number ? text.substr(1) : text;
}

bool same_word(std::string_view text, std::string_view lower_word) {
  return std::equal(text.begin(), text.end(), lower_word.begin(), lower_word.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

std::optional<std::int64_t> plain_integer(std::string_view text) {
  text = without_plus(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> integer_of_cell(std::string_view text) {
  text = without_blanks(text);
  const std::size_t point = text.find('.');
  if (point != std::string_view::npos && point > 0 && is_digit(text[point - 1])) {
    const std::string_view fraction = text.substr(point + 1);
    const bool is_zero = std::all_of(fraction.begin(), fraction.end(), [](char c) { return c == '0'; });
    if (is_zero) text = text.substr(0, point);
  }
  return plain_integer(text);
}

std::optional<double> real_of_cell(std::string_view text) {
  text = without_plus(without_blanks(text));
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small is a zero, or nearly; too large is no number that we could hold.
    value = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
    return value;
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<bool> boolean_of_cell(std::string_view text) {
  text = without_blanks(text);
  if (same_word(text, "true")) return true;
  if (same_word(text, "false")) return false;
  return std::nullopt;
}

bool starts_as_date(std::string_view text) {
  text = without_blanks(text);
  return text.size() >= 8 && std::all_of(text.begin(), text.begin() + 4, is_digit) &&
         (text[4] == '-' || text[4] == '/');
}

std::optional<TimeUs> instant_of_cell(std::string_view text) {
  constexpr std::size_t kDateLength = 10;
  text = without_blanks(text);
  if (text.find_first_of("Zz+-", kDateLength) == std::string_view::npos) return std::nullopt;
  const Result<TimeUs> time = base::parse_time(text);
  return time ? std::optional<TimeUs>(*time) : std::nullopt;
}

void TypeVote::add(std::string_view text) {
  any_ = true;
  if (integer_) integer_ = plain_integer(without_blanks(text)).has_value();
  // A whole number is a number and nothing else that could win.
  if (integer_) {
    boolean_ = time_ = false;
    return;
  }
  if (real_) real_ = real_of_cell(text).has_value();
  if (boolean_) boolean_ = boolean_of_cell(text).has_value();
  if (time_) time_ = starts_as_date(text) && base::parse_time(without_blanks(text)).has_value();
}

table::ColumnType TypeVote::winner() const {
  if (!any_) return table::ColumnType::text;
  if (boolean_) return table::ColumnType::boolean;
  if (integer_) return table::ColumnType::integer;
  if (real_) return table::ColumnType::real;
  if (time_) return table::ColumnType::time;
  return table::ColumnType::text;
}

}  // namespace trimtab::ingest
