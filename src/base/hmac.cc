#include "base/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/result.h"

namespace trimtab::base {

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  CHECK(::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), begin, text.size(),
               reinterpret_cast<unsigned char*>(digest.data()), &size) != nullptr);
  digest.resize(size);
  return digest;
}

}  // namespace trimtab::base
