#include "base/id.h"

#include <cerrno>
#include <openssl/crypto.h>
#include <sys/random.h>
#include <vector>

#include "base/hex.h"
#include "base/result.h"

namespace trimtab::base {
namespace {

constexpr std::size_t kIdBytes = 16;

std::vector<unsigned char> random_bytes(std::size_t bytes) {
  std::vector<unsigned char> random(bytes);
  std::size_t filled = 0;
  while (filled < random.size()) {
    const ssize_t got = ::getrandom(random.data() + filled, random.size() - filled, 0);
    // Without randomness there is no identity and no secret: nothing sensible is left to do.
    CHECK(got > 0 || errno == EINTR);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return random;
}

}  // namespace

std::string random_id() { return to_hex(random_bytes(kIdBytes)); }

std::string ordered_id(TimeUs now) {
  constexpr int kTimeBytes = 6;
  std::vector<unsigned char> id = random_bytes(kIdBytes);
  const std::int64_t now_ms = now / kMillisecondUs;
  for (int i = 0; i < kTimeBytes; ++i) {
    id[static_cast<std::size_t>(i)] = static_cast<unsigned char>(now_ms >> 8 * (kTimeBytes - 1 - i));
  }
  id[6] = static_cast<unsigned char>(0x70 | (id[6] & 0x0f));  // The version.
  id[8] = static_cast<unsigned char>(0x80 | (id[8] & 0x3f));  // The variant.
  return to_hex(id);
}

std::string random_hex(int bytes) {
  CHECK(bytes >= 0);
  return to_hex(random_bytes(static_cast<std::size_t>(bytes)));
}

bool is_id(std::string_view text) { return is_hex(text, kIdBytes * 2); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace trimtab::base
