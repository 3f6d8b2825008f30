// The text of a personal access token: a prefix by which scanners of leaked secrets know it, 256 random bits,
// and a checksum, so that a mistyped one is refused without looking anywhere.
#pragma once

#include <string>
#include <string_view>

namespace trimtab::people {

std::string make_access_token();
bool is_access_token(std::string_view text);

}  // namespace trimtab::people
