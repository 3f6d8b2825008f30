#include "base/id.h"

#include <cerrno>
#include <openssl/crypto.h>
#include <sys/random.h>
#include <vector>

#include "base/hex.h"
#include "base/result.h"

namespace trimtab::base {
namespace {

constexpr int kIdBytes = 16;

}  // namespace

std::string random_id() { return random_hex(kIdBytes); }

std::string random_hex(int bytes) {
  CHECK(bytes >= 0);
  std::vector<unsigned char> random(static_cast<std::size_t>(bytes));
  std::size_t filled = 0;
  while (filled < random.size()) {
    const ssize_t got = ::getrandom(random.data() + filled, random.size() - filled, 0);
    // Without randomness there is no identity and no secret: nothing sensible is left to do.
    CHECK(got > 0 || errno == EINTR);
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  return to_hex(random);
}

bool is_id(std::string_view text) { return is_hex(text, kIdBytes * 2); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace trimtab::base
