#include "serve/mend_cell.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace trimtab::serve {
namespace {

constexpr std::size_t kUnitBytesMax = 12;
constexpr double kExactMax = 9007199254740992.0;  // 2^53

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string plain(std::string_view level) {
  std::string spelling(trimmed(level));
  for (char& c : spelling) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return spelling;
}

std::string_view without_currency(std::string_view text) {
  constexpr std::array<std::string_view, 4> kSigns = {"$", "€", "£", "¥"};
  for (const std::string_view sign : kSigns) {
    if (text.starts_with(sign)) return trimmed(text.substr(sign.size()));
  }
  return text;
}

// Letters, of any alphabet, and what stands between them; nothing that could be part of a number.
bool is_unit(std::string_view text) {
  constexpr std::array<std::string_view, 6> kMultipliers = {"k", "K", "M", "G", "T", "B"};
  if (text.size() > kUnitBytesMax) return false;
  if (std::find(kMultipliers.begin(), kMultipliers.end(), text) != kMultipliers.end()) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    const bool is_letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<signed char>(c) < 0;
    return is_letter || std::string_view("%/^*'\"$_ ").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::optional<double> number_in(std::string_view text) {
  text = without_currency(trimmed(text));
  if (text.starts_with('+')) text.remove_prefix(1);
  const std::string_view unsigned_text = text.substr(text.starts_with('-') ? 1 : 0);
  const bool begins = !unsigned_text.empty() &&
                      (is_digit(unsigned_text[0]) ||
                       (unsigned_text.size() > 1 && unsigned_text[0] == '.' && is_digit(unsigned_text[1])));
  if (!begins) return std::nullopt;
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || !std::isfinite(number)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!is_unit(trimmed(text))) return std::nullopt;
  return number;
}

Mending mend_cell(table::Batch& rows, int column, int row, const Json& sent) {
  const table::ColumnType type = rows.schema().at(column).type;
  if (sent.is_string() && type != table::ColumnType::text) {
    const std::optional<double> number = number_in(sent.as_string());
    if (number && type == table::ColumnType::real) {
      rows.set_real(column, row, *number);
      return Mending::number;
    }
    if (number && type == table::ColumnType::integer && std::trunc(*number) == *number &&
        std::abs(*number) <= kExactMax) {
      rows.set_integer(column, row, static_cast<std::int64_t>(*number));
      return Mending::number;
    }
  }
  rows.set_null(column, row);
  return Mending::missing;
}

KnownLevels::KnownLevels(const std::vector<std::string>& levels) : known_(levels.begin(), levels.end()) {
  for (const std::string& level : levels) {
    const auto [entry, is_new] = by_plain_.emplace(plain(level), level);
    if (!is_new) entry->second.clear();
  }
}

const std::string* KnownLevels::meant_by(std::string_view level) const {
  if (knows(level)) return nullptr;
  const auto found = by_plain_.find(plain(level));
  return found == by_plain_.end() || found->second.empty() ? nullptr : &found->second;
}

}  // namespace trimtab::serve
