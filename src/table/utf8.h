// Whether bytes are text. The engine's text functions believe it without looking: some never return when a
// byte is out of place, so nothing enters a batch unseen.
#pragma once

#include <string>
#include <string_view>

namespace trimtab::table {

// True when `bytes` is well-formed UTF-8: shortest forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view bytes);
// `bytes` with U+FFFD in the place of each byte that is part of no character.
std::string repair_utf8(std::string_view bytes);

}  // namespace trimtab::table
