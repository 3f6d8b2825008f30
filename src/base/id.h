// Random identifiers, as MLflow writes them: 32 lower-case hexadecimal digits (128 random bits).
#pragma once

#include <string>
#include <string_view>

namespace trimtab::base {

std::string random_id();
// `bytes` random bytes from the kernel as hexadecimal digits; for tokens.
std::string random_hex(int bytes);
bool is_id(std::string_view text);
// Compares secrets in time that depends on the length alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace trimtab::base
