#include "base/fast_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace trimtab::base {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the hash of the same bytes must be the same everywhere");

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kSecond = 0xd6e8feb86659fd93;
constexpr std::uint64_t kThird = 0xa0761d6478bd642f;

// Both halves of the product: every bit of both factors reaches every bit of the result.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* from, std::size_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}

}  // namespace

std::uint64_t fast_hash(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = seed ^ kFirst;
  const char* next = bytes.data();
  std::size_t left = bytes.size();
  for (; left > 16; left -= 16, next += 16) hash = fold(load(next, 8) ^ kSecond, load(next + 8, 8) ^ hash);
  const std::uint64_t low = left > 0 ? load(next, left < 8 ? left : 8) : 0;
  const std::uint64_t high = left > 8 ? load(next + 8, left - 8) : 0;
  hash = fold(low ^ kSecond, high ^ hash);
  return fold(hash ^ kThird, bytes.size() ^ kSecond);
}

std::uint64_t fast_hash_pair(std::uint64_t a, std::uint64_t b) {
  return fold(fold(a ^ kFirst, kSecond) ^ kThird, b ^ kSecond);
}

}  // namespace trimtab::base
