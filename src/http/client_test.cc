#include "http/client.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "http/raw_connection.h"

namespace trimtab::http {
namespace {

// A server that sends exactly the given bytes, one entry per connection, once it has read a whole head.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> replies) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_.get(), 8);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, replies = std::move(replies)] { serve(replies); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void serve(const std::vector<std::string>& replies) {
    for (const std::string& reply : replies) {
      const base::Descriptor socket(::accept(listener_.get(), nullptr, nullptr));
      if (!socket) return;
      ++connections_;
      std::string request;
      char bytes[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t count = ::recv(socket.get(), bytes, sizeof bytes, 0);
        if (count <= 0) break;
        request.append(bytes, static_cast<std::size_t>(count));
      }
      if (reply == "silence") {
        ::recv(socket.get(), bytes, sizeof bytes, 0);  // Until the client gives up.
        continue;
      }
      for (const char c : reply) ::send(socket.get(), &c, 1, MSG_NOSIGNAL);
    }
  }

  base::Descriptor listener_;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

TEST(Client, SendsAndReceivesOnOneConnection) {
  std::atomic<int> headers_seen = 0;
  const auto server = start_server(
      {make_route("POST", "/echo",
                  [&](const Request& request, ReplyPromise) -> Answer {
                    if (request.header("x-mine") == "new" && request.header("authorization") == "Bearer t")
                      ++headers_seen;
                    return Reply::text(
                        std::string(request.header("content-type")) + " " + std::string(request.body), 201);
                  }),
       make_route("GET", "/echo", echo), make_route("DELETE", "/echo", echo)});
  Client client("localhost", server->port());
  client.set_header("X-Mine", "old");
  client.set_header("Authorization", "Bearer t");
  client.set_header("X-Mine", "new");
  for (const std::size_t size : {std::size_t{1}, std::size_t{70'000}, std::size_t{8} << 20}) {
    const std::string body(size, 'x');
    const Result<ClientReply> reply = client.send("POST", "/echo", body);
    ASSERT_TRUE(reply) << base::render(reply.error());
    EXPECT_EQ(reply->status, 201);
    EXPECT_EQ(reply->body, "application/json " + body);
  }
  EXPECT_EQ(headers_seen, 3);
  EXPECT_EQ(client.send("GET", "/echo?a=1")->body, "GET /echo?a=1 ");
  EXPECT_EQ(client.send("HEAD", "/echo")->body, "");
  EXPECT_EQ(client.send("DELETE", "/echo")->body, "DELETE /echo ");
  EXPECT_EQ(client.send("GET", "/none")->status, 404);
  EXPECT_EQ(client.send("GET", "/echo")->status, 200);
}

TEST(Client, ReconnectsOnceWhenAnIdleConnectionWasClosed) {
  ServerOptions options;
  options.idle_timeout = 50'000;
  const auto server = start_server({make_route("GET", "/echo", echo)}, options);
  Client client("127.0.0.1", server->port());
  EXPECT_TRUE(client.send("GET", "/echo"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const Result<ClientReply> reply = client.send("GET", "/echo");
  ASSERT_TRUE(reply) << base::render(reply.error());
  EXPECT_EQ(reply->body, "GET /echo ");
}

TEST(Client, FindsARestartedServer) {
  auto server = start_server({make_route("GET", "/echo", echo)});
  ServerOptions options;
  options.port = server->port();
  Client client("127.0.0.1", server->port());
  EXPECT_TRUE(client.send("GET", "/echo"));
  server.reset();
  const Result<ClientReply> nobody = client.send("GET", "/echo");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::busy);
  EXPECT_EQ(nobody.error().message, "no connection to the server at 127.0.0.1:" +
                                        std::to_string(options.port) + ": Connection refused");
  server = start_server({make_route("GET", "/echo", echo)}, options);
  EXPECT_TRUE(client.send("GET", "/echo"));
}

TEST(Client, ReadsChunksAndInterimReplies) {
  const ScriptedServer server(
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
       "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n"});
  const Result<ClientReply> reply = Client("127.0.0.1", server.port()).send("GET", "/");
  ASSERT_TRUE(reply) << base::render(reply.error());
  EXPECT_EQ(reply->body, "abc0123456789");
}

TEST(Client, SaysWhenAnAnswerIsNoHttp) {
  for (const char* answer :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nunbounded",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n"}) {
    const ScriptedServer server({answer});
    const Result<ClientReply> reply = Client("127.0.0.1", server.port()).send("GET", "/");
    ASSERT_FALSE(reply) << answer;
    EXPECT_EQ(reply.error().code, ErrorCode::malformed) << answer;
  }
}

TEST(Client, DoesNotRepeatARequestThatWasHalfAnswered) {
  const ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 200 OK\r\n"});
  Client client("127.0.0.1", server.port());
  const Result<ClientReply> reply = client.send("POST", "/", "{}");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::busy);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, GivesUpAfterItsTimeout) {
  const ScriptedServer server({"silence"});
  Client client("127.0.0.1", server.port(), 100'000);
  const Result<ClientReply> reply = client.send("GET", "/");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::deadline);
  EXPECT_NE(reply.error().message.find("did not answer within"), std::string::npos);
}

TEST(Client, SaysWhenNobodyListens) {
  const Result<ClientReply> reply = Client("127.0.0.1", 1).send("GET", "/");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::busy);
  EXPECT_EQ(reply.error().hint, "is it running?");
}

}  // namespace
}  // namespace trimtab::http
