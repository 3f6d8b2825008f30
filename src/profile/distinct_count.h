// HyperLogLog (Flajolet et al. 2007): how many different values there were, from 1,024 registers that merge
// by their maximum. The hash is our own and never changes, because states written by one version are merged
// by the next.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace trimtab::profile {

inline constexpr int kRegisterBits = 10;
inline constexpr std::size_t kRegisters = std::size_t{1} << kRegisterBits;

// The finaliser of splitmix64: every bit of the input changes half of the bits of the result.
std::uint64_t hash_number(std::uint64_t value);
// Words of 8 bytes (the last one filled up with zeros, the first byte lowest), each mixed into the hash of
// those before it; the hash of none is the length.
std::uint64_t hash_text(std::string_view text);

// `registers` is empty, or has kRegisters of them.
void add_hash(std::vector<std::uint8_t>& registers, std::uint64_t hash);
void merge_registers(std::vector<std::uint8_t>& registers, const std::vector<std::uint8_t>& other);
std::int64_t estimate_distinct(const std::vector<std::uint8_t>& registers);

}  // namespace trimtab::profile
