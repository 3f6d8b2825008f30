// The HTTP server: callbacks on Boost.Asio, one io_context per thread, a bounded pool for handlers that read
// disk. Refuses before any handler: a foreign Host (DNS rebinding), a foreign Origin or Sec-Fetch-Site on
// anything but GET and HEAD, bodies and headers over the limit, a missing token. Knows no domain.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/tls.h"
#include "http/caller.h"
#include "http/route.h"

namespace trimtab::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free one.
  // The listening socket of a server before this one (Server::listener), to go on with: who connected between
  // the two is waiting in it. Not taken over, but doubled; -1: a new one is made.
  int listener = -1;
  int io_threads = 2;
  int pool_threads = 2;
  int pool_queue_max = 1024;  // More waiting than this is answered 503.
  std::uint64_t body_bytes_max = 16u << 20;
  // Where the bodies of routes that take files are kept meanwhile; empty: these are no longer than others.
  std::filesystem::path body_folder;
  std::uint64_t received_bytes_max = 256u << 20;  // Of all large bodies being received at a time; then 503.
  std::uint64_t header_bytes_max = 32u << 10;
  base::TimeUs idle_timeout = 60 * base::kSecondUs;  // Between requests, and for a slow sender.
  int connections_max = 4096;
  std::vector<std::string> hosts_allowed;  // Beside 127.0.0.1, localhost, [::1] and `host`.
  // Answers to any Host, for a container that only its platform can reach; pages of other origins are still
  // refused.
  bool answers_any_host = false;
  std::shared_ptr<base::TlsServer> tls;    // Null: plain HTTP.
  std::shared_ptr<Doorkeeper> doorkeeper;  // Null: nobody has to say who they are.
  std::string token;                       // For Permission::token.
  bool clock_is_manual = false;            // For Permission::clock.
  // Words the refusal (400, 404, 405) of a path that is none, or of a path or method that no route has, and
  // that of an address that is too long (414, the path as sent), for callers who expect another shape than
  // ours; nothing leaves it as it is. Runs on the io threads.
  std::function<std::optional<Reply>(std::string_view path, const Error& error, int status)> no_route;
  // Gives a refusal that is the server's own, whatever for, the body that callers of this path expect. The
  // reply carries its error. Runs on the io threads.
  std::function<void(const Request&, Reply&)> reword;
};

// Thread-safe.
class Server {
 public:
  // Binds and starts to answer. Errors: address_in_use (names the address), internal.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Router router);
  ~Server();  // stop().

  int port() const;
  // The socket that it listens on, doubled: as long as somebody has it, who connects waits to be accepted.
  // Errors: internal (no descriptors are left).
  Result<base::Descriptor> listener() const;
  // Stops accepting; for `farewell` answers what still comes on connections that are open, and ends each with
  // its answer, because a client may be sending on a connection that seems idle here; then lets requests in
  // flight finish (at most `drain`), and closes.
  void stop(base::TimeUs drain = 5 * base::kSecondUs, base::TimeUs farewell = 0);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::http
