// Bytes as lower-case hexadecimal digits: the spelling of every hash and identifier.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace trimtab::base {

std::string to_hex(std::span<const unsigned char> bytes);
std::string to_hex(std::string_view bytes);
// True when `text` is exactly `digits` lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits);

}  // namespace trimtab::base
