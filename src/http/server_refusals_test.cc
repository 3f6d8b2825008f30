// What the server refuses before any handler sees it, each with the status and the words that users meet.
#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>

#include "http/raw_connection.h"

namespace trimtab::http {
namespace {

using namespace std::chrono_literals;

class Refusals : public testing::Test {
 protected:
  static Route json_route(Permission permission, std::string path) {
    return make_route("POST", std::move(path), echo, Placement::io, permission);
  }

  std::unique_ptr<Server> start(ServerOptions options = {}) {
    options.token = "the-token";
    Route upload = make_route("PUT", "/files/{path*}", echo);
    upload.content_types = {"application/octet-stream", "text/csv"};
    Route anything = make_route("POST", "/anything", echo);
    anything.content_types = {"*/*"};
    return start_server(
        {make_route("GET", "/echo", echo), make_route("GET", "/api/v1/endpoints/{name}", echo),
         make_route("DELETE", "/echo", echo), json_route(Permission::open, "/echo"),
         json_route(Permission::token, "/guarded"), json_route(Permission::clock, "/clock"), upload,
         anything},
        std::move(options));
  }

  // A request of its own connection.
  RawReply ask(std::string_view bytes) { return RawConnection(server_->port()).exchange(bytes); }
  // That the reply is a refusal, and the connection then ends.
  RawReply ask_to_the_end(std::string_view bytes) {
    RawConnection connection(server_->port());
    RawReply reply = connection.exchange(bytes);
    EXPECT_TRUE(reply.has("Connection: close\r\n")) << reply.head;
    EXPECT_TRUE(connection.is_closed_by_server());
    return reply;
  }
  RawReply ask_host(std::string_view host) {
    return ask("GET /echo HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
  }

  std::unique_ptr<Server> server_ = start();
};

TEST_F(Refusals, AForeignHost) {
  const RawReply reply = ask_host("evil.example");
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(
      reply.body,
      R"~({"error":{"code":"forbidden","message":"the Host header 'evil.example' is not one of this )~"
      R"~(server's names (a DNS rebinding guard)","hint":"start the server with --allow-host evil.example )~"
      R"~(if it should answer to that name"}})~");
  for (const char* host :
       {"evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80:80",
        "localhost:x", "user@localhost", "::1", "", "[::1", "127.0.0.2", "localhost,evil"}) {
    EXPECT_EQ(ask_host(host).status, 403) << host;
  }
  EXPECT_EQ(ask_host("evil.example:8080").hint(),
            "start the server with --allow-host evil.example if it should answer to that name");
}

TEST_F(Refusals, NoneOfItsOwnHosts) {
  for (const char* host : {"localhost", "LOCALHOST:1234", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80"}) {
    EXPECT_EQ(ask_host(host).status, 200) << host;
  }
  ServerOptions options;
  options.hosts_allowed = {"models.example"};
  server_ = start(options);
  EXPECT_EQ(ask_host("Models.example:7700").status, 200);
  EXPECT_EQ(ask_host("evil.example").status, 403);
}

// A container's platform calls it by names that it does not know; a page of elsewhere is still none of ours.
TEST_F(Refusals, NoHostWhereEveryHostIsAnswered) {
  ServerOptions options;
  options.answers_any_host = true;
  server_ = start(options);
  EXPECT_EQ(ask_host("pod.example").status, 200);
  EXPECT_EQ(ask("DELETE /echo HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\r\n").status, 403);
}

TEST_F(Refusals, NoHostOrTwo) {
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\n\r\n").message(),
            "a request needs exactly one Host header; this one has 0");
  const RawReply two = ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n");
  EXPECT_EQ(two.status, 400);
  EXPECT_EQ(two.message(), "a request needs exactly one Host header; this one has 2");
}

TEST_F(Refusals, ForeignPagesThatChangeThings) {
  const RawReply reply = ask(post("/echo", "{}", "Origin: https://evil.example\r\n"));
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.code(), "forbidden");
  EXPECT_EQ(reply.message(),
            "a POST from the origin 'https://evil.example' is refused: only pages of this server may change "
            "things");
  for (const char* origin : {"null", "https://localhost.evil.example", "file://localhost", "http://",
                             "localhost", "http://localhost/path", "chrome-extension://localhost"}) {
    EXPECT_EQ(ask(post("/echo", "{}", "Origin: " + std::string(origin) + "\r\n")).status, 403) << origin;
  }
  EXPECT_EQ(ask("DELETE /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n\r\n").status, 403);
  EXPECT_EQ(ask("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n\r\n").status, 403);
  EXPECT_EQ(ask(post("/echo", "{}", "Origin: http://localhost\r\nOrigin: http://evil\r\n")).status, 403);
  EXPECT_EQ(ask(post("/echo", "{}", "Origin: http://localhost:7700\r\n")).status, 200);
  EXPECT_EQ(ask(post("/echo", "{}", "Origin: https://127.0.0.1\r\n")).status, 200);
  EXPECT_EQ(ask(get("/echo", "Origin: https://evil.example\r\n")).status, 200)
      << "reading is not guarded by this";
}

TEST_F(Refusals, FetchesFromOtherSites) {
  for (const char* site : {"cross-site", "same-site", "nonsense"}) {
    const RawReply reply = ask(post("/echo", "{}", "Sec-Fetch-Site: " + std::string(site) + "\r\n"));
    EXPECT_EQ(reply.status, 403) << site;
    EXPECT_EQ(reply.message(), "a POST with Sec-Fetch-Site '" + std::string(site) +
                                   "' is refused: only pages of this server may change things");
  }
  EXPECT_EQ(ask(post("/echo", "{}", "Sec-Fetch-Site: same-origin\r\n")).status, 200);
  EXPECT_EQ(ask(post("/echo", "{}", "Sec-Fetch-Site: none\r\n")).status, 200);
}

TEST_F(Refusals, ContentTypesThatAFormCanSend) {
  const RawReply reply = ask(post("/echo", "{}", "Content-Type: text/plain;charset=UTF-8\r\n"));
  EXPECT_EQ(reply.status, 415);
  EXPECT_EQ(reply.code(), "unsupported");
  EXPECT_EQ(reply.message(), "a body of type 'text/plain' is not taken here; send it as application/json");
  EXPECT_EQ(ask(post("/echo", "a=1", "Content-Type: application/x-www-form-urlencoded\r\n")).status, 415);
  EXPECT_EQ(ask(post("/echo", "a=1",
                     "Content-Type: multipart/form-data; boundary=" + std::string(9'000, 'b') + "\r\n"))
                .status,
            415);
  EXPECT_EQ(ask(post("/echo", "{}", "Content-Type: Application/JSON ; charset=utf-8\r\n")).status, 200);
  EXPECT_EQ(ask(post("/echo", "{}")).status, 200);
  EXPECT_EQ(ask(post("/anything", "x", "Content-Type: text/plain\r\n")).status, 200);
  const std::string put = "PUT /files/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Type: ";
  EXPECT_EQ(ask(put + "text/csv\r\n\r\nx").status, 200);
  EXPECT_EQ(
      ask(put + "application/json\r\n\r\nx").message(),
      "a body of type 'application/json' is not taken here; send it as application/octet-stream or text/csv");
}

TEST_F(Refusals, CallersWithoutTheToken) {
  const RawReply reply = ask(post("/guarded", "{}"));
  EXPECT_EQ(reply.status, 401);
  EXPECT_TRUE(reply.has("WWW-Authenticate: Bearer\r\n"));
  EXPECT_EQ(reply.code(), "unauthenticated");
  EXPECT_EQ(reply.message(), "POST /guarded needs this home's token");
  EXPECT_EQ(reply.hint(),
            "send the header 'Authorization: Bearer <token>' with the text of the file .trimtab/token");
  for (const char* value :
       {"Bearer wrong", "Bearer ", "Bearer", "Basic the-token", "the-token", "Bearer the-token2"}) {
    const RawReply wrong = ask(post("/guarded", "{}", "Authorization: " + std::string(value) + "\r\n"));
    EXPECT_EQ(wrong.status, 401) << value;
    EXPECT_EQ(wrong.message(), "POST /guarded: the token is not this home's");
  }
  EXPECT_EQ(ask(post("/guarded?token=the-token", "{}")).status, 401);
  EXPECT_EQ(ask(post("/guarded", "{}", "Authorization: Bearer the-token\r\n")).status, 200);
  EXPECT_EQ(ask(post("/guarded", "{}", "authorization: bearer the-token\r\n")).status, 200);
}

TEST_F(Refusals, NobodyHasAnEmptyToken) {
  server_ = start_server({json_route(Permission::token, "/guarded")});
  EXPECT_EQ(ask(post("/guarded", "{}", "Authorization: Bearer \r\n")).status, 401);
  EXPECT_EQ(ask(post("/guarded", "{}", "Authorization: Bearer\r\n")).status, 401);
}

TEST_F(Refusals, TheClockIsFreeOnlyWhenItIsManual) {
  EXPECT_EQ(ask(post("/clock", "{}")).status, 401);
  EXPECT_EQ(ask(post("/clock", "{}", "Authorization: Bearer the-token\r\n")).status, 200);
  ServerOptions options;
  options.clock_is_manual = true;
  server_ = start(options);
  EXPECT_EQ(ask(post("/clock", "{}")).status, 200);
  EXPECT_EQ(ask(post("/guarded", "{}")).status, 401);
}

TEST_F(Refusals, UnknownPaths) {
  const RawReply reply = ask(get("/api/v1/endpoint/late"));
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.code(), "not_found");
  EXPECT_EQ(reply.message(), "there is nothing at '/api/v1/endpoint/late'");
  EXPECT_EQ(reply.hint(), "did you mean '/api/v1/endpoints/late'?");
  EXPECT_EQ(ask(get("/completely/elsewhere")).hint(), "GET /openapi.json lists every path");
  EXPECT_EQ(ask(get("/echo/../echo")).message(), "the path '/echo/../echo' holds a '.' or '..' step");
  EXPECT_EQ(ask(get("/files/%2e%2e/etc/passwd")).status, 400);
  EXPECT_EQ(ask(get("/echo%00")).message(), "the path '/echo%00' holds a NUL");
  EXPECT_EQ(ask(get("/%zz")).status, 400);
  EXPECT_EQ(ask(get("http://localhost/echo")).status, 400);
}

// Whatever the refusal is for.
TEST_F(Refusals, AreRewordedByWhoeverWiresTheServer) {
  ServerOptions options;
  options.body_bytes_max = 100'000;
  options.reword = [](const Request& request, Reply& reply) {
    if (request.path == "/echo") reply.body = "theirs: " + std::to_string(reply.status);
  };
  server_ = start(options);
  EXPECT_EQ(ask("PATCH /echo HTTP/1.1\r\nHost: localhost\r\n\r\n").body, "theirs: 405");
  EXPECT_EQ(ask("GET /echo HTTP/1.1\r\nHost: example.com\r\n\r\n").body, "theirs: 403");
  EXPECT_EQ(ask(post("/echo", "x", "Content-Type: image/png\r\n")).body, "theirs: 415");
  EXPECT_EQ(ask("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n").body,
            "theirs: 413");
  EXPECT_EQ(ask(get("/nothing")).message(), "there is nothing at '/nothing'");
  EXPECT_EQ(ask(get("/echo")).status, 200);
}

// Clients of another server's API expect its words, under the paths of that API alone.
TEST_F(Refusals, UnknownPathsInTheWordsOfWhoeverWiresTheServer) {
  ServerOptions options;
  options.no_route = [](std::string_view path, const Error& error, int status) -> std::optional<Reply> {
    if (!path.starts_with("/theirs/") && path != "/echo") return std::nullopt;
    return Reply::text("theirs: " + error.message, status);
  };
  server_ = start(options);
  EXPECT_EQ(ask(get("/theirs/x")).body, "theirs: there is nothing at '/theirs/x'");
  const RawReply method = ask("PATCH /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.body, "theirs: '/echo' does not answer to PATCH");
  EXPECT_TRUE(method.has("Allow: DELETE, GET, HEAD, POST\r\n")) << method.head;
  EXPECT_EQ(ask(get("/ours/x")).message(), "there is nothing at '/ours/x'");
  const std::string words = "the address of the request is longer than 131072 bytes";
  for (const std::size_t length : {std::size_t{131'080}, std::size_t{1} << 20}) {
    const RawReply address = ask_to_the_end(get("/theirs/x?" + std::string(length, 'x')));
    EXPECT_EQ(address.status, 414) << length;
    EXPECT_EQ(address.body, "theirs: " + words);
    EXPECT_EQ(ask_to_the_end(get("/ours/x?" + std::string(length, 'x'))).message(), words);
  }
}

TEST_F(Refusals, OtherMethods) {
  const RawReply reply = ask("PATCH /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(reply.status, 405);
  EXPECT_TRUE(reply.has("Allow: DELETE, GET, HEAD, POST\r\n")) << reply.head;
  EXPECT_EQ(reply.message(), "'/echo' does not answer to PATCH");
  EXPECT_EQ(reply.hint(), "it answers to DELETE, GET, HEAD, POST");
  for (const char* method : {"TRACE", "CONNECT", "BREW", "get", "PROPFIND"}) {
    const RawReply unknown = ask(std::string(method) + " /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(unknown.status, 501) << method;
    EXPECT_EQ(unknown.message(), "the method '" + std::string(method) + "' is not known here");
  }
}

TEST_F(Refusals, BodiesOverTheLimit) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  server_ = start(options);
  EXPECT_EQ(ask(post("/echo", std::string(1000, 'x'))).status, 200);
  const RawReply reply = ask_to_the_end(post("/echo", std::string(1001, 'x')));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.code(), "too_large");
  EXPECT_EQ(reply.message(), "the body is longer than 1000 bytes");
  // Refused before it is sent.
  EXPECT_EQ(
      ask_to_the_end("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n").status,
      413);
  const std::string chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(ask_to_the_end(chunked + "ffffffff\r\n").status, 413);
  EXPECT_EQ(ask_to_the_end(chunked + "1f4\r\n" + std::string(500, 'x') + "\r\n1f5\r\n").status, 413);
}

TEST_F(Refusals, HeadersAndAddressesOverTheLimit) {
  const RawReply large = ask_to_the_end(get("/echo", "X: " + std::string(1 << 20, 'x') + "\r\n"));
  EXPECT_EQ(large.status, 431);
  EXPECT_EQ(large.message(), "the headers are longer than 32768 bytes");
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "a:\r\n";
  EXPECT_EQ(ask_to_the_end(get("/echo", many)).status, 431);
  const RawReply count = ask_to_the_end(get("/echo", many.substr(0, 4 * 300)));
  EXPECT_EQ(count.status, 431);
  EXPECT_EQ(count.message(), "the request has more than 256 headers");
  for (const std::size_t length : {std::size_t{131'080}, std::size_t{1} << 20}) {
    const RawReply address = ask_to_the_end(get("/echo?" + std::string(length, 'x')));
    EXPECT_EQ(address.status, 414) << length;
    EXPECT_EQ(address.message(), "the address of the request is longer than 131072 bytes");
  }
  // An address takes nothing away from the headers.
  EXPECT_EQ(ask(get("/echo?" + std::string(131'000, 'x'), "X: " + std::string(30'000, 'x') + "\r\n")).status,
            200);
  EXPECT_EQ(ask(get("/echo", "X: " + std::string(30'000, 'x') + "\r\n")).status, 200);
}

TEST_F(Refusals, RequestsWhoseLengthIsUnclear) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\n";
  const std::string both = "a request has a Content-Length or a Transfer-Encoding, not both";
  const std::string chunks = "\r\n0\r\n\r\n";
  const RawReply reply =
      ask_to_the_end(head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" + chunks);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.code(), "malformed");
  EXPECT_EQ(reply.message(), both);
  EXPECT_EQ(ask_to_the_end(head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" + chunks).message(),
            both);
  for (const char* headers :
       {"Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n"}) {
    const RawReply twice = ask_to_the_end(head + headers + "\r\nx");
    EXPECT_EQ(twice.status, 400);
    EXPECT_EQ(twice.message(), "the request has more than one Content-Length");
  }
  for (const char* headers :
       {"Content-Length: -1\r\n", "Content-Length: +1\r\n", "Content-Length: 1,1\r\n",
        "Content-Length: 0x1\r\n", "Content-Length: 1 1\r\n", "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n"}) {
    EXPECT_EQ(ask_to_the_end(head + headers + "\r\nx").status, 400) << headers;
  }
  EXPECT_EQ(
      ask_to_the_end("POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").status,
      400);
}

TEST_F(Refusals, TextThatIsNoHttp) {
  for (const char* bytes :
       {"GET /echo HTTP/1.1\nHost: localhost\n\n", "GET /echo HTTP/1.1\r\nHost: localhost\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nX:\r\n b\r\n\r\n",
        "GET /echo HTTP/1.1\r\n Host: localhost\r\n\r\n", "GET  /echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /echo\r\n\r\n", "GET /echo HTTP/3.0\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
        "GET /e\x01cho HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: local\x01host\r\n\r\n", "GET /echo HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    const RawReply reply = ask_to_the_end(bytes);
    EXPECT_EQ(reply.status, 400) << bytes;
    EXPECT_EQ(reply.code(), "malformed") << bytes;
  }
  // A bare LF is also found when the bytes come one by one.
  RawConnection slow(server_->port());
  for (const char c : std::string_view("GET /echo HTTP/1.1\r\nHost: localhost\n\n")) slow.send({&c, 1});
  EXPECT_EQ(slow.read().status, 400);
}

TEST_F(Refusals, BrokenAndWastefulChunks) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunks : {"x\r\n", "-1\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "\r\n",
                             "fffffffffffffffff\r\n", "0x3\r\nabc\r\n0\r\n\r\n"}) {
    const int status = ask_to_the_end(head + chunks).status;
    EXPECT_EQ(status, 400) << chunks;
  }
  // Ten million bytes in as many chunks would cost far more than a body of that length.
  std::string tiny = head;
  for (int i = 0; i < 100'000; ++i) tiny += "1\r\nx\r\n";
  const RawReply reply = ask_to_the_end(tiny);
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.message(), "the chunks are mostly framing, not content");
  EXPECT_EQ(ask_to_the_end(head + "1;" + std::string(1 << 20, 'x')).status, 413);
  EXPECT_EQ(ask_to_the_end(head + "1;a=" + std::string(40'000, 'x') + "\r\nx\r\n0\r\n\r\n").status, 413);
  // A trailer is no header.
  EXPECT_EQ(ask(head + "1\r\nx\r\n0\r\nHost: evil.example\r\nX: y\r\n\r\n").status, 200);
  EXPECT_EQ(ask_to_the_end(head + "1\r\nx\r\n0\r\nContent-Length: 7\r\n\r\n").status, 400);
  EXPECT_EQ(ask("POST /guarded HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                "0\r\nAuthorization: Bearer the-token\r\n\r\n")
                .status,
            401);
}

TEST_F(Refusals, OtherExpectations) {
  EXPECT_EQ(ask_to_the_end(post("/echo", "{}", "Expect: a miracle\r\n")).status, 417);
}

TEST_F(Refusals, SlowSendersAndIdleConnections) {
  ServerOptions options;
  options.idle_timeout = 300'000;
  server_ = start(options);
  RawConnection idle(server_->port());
  RawConnection half(server_->port());
  half.send("GET /echo HTTP/1.1\r\nHost: loc");
  RawConnection drip(server_->port());
  RawConnection body(server_->port());
  body.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
  // A byte now and then gains no time: the deadline is for the whole request.
  bool is_cut = false;
  for (int i = 0; i < 100 && !is_cut; ++i) {
    is_cut = !drip.send("G");
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_TRUE(is_cut);
  EXPECT_TRUE(idle.is_closed_by_server());
  EXPECT_TRUE(half.is_closed_by_server());
  EXPECT_TRUE(body.is_closed_by_server());
}

TEST_F(Refusals, ConnectionsOverTheLimit) {
  ServerOptions options;
  options.connections_max = 2;
  server_ = start(options);
  RawConnection first(server_->port());
  RawConnection second(server_->port());
  EXPECT_EQ(first.exchange(get("/echo")).status, 200);
  EXPECT_EQ(second.exchange(get("/echo")).status, 200);
  RawConnection third(server_->port());
  const RawReply reply = third.exchange(get("/echo"));
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.message(), "the server is busy: 2 connections are open");
  EXPECT_TRUE(reply.has("Retry-After: 1\r\n"));
  EXPECT_TRUE(third.is_closed_by_server());
  EXPECT_EQ(first.exchange(get("/echo")).status, 200);
}

TEST_F(Refusals, TooManyLargeBodiesAtOnce) {
  ServerOptions options;
  options.received_bytes_max = 4u << 20;
  server_ = start(options);
  const std::string most(3u << 20, 'x');
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(most.size() + 1) +
      "\r\n\r\n";
  std::vector<std::unique_ptr<RawConnection>> holders;
  int refused = 0;
  for (int i = 0; i < 3; ++i) {
    holders.push_back(std::make_unique<RawConnection>(server_->port()));
    if (!holders.back()->send(head + most)) ++refused;
  }
  EXPECT_EQ(ask(get("/echo")).status, 200) << "small requests go on";
  for (const auto& holder : holders) holder->send("x");
  int answered = 0;
  refused = 0;
  for (const auto& holder : holders) {
    const int status = holder->read().status;
    answered += status == 200;
    refused += status == 503;
  }
  EXPECT_GE(answered, 1);
  EXPECT_GE(refused, 1);
  EXPECT_EQ(ask(post("/echo", most)).status, 200) << "what was held is given back";
}

long resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}

TEST_F(Refusals, HalfOpenClientsHarmNobody) {
  const long before = resident_kib();
  std::vector<std::unique_ptr<RawConnection>> clients;
  for (int i = 0; i < 400; ++i) {  // A process often may open 1,024 files, and ours holds both ends.
    clients.push_back(std::make_unique<RawConnection>(server_->port()));
    clients.back()->send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000000\r\n\r\n{");
  }
  RawConnection innocent(server_->port());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(innocent.exchange(get("/echo")).status, 200);
  EXPECT_LT(resident_kib() - before, 26'000) << "an announced body costs nothing before it comes";
}

}  // namespace
}  // namespace trimtab::http
