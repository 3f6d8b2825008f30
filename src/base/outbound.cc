#include "base/outbound.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

#include "base/file.h"

namespace trimtab::base {
namespace {

Error lost(std::string why) {
  return {ErrorCode::busy, "the connection failed: " + std::move(why), {}, std::nullopt, nullptr};
}

std::string tls_problem(SSL* tls) {
  const long verified = ::SSL_get_verify_result(tls);
  if (verified != X509_V_OK)
    return std::string("its certificate is not trusted: ") + ::X509_verify_cert_error_string(verified);
  const char* reason = ::ERR_reason_error_string(::ERR_peek_last_error());
  return reason != nullptr ? reason : "the other side hung up";
}

// Made once: it reads all certificates of the system.
SSL_CTX* tls_context() {
  static SSL_CTX* const kContext = [] {
    SSL_CTX* context = ::SSL_CTX_new(::TLS_client_method());
    CHECK(context != nullptr);
    ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ::SSL_CTX_set_default_verify_paths(context);
    return context;
  }();
  return kContext;
}

}  // namespace

struct Outbound::State {
  ~State() { ::SSL_free(tls); }

  Status wait(short events) const {
    const TimeUs left = deadline - steady_now();
    pollfd wanted{socket.get(), events, 0};
    const int ready = left <= 0 ? 0 : ::poll(&wanted, 1, static_cast<int>(left / 1000 + 1));
    if (ready > 0 || (ready < 0 && errno == EINTR)) return {};
    return fail(ErrorCode::deadline, "the other side takes too long");
  }

  // Runs a call of the TLS library until it is done. Its result, or 0 at the end of the stream.
  template <class Call>
  Result<int> run_tls(const Call& call) {
    while (true) {
      ::ERR_clear_error();
      const int done = call();
      if (done > 0) return done;
      const int why = ::SSL_get_error(tls, done);
      if (why == SSL_ERROR_ZERO_RETURN) return 0;
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return fail(lost(tls_problem(tls)));
      TRY(wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT));
    }
  }

  template <class Call>
  Result<int> run_plain(short events, const Call& call) {
    while (true) {
      const ssize_t done = call();
      if (done >= 0) return static_cast<int>(done);
      if (errno != EAGAIN && errno != EINTR) return fail(lost(std::strerror(errno)));
      TRY(wait(events));
    }
  }

  Status open(const std::string& address, int port);
  Status shake_hands(const std::string& name);

  Descriptor socket;
  SSL* tls = nullptr;
  TimeUs deadline = 0;
};

Status Outbound::State::open(const std::string& address, int port) {
  addrinfo wanted{};
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0)
    return fail(lost("'" + address + "' is no address"));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  socket = Descriptor(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail(lost(std::strerror(errno)));
  if (::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return fail(lost(std::strerror(errno)));
  TRY(wait(POLLOUT));
  int problem = 0;
  socklen_t size = sizeof problem;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &problem, &size);
  return problem == 0 ? Status() : fail(lost(std::strerror(problem)));
}

Status Outbound::State::shake_hands(const std::string& name) {
  tls = ::SSL_new(tls_context());
  CHECK(tls != nullptr && ::SSL_set_fd(tls, socket.get()) == 1);
  X509_VERIFY_PARAM* expected = ::SSL_get0_param(tls);
  // An address is looked for among the certificate's addresses, a name among its names.
  if (::X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) != 1) {
    ::SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(::SSL_set1_host(tls, name.c_str()) == 1);
    ::SSL_set_tlsext_host_name(tls, name.c_str());
  }
  if (TRY(run_tls([this] { return ::SSL_connect(tls); })) == 1) return {};
  return fail(lost("the other side hung up"));
}

Outbound::Outbound(std::unique_ptr<State> state) : state_(std::move(state)) {}
Outbound::Outbound(Outbound&&) noexcept = default;
Outbound& Outbound::operator=(Outbound&&) noexcept = default;
Outbound::~Outbound() = default;

Result<Outbound> Outbound::connect(const std::string& address, int port, const std::string& tls_name,
                                   TimeUs deadline) {
  auto state = std::make_unique<State>();
  state->deadline = deadline;
  TRY(state->open(address, port));
  if (!tls_name.empty()) TRY(state->shake_hands(tls_name));
  return Outbound(std::move(state));
}

Status Outbound::write(std::string_view bytes) {
  State& state = *state_;
  while (!bytes.empty()) {
    const int part = static_cast<int>(std::min<std::size_t>(bytes.size(), 1u << 20));
    const int sent =
        state.tls != nullptr
            ? TRY(state.run_tls([&] { return ::SSL_write(state.tls, bytes.data(), part); }))
            : TRY(state.run_plain(POLLOUT, [&] {
                return ::send(state.socket.get(), bytes.data(), static_cast<std::size_t>(part), MSG_NOSIGNAL);
              }));
    if (sent == 0) return fail(lost("the other side hung up"));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> Outbound::read(std::size_t bytes_max) {
  State& state = *state_;
  std::string bytes(bytes_max, '\0');
  const int size = static_cast<int>(bytes_max);
  const int count = state.tls != nullptr
                        ? TRY(state.run_tls([&] { return ::SSL_read(state.tls, bytes.data(), size); }))
                        : TRY(state.run_plain(POLLIN, [&] {
                            return ::recv(state.socket.get(), bytes.data(), bytes_max, 0);
                          }));
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

}  // namespace trimtab::base
