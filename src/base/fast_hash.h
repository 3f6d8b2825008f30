// A quick 64-bit hash for tables and comparisons. Its values are kept on disk, so they never change. Whoever
// may choose the bytes can make two of them collide: what must be proof against that has a secret seed, or
// SHA-256.
#pragma once

#include <cstdint>
#include <string_view>

namespace trimtab::base {

std::uint64_t fast_hash(std::string_view bytes, std::uint64_t seed = 0);
// One value out of two, in that order.
std::uint64_t fast_hash_pair(std::uint64_t a, std::uint64_t b);

}  // namespace trimtab::base
