// A small blocking HTTP/1.1 client on one keep-alive connection: the command line talks to its server with
// it, a backtest replays a year of requests through it, and an identity provider is asked by it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/tls.h"

namespace trimtab::http {

struct ClientReply {
  int status = 0;
  std::string body;
};

// Belongs to one thread. Reconnects once when the server closed an idle connection.
class Client {
 public:
  Client(std::string host, int port, base::TimeUs timeout = 60 * base::kSecondUs);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  void set_header(std::string name, std::string value);  // Sent with every request.
  void set_tls(base::TlsTrust trust);                    // From the next connection on.
  // Errors: busy (no connection, connection lost), deadline, malformed (an answer that is no HTTP).
  Result<ClientReply> send(std::string_view method, std::string_view path, std::string_view body = {},
                           std::string_view content_type = "application/json");

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::http
