// Base64 (RFC 4648), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace trimtab::base {

std::string to_base64(std::string_view bytes);
// As Python's b64decode: what is not of the alphabet is skipped; nothing when the padding is wrong.
std::optional<std::string> from_base64(std::string_view text);

// In the alphabet of addresses and without padding, as JSON Web Tokens have it; nothing for anything else.
std::string to_base64_url(std::string_view bytes);
std::optional<std::string> from_base64_url(std::string_view text);

}  // namespace trimtab::base
