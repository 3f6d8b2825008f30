#include "base/checksum.h"

#include <array>
#include <cstddef>

namespace trimtab::base {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Bits reversed.
constexpr std::size_t kSlices = 8;                 // Bytes that one step of the loop takes.

using Table = std::array<std::array<std::uint32_t, 256>, kSlices>;

// Row 0 is the textbook's table; row n is row 0 after n further zero bytes.
constexpr Table make_table() {
  Table table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = sum;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t sum = table[slice - 1][byte];
      table[slice][byte] = (sum >> 8) ^ table[0][sum & 0xff];
    }
  }
  return table;
}

constexpr Table kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  std::uint32_t sum = ~before;
  const auto* next = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= kSlices; left -= kSlices, next += kSlices) {
    sum ^= static_cast<std::uint32_t>(next[0]) | static_cast<std::uint32_t>(next[1]) << 8 |
           static_cast<std::uint32_t>(next[2]) << 16 | static_cast<std::uint32_t>(next[3]) << 24;
    sum = kTable[7][sum & 0xff] ^ kTable[6][(sum >> 8) & 0xff] ^ kTable[5][(sum >> 16) & 0xff] ^
          kTable[4][sum >> 24] ^ kTable[3][next[4]] ^ kTable[2][next[5]] ^ kTable[1][next[6]] ^
          kTable[0][next[7]];
  }
  for (; left > 0; --left, ++next) sum = (sum >> 8) ^ kTable[0][(sum ^ *next) & 0xff];
  return ~sum;
}

}  // namespace trimtab::base
