// HMAC-SHA256: says that a text comes from somebody who knows the key.
#pragma once

#include <string>
#include <string_view>

namespace trimtab::base {

// 32 bytes, not as text.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace trimtab::base
