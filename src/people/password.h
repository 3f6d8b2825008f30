// Passwords: argon2id with 19 MiB and two passes, about 50 ms of a core. Call hash and verification on a pool
// of few threads, never on an io thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trimtab::people {

// Errors: invalid, for what is guessed first: fewer than 12 bytes, few different characters, the person's
// name, a word of the shortest lists with figures behind it; and for more than 1,024 bytes.
Status check_password(std::string_view password, std::string_view person);

// Errors: busy (no memory).
Result<std::string> hash_password(std::string_view password);
// False for an empty hash, too, in the same time.
bool is_password(std::string_view password, const std::string& hash);

// Twenty-four letters and digits, 142 bits.
std::string random_password();

}  // namespace trimtab::people
