// CRC32C of bytes: tells a torn or rotten block from a whole one. No protection against a forger: that is a
// hash's.
#pragma once

#include <cstdint>
#include <string_view>

namespace trimtab::base {

// The Castagnoli polynomial, as iSCSI and ext4 have it: crc32c("123456789") is 0xe3069283. `before` is the
// sum of the bytes that stand in front of these.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace trimtab::base
