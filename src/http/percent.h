// The text of URLs: percent encoding (RFC 3986), and whether bytes are fit to be shown or stored as text.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::http {

// Errors: malformed (a '%' without two hexadecimal digits behind it).
Result<std::string> decode_percent(std::string_view text, bool plus_is_blank = false);

// Well-formed UTF-8 without overlong forms and surrogates.
bool is_utf8(std::string_view text);

// What a caller sent, fit for a message: in ASCII, other bytes as '?', at most 120 characters and then "…".
std::string shown(std::string_view text);

// ASCII letters compare without case, as header names and host names do.
bool equal_without_case(std::string_view a, std::string_view b);

}  // namespace trimtab::http
