#include "base/signature.h"

#include <memory>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <optional>
#include <string>

#include "base/base64.h"

namespace trimtab::base {
namespace {

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using Number = std::unique_ptr<BIGNUM, void (*)(BIGNUM*)>;
using Parameters = std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)>;

constexpr std::size_t kCoordinateBytes = 32;
constexpr int kRsaBitsMin = 2048;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return {BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr), BN_free};
}

tl::unexpected<Error> no_key() {
  return fail(ErrorCode::invalid, "the key of a signature is none, or of another kind");
}

Result<std::string> part_of(const Json& key, const char* name) {
  const std::optional<std::string> bytes = from_base64_url(key.text_or(name));
  if (!bytes || bytes->empty()) return no_key();
  return *bytes;
}

Result<Key> make_key(const char* kind, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder), OSSL_PARAM_free);
  const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
      EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return no_key();
  }
  return Key(key, EVP_PKEY_free);
}

Result<Key> rsa_key(const Json& json) {
  if (json.text_or("kty") != "RSA") return no_key();
  const Number modulus = number_of(TRY(part_of(json, "n")));
  const Number exponent = number_of(TRY(part_of(json, "e")));
  const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  Key key = TRY(make_key("RSA", builder.get()));
  if (EVP_PKEY_get_bits(key.get()) < kRsaBitsMin) return no_key();
  return key;
}

Result<Key> ec_key(const Json& json) {
  if (json.text_or("kty") != "EC" || json.text_or("crv") != "P-256") return no_key();
  const std::string x = TRY(part_of(json, "x"));
  const std::string y = TRY(part_of(json, "y"));
  if (x.size() != kCoordinateBytes || y.size() != kCoordinateBytes) return no_key();
  const std::string point = "\x04" + x + y;
  const Builder builder(OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free);
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return make_key("EC", builder.get());
}

// A token carries r and s side by side; OpenSSL wants them as DER.
Result<std::string> der_of(std::string_view signature) {
  if (signature.size() != 2 * kCoordinateBytes)
    return fail(ErrorCode::unauthenticated, "the signature is not the key's");
  const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> pair(ECDSA_SIG_new(), ECDSA_SIG_free);
  ECDSA_SIG_set0(pair.get(), number_of(signature.substr(0, kCoordinateBytes)).release(),
                 number_of(signature.substr(kCoordinateBytes)).release());
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &bytes);
  CHECK(size > 0);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

Status check_signature(std::string_view algorithm, const Json& key, std::string_view text,
                       std::string_view signature) {
  const bool is_rsa = algorithm == "RS256";
  if (!is_rsa && algorithm != "ES256") {
    return fail(ErrorCode::unsupported,
                "signatures of the algorithm '" + std::string(algorithm.substr(0, 20)) + "' are not taken");
  }
  const Key known = TRY(is_rsa ? rsa_key(key) : ec_key(key));
  const std::string bytes = is_rsa ? std::string(signature) : TRY(der_of(signature));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const bool is_good =
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, known.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(bytes), bytes.size(), bytes_of(text), text.size()) == 1;
  if (is_good) return {};
  return fail(ErrorCode::unauthenticated, "the signature is not the key's");
}

}  // namespace trimtab::base
