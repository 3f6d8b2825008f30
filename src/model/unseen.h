// How an encoded feature says that there is nothing to say.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace trimtab::model {

// Null, or a number that is none.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
// A text that training did not know: another of the many NaN, the same to whoever calculates, and kept apart
// by whoever counts.
inline constexpr std::uint64_t kUnseenBits = 0x7ff8'0000'0000'0001;
inline constexpr double kUnseen = std::bit_cast<double>(kUnseenBits);
inline bool is_unseen(double encoded) { return std::bit_cast<std::uint64_t>(encoded) == kUnseenBits; }

}  // namespace trimtab::model
