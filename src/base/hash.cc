#include "base/hash.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <vector>

#include "base/file.h"
#include "base/hex.h"

namespace trimtab::base {
namespace {

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kHashedBytes = 256 * 1024;

// Looked up once: OpenSSL 3 would otherwise search its providers at every use, which costs more than hashing
// a short text. Lives as long as the program.
const EVP_MD* algorithm() {
  static const EVP_MD* const kAlgorithm = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

}  // namespace

struct Sha256::State {
  State() : context(::EVP_MD_CTX_new()) {}
  ~State() { ::EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  EVP_MD_CTX* context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  CHECK(state_->context != nullptr && ::EVP_DigestInit_ex(state_->context, algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  CHECK(::EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
  std::array<unsigned char, kDigestBytes> digest{};
  CHECK(::EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1);
  return to_hex(digest);
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, kDigestBytes> digest{};
  CHECK(::EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, algorithm(), nullptr) == 1);
  return to_hex(digest);
}

Result<std::string> sha256_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(errno_error(errno, "cannot open '" + path.string() + "'"));
  Sha256 hash;
  std::vector<char> buffer(kHashedBytes);
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got == 0) return hash.finish();
    if (got > 0) hash.update({buffer.data(), static_cast<std::size_t>(got)});
    if (got < 0 && errno != EINTR) return fail(errno_error(errno, "cannot read '" + path.string() + "'"));
  }
}

bool is_sha256(std::string_view text) { return is_hex(text, kDigestBytes * 2); }

}  // namespace trimtab::base
