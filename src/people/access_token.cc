#include "people/access_token.h"

#include <array>

#include "base/checksum.h"
#include "base/hex.h"
#include "base/id.h"

namespace trimtab::people {
namespace {

constexpr std::string_view kPrefix = "trimtab_";
constexpr std::size_t kSecretDigits = 64;
constexpr std::size_t kSumDigits = 8;

std::string checksum_of(std::string_view text) {
  const std::uint32_t sum = base::crc32c(text);
  std::array<unsigned char, 4> bytes{};
  for (int i = 0; i < 4; ++i) bytes.at(i) = static_cast<unsigned char>(sum >> (24 - 8 * i));
  return base::to_hex(bytes);
}

}  // namespace

std::string make_access_token() {
  const std::string text = std::string(kPrefix) + base::random_hex(kSecretDigits / 2);
  return text + checksum_of(text);
}

bool is_access_token(std::string_view text) {
  if (text.size() != kPrefix.size() + kSecretDigits + kSumDigits || !text.starts_with(kPrefix)) return false;
  if (!base::is_hex(text.substr(kPrefix.size()), kSecretDigits + kSumDigits)) return false;
  return checksum_of(text.substr(0, text.size() - kSumDigits)) == text.substr(text.size() - kSumDigits);
}

}  // namespace trimtab::people
