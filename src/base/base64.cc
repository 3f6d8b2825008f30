#include "base/base64.h"

#include <algorithm>
#include <cstdint>

namespace trimtab::base {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, text.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(text[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? kBase64[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  std::size_t count = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    const std::size_t value = kBase64.find(c);
    padding += c == '=' ? 1 : 0;
    if (value == std::string_view::npos) continue;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    // Of four characters, the second, third and fourth complete a byte.
    if (const std::size_t place = count++ % 4; place > 0)
      out += static_cast<char>(bits >> (6 - 2 * place) & 0xff);
  }
  const std::size_t wanted = (4 - count % 4) % 4;
  if (count % 4 == 1 || padding < wanted) return std::nullopt;
  return out;
}

std::string to_base64_url(std::string_view bytes) {
  std::string out = to_base64(bytes);
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  out.erase(std::min(out.find('='), out.size()));
  return out;
}

std::optional<std::string> from_base64_url(std::string_view text) {
  std::string digits(text);
  for (char& c : digits) {
    const bool is_other = c == '+' || c == '/' || c == '=';
    if (c == '-')
      c = '+';
    else if (c == '_')
      c = '/';
    if (is_other || kBase64.find(c) == std::string_view::npos) return std::nullopt;
  }
  return from_base64(digits.append((4 - digits.size() % 4) % 4, '='));
}

}  // namespace trimtab::base
