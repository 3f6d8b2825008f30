#include "base/tls.h"

#include <array>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"

namespace trimtab::base {
namespace {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

// Forward secrecy and authenticated encryption alone; TLS 1.3 has nothing else anyway.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::string openssl_problem() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection ended";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

int choose_http(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                unsigned int offered_length, void*) {
  constexpr std::array<unsigned char, 9> kHttp = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, length, kHttp.data(), kHttp.size(), offered, offered_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

std::string fingerprint_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size <= 0) return {};
  std::string hash = sha256({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  OPENSSL_free(bytes);
  return hash;
}

// What tells that a file is another one than before.
std::string stamp_of(const TlsFiles& files) {
  std::string stamp;
  for (const std::filesystem::path& file : {files.certificate, files.key}) {
    struct stat facts{};
    if (::stat(file.c_str(), &facts) != 0) continue;
    stamp += std::to_string(facts.st_size) + "/" + std::to_string(facts.st_mtim.tv_sec) + "." +
             std::to_string(facts.st_mtim.tv_nsec) + "/" + std::to_string(facts.st_ino) + ";";
  }
  return stamp;
}

}  // namespace

struct TlsSession::State {
  explicit State(SSL_CTX* context) : ssl(SSL_new(context), SSL_free) { CHECK(ssl != nullptr); }

  Moved moved(int result) {
    Moved moved;
    if (result > 0) {
      moved.bytes = static_cast<std::size_t>(result);
      return moved;
    }
    switch (SSL_get_error(ssl.get(), result)) {
      case SSL_ERROR_WANT_READ:
        moved.wants = Wants::to_read;
        break;
      case SSL_ERROR_WANT_WRITE:
        moved.wants = Wants::to_write;
        break;
      case SSL_ERROR_ZERO_RETURN:
        moved.wants = Wants::the_end;
        break;
      default:
        moved.wants = Wants::failed;
        problem = openssl_problem();
        is_broken = true;
    }
    return moved;
  }

  std::unique_ptr<SSL, void (*)(SSL*)> ssl;
  std::string problem;
  bool is_broken = false;  // Nothing may be sent any more.
};

TlsSession::TlsSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsSession::~TlsSession() = default;

TlsSession::Moved TlsSession::read(std::span<char> room) {
  ERR_clear_error();
  return state_->moved(SSL_read(state_->ssl.get(), room.data(), static_cast<int>(room.size())));
}

TlsSession::Moved TlsSession::write(std::string_view bytes) {
  ERR_clear_error();
  return state_->moved(SSL_write(state_->ssl.get(), bytes.data(), static_cast<int>(bytes.size())));
}

void TlsSession::say_goodbye() {
  if (state_->is_broken || SSL_in_init(state_->ssl.get()) != 0) return;
  ERR_clear_error();
  SSL_shutdown(state_->ssl.get());
}

std::string TlsSession::problem() const { return state_->problem; }

struct TlsServer::State {
  Context context{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};

  static Result<std::shared_ptr<const State>> load(const TlsFiles& files);
};

Result<std::shared_ptr<const TlsServer::State>> TlsServer::State::load(const TlsFiles& files) {
  const auto refuse = [](const std::string& what, const std::filesystem::path& file) {
    return fail(ErrorCode::invalid, what + " '" + file.string() + "': " + openssl_problem(),
                "both files are PEM; the certificate's own comes first in its file");
  };
  for (const std::filesystem::path& file : {files.certificate, files.key}) {
    if (!std::filesystem::exists(file))
      return fail(ErrorCode::not_found, "there is no file '" + file.string() + "'");
  }
  auto state = std::make_shared<State>();
  SSL_CTX* context = state->context.get();
  CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  CHECK(SSL_CTX_set_cipher_list(context, kCiphers) == 1);
  SSL_CTX_set_alpn_select_cb(context, choose_http, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return refuse("this is no certificate", files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return refuse("this is no private key of the certificate", files.key);
  }
  return std::shared_ptr<const State>(std::move(state));
}

TlsServer::TlsServer(TlsFiles files, std::shared_ptr<const State> state)
    : files_(std::move(files)),
      state_(std::move(state)),
      stamp_(stamp_of(files_)),
      looked_at_(steady_now()) {}
TlsServer::~TlsServer() = default;

Result<std::unique_ptr<TlsServer>> TlsServer::make(TlsFiles files) {
  std::shared_ptr<const State> state = TRY(State::load(files));
  return std::unique_ptr<TlsServer>(new TlsServer(std::move(files), std::move(state)));
}

// Under the lock. A key that does not fit its certificate yet is one that is just being written.
void TlsServer::look_again() {
  if (steady_now() - looked_at_ < kSecondUs) return;
  looked_at_ = steady_now();
  std::string stamp = stamp_of(files_);
  if (stamp == stamp_) return;
  stamp_ = std::move(stamp);
  Result<std::shared_ptr<const State>> state = State::load(files_);
  if (!state) return log_warning("tls", "the old certificate stays: " + render(state.error()));
  state_ = *std::move(state);
  log_info("tls", "another certificate is in use: " + files_.certificate.string());
}

std::unique_ptr<TlsSession> TlsServer::accept(int socket) {
  std::shared_ptr<const State> state;
  {
    const std::lock_guard lock(mutex_);
    look_again();
    state = state_;
  }
  // The session keeps what it needs of the context.
  auto session = std::make_unique<TlsSession::State>(state->context.get());
  SSL_set_fd(session->ssl.get(), socket);
  SSL_set_accept_state(session->ssl.get());
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(session)));
}

Result<std::string> certificate_fingerprint(const std::filesystem::path& file) {
  const std::unique_ptr<BIO, int (*)(BIO*)> in(BIO_new_file(file.c_str(), "r"), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  if (certificate) return fingerprint_of(certificate.get());
  return fail(ErrorCode::invalid, "this is no certificate '" + file.string() + "': " + openssl_problem());
}

Result<std::unique_ptr<TlsSession>> TlsClient::connect(int socket, const std::string& host,
                                                       const TlsTrust& trust) {
  const Context context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  const bool by_name = trust.fingerprint.empty();
  if (by_name) {
    SSL_CTX_set_default_verify_paths(context.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  auto state = std::make_unique<TlsSession::State>(context.get());
  SSL* ssl = state->ssl.get();
  SSL_set_fd(ssl, socket);
  SSL_set_tlsext_host_name(ssl, host.c_str());
  if (by_name) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // An address is looked for among the certificate's addresses, and is no name.
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1)
      SSL_set1_host(ssl, host.c_str());
  }
  ERR_clear_error();
  if (SSL_connect(ssl) != 1) {
    const long verdict = SSL_get_verify_result(ssl);
    if (by_name && verdict != X509_V_OK) {
      return fail(ErrorCode::invalid, "the certificate of " + host + " is not to be believed: " +
                                          X509_verify_cert_error_string(verdict));
    }
    return fail(ErrorCode::busy, "no TLS connection to " + host + ": " + openssl_problem());
  }
  if (!by_name) {
    const std::unique_ptr<X509, void (*)(X509*)> peer(SSL_get1_peer_certificate(ssl), X509_free);
    if (!peer || !equal_in_constant_time(fingerprint_of(peer.get()), trust.fingerprint))
      return fail(ErrorCode::invalid,
                  "the certificate of " + host + " is not that of the server of this home");
  }
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(state)));
}

}  // namespace trimtab::base
