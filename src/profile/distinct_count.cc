#include "profile/distinct_count.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/result.h"

namespace trimtab::profile {

std::uint64_t hash_number(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ull;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
  return value ^ (value >> 31);
}

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = hash_number(text.size());
  for (std::size_t start = 0; start < text.size(); start += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = std::min(text.size(), start + 8); i > start; --i) {
      word = (word << 8) | static_cast<unsigned char>(text[i - 1]);
    }
    hash = hash_number(hash ^ word);
  }
  return hash;
}

void add_hash(std::vector<std::uint8_t>& registers, std::uint64_t hash) {
  if (registers.empty()) registers.resize(kRegisters);
  // The first bits choose the register; it keeps the longest run of zeros, plus one, that followed them.
  const std::uint64_t rest = (hash << kRegisterBits) | (std::uint64_t{1} << (kRegisterBits - 1));
  std::uint8_t& kept = registers[hash >> (64 - kRegisterBits)];
  kept = std::max(kept, static_cast<std::uint8_t>(std::countl_zero(rest) + 1));
}

void merge_registers(std::vector<std::uint8_t>& registers, const std::vector<std::uint8_t>& other) {
  if (other.empty()) return;
  if (registers.empty()) registers.resize(kRegisters);
  CHECK(other.size() == registers.size());
  for (std::size_t i = 0; i < kRegisters; ++i) registers[i] = std::max(registers[i], other[i]);
}

std::int64_t estimate_distinct(const std::vector<std::uint8_t>& registers) {
  if (registers.empty()) return 0;
  constexpr auto kCount = static_cast<double>(kRegisters);
  constexpr double kAlpha = 0.7213 / (1 + 1.079 / kCount);
  double sum = 0;
  for (const std::uint8_t value : registers) sum += std::ldexp(1.0, -value);
  const double raw = kAlpha * kCount * kCount / sum;
  const auto zeros = static_cast<double>(std::count(registers.begin(), registers.end(), 0));
  // Of few values, the registers that none has touched tell more.
  if (raw <= 2.5 * kCount && zeros > 0) return std::llround(kCount * std::log(kCount / zeros));
  return std::llround(raw);
}

}  // namespace trimtab::profile
