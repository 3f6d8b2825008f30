// Identifiers as MLflow writes them: 32 lower-case hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace trimtab::base {

// 128 random bits.
std::string random_id();
// For what is inserted at a high rate under an index of its ids: the ids of one time are neighbours there, so
// that a commit writes few pages, however large the index is. A UUID of version 7 (RFC 9562) without its
// dashes: the milliseconds of `now`, and 74 random bits; within a millisecond there is no order. It tells
// when it was made, and whoever has one knows how others begin: never for what is a secret.
std::string ordered_id(TimeUs now);
// `bytes` random bytes from the kernel as hexadecimal digits; for tokens.
std::string random_hex(int bytes);
bool is_id(std::string_view text);
// Compares secrets in time that depends on the length alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace trimtab::base
