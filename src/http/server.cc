// The server listens, hands what it accepts to its io threads in turn, and stops.
#include "http/server.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <future>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "http/io_thread.h"
#include "http/listen_error.h"
#include "http/percent.h"

namespace trimtab::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr int kUnsentBytes = 256 << 10;
constexpr int kRefusedConnectionsMax = 64;  // Beyond connections_max, that are told so at a time.

Accepted accepted(base::Descriptor socket, const tcp::endpoint& peer) {
  asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return {std::move(socket), peer.address().is_v6(), address.is_loopback(), address.to_string()};
}

Result<base::Descriptor> doubled(int socket) {
  base::Descriptor copy(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (copy) return copy;
  return fail(ErrorCode::internal, "the listening socket cannot be kept: " +
                                       error_code(errno, boost::system::system_category()).message());
}

}  // namespace

struct Server::State {
  State(ServerOptions options, Router router) : shared(std::move(options), std::move(router)) {}

  Status listen();
  void accept();
  void accept_waiting();
  Status go_on_listening();
  void stop(base::TimeUs drain, base::TimeUs farewell);

  Shared shared;
  std::vector<std::unique_ptr<IoThread>> threads;
  std::optional<tcp::acceptor> acceptor;    // On the first thread.
  std::optional<asio::steady_timer> pause;  // While there are no free descriptors.
  bool is_short = false;                    // Of descriptors, since the last line in the log about it.
  int port = 0;
  std::size_t next_thread = 0;
  std::mutex stop_mutex;
  bool is_stopped = false;
};

namespace {

Result<tcp::endpoint> resolve(const ServerOptions& options, asio::io_context& context) {
  if (options.port < 0 || options.port > 65535) {
    return fail(ErrorCode::invalid,
                "the port " + std::to_string(options.port) + " is not between 0 and 65535");
  }
  const auto port = static_cast<std::uint16_t>(options.port);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.host, error);
  if (!error) return tcp::endpoint(address, port);
  const auto found = tcp::resolver(context).resolve(options.host, std::to_string(port), error);
  if (!error && !found.empty()) return found.begin()->endpoint();
  return fail(ErrorCode::invalid,
              "the host '" + shown(options.host) + "' cannot be found: " + error.message(),
              "pass --host 127.0.0.1, or an address of this machine");
}

}  // namespace

// Without SO_REUSEPORT: with it a second server of the same user would silently share the port.
Status Server::State::listen() {
  if (shared.options.listener >= 0) return go_on_listening();
  const tcp::endpoint endpoint = TRY(resolve(shared.options, threads[0]->context()));
  acceptor.emplace(threads[0]->context());
  pause.emplace(threads[0]->context());
  error_code error;
  const auto set = [&](const auto& option) {
    if (!error) acceptor->set_option(option, error);
  };
  acceptor->open(endpoint.protocol(), error);
  set(tcp::acceptor::reuse_address(true));
  set(tcp::no_delay(true));  // Accepted sockets inherit it.
  // This, too. For a client that does not read the kernel keeps no more than that of what is still to be
  // sent.
  ::setsockopt(acceptor->native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
  if (!error) ::fcntl(acceptor->native_handle(), F_SETFD, FD_CLOEXEC);
  if (!error) acceptor->non_blocking(true, error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return fail(listen_error(shared.options, error));
  port = acceptor->local_endpoint().port();
  return {};
}

Status Server::State::go_on_listening() {
  acceptor.emplace(threads[0]->context());
  pause.emplace(threads[0]->context());
  base::Descriptor socket = TRY(doubled(shared.options.listener));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  error_code error;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    error = error_code(errno, boost::system::system_category());
  if (!error) acceptor->assign(bound.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket.get(), error);
  if (!error) socket.release();
  if (error) return fail(listen_error(shared.options, error));
  port = acceptor->local_endpoint().port();
  return {};
}

void Server::State::accept() {
  acceptor->async_wait(tcp::acceptor::wait_read, [this](const error_code& error) {
    if (!error) accept_waiting();
  });
}

void Server::State::accept_waiting() {
  while (acceptor->is_open()) {
    tcp::endpoint peer;
    socklen_t size = static_cast<socklen_t>(peer.capacity());
    // Close-on-exec, because worker processes must not inherit the clients.
    base::Descriptor socket(
        ::accept4(acceptor->native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      const bool is_gone = errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
      if (is_gone) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return accept();
      if (!is_short)
        base::log_warning("http", "cannot accept connections: " +
                                      error_code(errno, boost::system::system_category()).message());
      is_short = true;
      pause->expires_after(std::chrono::milliseconds(100));
      return pause->async_wait([this](const error_code& error) {
        if (!error) accept_waiting();
      });
    }
    is_short = false;
    peer.resize(size);
    const int open = ++shared.connections;
    const bool is_refused = open > shared.options.connections_max;
    if (open > shared.options.connections_max + kRefusedConnectionsMax) {
      --shared.connections;
      continue;
    }
    threads[next_thread++ % threads.size()]->adopt(accepted(std::move(socket), peer), is_refused);
  }
}

void Server::State::stop(base::TimeUs drain, base::TimeUs farewell) {
  const std::lock_guard once(stop_mutex);
  if (is_stopped) return;
  is_stopped = true;
  shared.ends_connections = true;
  shared.stopping = farewell == 0;
  std::promise<void> closed;
  threads[0]->post([&] {
    error_code ignored;
    acceptor->close(ignored);
    pause->cancel();
    closed.set_value();
  });
  closed.get_future().wait();
  const auto wait_for_clients = [this](base::TimeUs longest) {
    std::unique_lock lock(shared.mutex);
    shared.all_closed.wait_for(lock, std::chrono::microseconds(longest),
                               [this] { return shared.connections == 0; });
  };
  if (farewell > 0) wait_for_clients(farewell);
  shared.stopping = true;
  for (const auto& thread : threads) thread->drain(false);
  wait_for_clients(drain);
  for (const auto& thread : threads) thread->drain(true);
  shared.pool.stop();
  shared.disk.stop();
  shared.proofs.stop();
  for (const auto& thread : threads) thread->stop();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Router router) {
  auto state = std::make_unique<State>(std::move(options), std::move(router));
  const int threads = std::max(1, state->shared.options.io_threads);
  for (int i = 0; i < threads; ++i) state->threads.push_back(std::make_unique<IoThread>(state->shared));
  TRY(state->listen());
  for (const auto& thread : state->threads) thread->start();
  state->threads[0]->post([raw = state.get()] { raw->accept(); });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { stop(); }

int Server::port() const { return state_->port; }

Result<base::Descriptor> Server::listener() const { return doubled(state_->acceptor->native_handle()); }

void Server::stop(base::TimeUs drain, base::TimeUs farewell) { state_->stop(drain, farewell); }

}  // namespace trimtab::http
