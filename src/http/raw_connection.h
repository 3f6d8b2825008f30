// For tests: a server with a few routes, and a socket that sends exactly the bytes it is told to.
#pragma once

#include <algorithm>
#include <cerrno>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "base/file.h"
#include "http/server.h"

namespace trimtab::http {

struct RawReply {
  int status = 0;  // 0: the connection ended without one.
  std::string head;
  std::string body;

  bool has(std::string_view header_line) const { return head.find(header_line) != std::string::npos; }
  Json json() const { return base::parse_json(body).value_or(Json()); }
  std::string code() const { return json()["error"].text_or("code"); }
  std::string message() const { return json()["error"].text_or("message"); }
  std::string hint() const { return json()["error"].text_or("hint"); }
};

class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_open_ = ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool is_open() const { return is_open_; }
  int descriptor() const { return socket_.get(); }

  void wait_at_most(int patience_ms) { patience_ms_ = patience_ms; }
  // False when the server has closed its end.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  // The next reply; one to HEAD has no body.
  RawReply read(bool has_body = true) {
    RawReply reply;
    std::size_t end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return reply;
    }
    reply.head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    reply.status = std::stoi(reply.head.substr(9, 3));
    const std::size_t length_at = reply.head.find("Content-Length: ");
    const bool counts = has_body && length_at != std::string::npos;
    const std::size_t length = counts ? std::stoul(reply.head.substr(length_at + 16)) : 0;
    while (received_.size() < length && receive()) {
    }
    reply.body = received_.substr(0, length);
    received_.erase(0, length);
    return reply;
  }

  RawReply exchange(std::string_view bytes) {
    send(bytes);
    return read();
  }

  // True when the server closes within `patience_ms`, and has sent nothing more.
  bool is_closed_by_server(int patience_ms = 5000) {
    patience_ms_ = patience_ms;
    const bool got_more = receive();
    return !got_more && received_.empty() && !timed_out_;
  }

 private:
  bool receive() {
    pollfd wanted{socket_.get(), POLLIN, 0};
    timed_out_ = ::poll(&wanted, 1, patience_ms_) == 0;
    if (timed_out_) return false;
    char bytes[16384];
    const ssize_t count = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  base::Descriptor socket_;
  bool is_open_ = false;
  std::string received_;
  int patience_ms_ = 20'000;  // Generous: the machine of a test run may be busy.
  bool timed_out_ = false;
};

inline Route make_route(std::string method, std::string path, Handler handler,
                        Placement placement = Placement::io, Permission permission = Permission::open) {
  Route route;
  route.method = std::move(method);
  route.path = std::move(path);
  route.summary = "For a test.";
  route.permission = permission;
  route.placement = placement;
  route.handler = std::move(handler);
  return route;
}

// Answers with what it was asked.
inline Answer echo(const Request& request, ReplyPromise) {
  std::string text = std::string(request.method) + " " + std::string(request.path);
  if (!request.query.empty()) text += "?" + std::string(request.query);
  for (const std::string& value : request.path_values) text += " [" + value + "]";
  return Reply::text(text + " " + std::string(request.body));
}

inline std::unique_ptr<Server> start_server(std::vector<Route> routes, ServerOptions options = {}) {
  Result<Router> router = Router::make(std::move(routes));
  CHECK(router.has_value());
  Result<std::unique_ptr<Server>> server = Server::start(std::move(options), *std::move(router));
  CHECK(server.has_value());
  return *std::move(server);
}

inline std::string get(std::string_view path, std::string_view more_headers = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more_headers) + "\r\n";
}

inline std::string post(std::string_view path, std::string_view body, std::string_view more_headers = {}) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more_headers) + "\r\n" + std::string(body);
}

}  // namespace trimtab::http
