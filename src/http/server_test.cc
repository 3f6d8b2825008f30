// How the server answers: order, connections, promises, the pool, and its end.
#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "http/raw_connection.h"

namespace trimtab::http {
namespace {

using namespace std::chrono_literals;

// Keeps the promises of its requests until the test sends them.
class Promises {
 public:
  Handler handler() {
    return [this](const Request& request, ReplyPromise promise) -> Answer {
      const std::lock_guard lock(mutex_);
      kept_.emplace_back(std::string(request.body), std::move(promise));
      changed_.notify_all();
      return Pending{};
    };
  }
  // Waits for the request with that body and takes its promise.
  ReplyPromise take(std::string_view body) {
    std::unique_lock lock(mutex_);
    while (true) {
      for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
        if (kept->first != body) continue;
        ReplyPromise promise = std::move(kept->second);
        kept_.erase(kept);
        return promise;
      }
      changed_.wait(lock);
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::string, ReplyPromise>> kept_;
};

TEST(Server, AnswersAndKeepsTheConnection) {
  const auto server =
      start_server({make_route("GET", "/echo/{a}/{rest*}", echo), make_route("POST", "/echo", echo)});
  RawConnection connection(server->port());
  const RawReply reply = connection.exchange(get("/echo/x%20y/a/b?q=1"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "GET /echo/x y/a/b?q=1 [x y] [a/b] ");
  EXPECT_EQ(reply.head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 34\r\n"
            "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(connection.exchange(post("/echo", std::to_string(i))).body, "POST /echo " + std::to_string(i));
  }
  // One of every size around the limits of the buffers.
  for (const std::size_t size :
       {0u, 1u, 8000u, 8192u, 16384u, 16385u, 65536u, 70'000u, 1'000'000u, 16u << 20}) {
    const std::string body(size, 'b');
    EXPECT_EQ(connection.exchange(post("/echo", body)).body, "POST /echo " + body) << size;
  }
  EXPECT_EQ(connection.exchange(post("/echo", "still there")).body, "POST /echo still there");
}

TEST(Server, AnswersHeadLikeGetWithoutTheBody) {
  const auto server = start_server({make_route("GET", "/echo", echo)});
  RawConnection connection(server->port());
  connection.send("HEAD /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const RawReply head = connection.read(false);
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.has("Content-Length: 11\r\n")) << head.head;
  EXPECT_EQ(connection.exchange(get("/echo")).body, "GET /echo ");
}

TEST(Server, ReadsBodiesInPiecesAndChunks) {
  const auto server = start_server({make_route("POST", "/echo", echo)});
  RawConnection connection(server->port());
  for (const char c : post("/echo", "abc")) connection.send({&c, 1});
  EXPECT_EQ(connection.read().body, "POST /echo abc");
  const std::string chunked = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n";
  for (const char c : chunked + "3\r\nabc\r\n2;ext=\"v\"\r\nde\r\n0\r\nTrailer: x\r\n\r\n")
    connection.send({&c, 1});
  EXPECT_EQ(connection.read().body, "POST /echo abcde");
  std::string large = chunked;
  for (int i = 0; i < 200; ++i)
    large += "4000\r\n" + std::string(16384, static_cast<char>('a' + i % 26)) + "\r\n";
  // The next request lies behind the last chunk in the same bytes.
  connection.send(large + "0\r\n\r\n" + post("/echo", "next"));
  const std::string body = connection.read().body;
  EXPECT_EQ(body.size(), 11u + 200 * 16384);
  EXPECT_EQ(body.substr(11 + 16384, 3), "bbb");
  EXPECT_EQ(connection.read().body, "POST /echo next");
}

TEST(Server, TellsACarefulSenderToGoOn) {
  const auto server = start_server({make_route("POST", "/echo", echo)});
  RawConnection connection(server->port());
  connection.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(connection.read(false).status, 100);
  EXPECT_EQ(connection.exchange("abc").body, "POST /echo abc");
  const RawReply refused =
      RawConnection(server->port())
          .exchange(
              "POST /none HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(refused.status, 404);
}

TEST(Server, KeepsARefusedConnectionWhenItsBodyIsSmall) {
  const auto server = start_server({make_route("POST", "/echo", echo)});
  RawConnection connection(server->port());
  connection.send("POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc");
  connection.send("def" + post("/echo", "next"));
  EXPECT_EQ(connection.read().status, 404);
  EXPECT_EQ(connection.read().body, "POST /echo next");
}

TEST(Server, ClosesWhenItIsAskedTo) {
  const auto server = start_server({make_route("GET", "/echo", echo)});
  RawConnection asked(server->port());
  EXPECT_TRUE(asked.exchange(get("/echo", "Connection: close\r\n")).has("Connection: close\r\n"));
  EXPECT_TRUE(asked.is_closed_by_server());
  RawConnection old(server->port());
  EXPECT_EQ(old.exchange("GET /echo HTTP/1.0\r\nHost: localhost\r\n\r\n").status, 200);
  EXPECT_TRUE(old.is_closed_by_server());
  RawConnection kept(server->port());
  const std::string keep = "GET /echo HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_TRUE(kept.exchange(keep).has("Connection: keep-alive\r\n"));
  EXPECT_EQ(kept.exchange(keep).status, 200);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  Promises promises;
  const auto server =
      start_server({make_route("POST", "/now", echo), make_route("POST", "/pool", echo, Placement::pool),
                    make_route("POST", "/later", promises.handler())});
  RawConnection connection(server->port());
  std::string all;
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string path = i % 3 == 0 ? "/now" : i % 3 == 1 ? "/pool" : "/later";
    all += post(path, std::to_string(i));
  }
  std::thread answerer([&] {
    for (int i = 2; i < 300; i += 3)
      promises.take(std::to_string(i)).send(Reply::text("later " + std::to_string(i)));
  });
  connection.send(all);
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    const std::string want = i % 3 == 0   ? "POST /now " + number
                             : i % 3 == 1 ? "POST /pool " + number
                                          : "later " + number;
    EXPECT_EQ(connection.read().body, want);
  }
  answerer.join();
}

TEST(Server, CompletesPendingRepliesFromOtherThreadsInAnyOrder) {
  Promises promises;
  const auto server = start_server({make_route("POST", "/io", promises.handler()),
                                    make_route("POST", "/pool", promises.handler(), Placement::pool)});
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < 20; ++i) {
    connections.push_back(std::make_unique<RawConnection>(server->port()));
    connections.back()->send(post(i % 2 == 0 ? "/io" : "/pool", std::to_string(i)));
  }
  std::thread commit([&] {
    for (int i = 19; i >= 0; --i) {
      promises.take(std::to_string(i)).send(Reply::json(Json::object({{"number", i}}), 201));
    }
  });
  for (int i = 0; i < 20; ++i) {
    const RawReply reply = connections[static_cast<std::size_t>(i)]->read();
    EXPECT_EQ(reply.status, 201);
    EXPECT_EQ(reply.json().int_or("number"), i);
  }
  commit.join();
}

// The commit thread may be faster than the handler that gave it the promise.
TEST(Server, KeepsTheRequestWhileItsHandlerRuns) {
  std::promise<void> sent;
  std::string seen;
  const auto server = start_server({make_route(
                                        "POST", "/early",
                                        [&](const Request& request, ReplyPromise promise) -> Answer {
                                          promise.send(Reply::text("early"));
                                          std::this_thread::sleep_for(
                                              50ms);  // In which the next request could overwrite this one.
                                          seen = std::string(request.body) + std::string(request.path);
                                          return Pending{};
                                        },
                                        Placement::pool),
                                    make_route("POST", "/echo", echo)});
  RawConnection connection(server->port());
  connection.send(post("/early", "first") + post("/echo", "XXXXXXXXXXXXXXXXXXXXX"));
  EXPECT_EQ(connection.read().body, "early");
  EXPECT_EQ(connection.read().status, 200);
  EXPECT_EQ(seen, "first/early");
}

TEST(Server, AnswersForDroppedPromisesAndThrowingHandlers) {
  const Handler drop = [](const Request&, ReplyPromise) -> Answer { return Pending{}; };
  const Handler fail = [](const Request&, ReplyPromise) -> Answer {
    throw std::runtime_error("secret detail");
  };
  const Handler odd = [](const Request&, ReplyPromise) -> Answer { throw 7; };
  const auto server =
      start_server({make_route("GET", "/drop", drop), make_route("GET", "/pool/drop", drop, Placement::pool),
                    make_route("GET", "/throw", fail),
                    make_route("GET", "/pool/throw", fail, Placement::pool), make_route("GET", "/odd", odd)});
  RawConnection connection(server->port());
  for (const char* path : {"/drop", "/pool/drop"}) {
    const RawReply reply = connection.exchange(get(path));
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.code(), "internal");
    EXPECT_EQ(reply.message(), "the request was dropped without an answer");
  }
  for (const char* path : {"/throw", "/pool/throw", "/odd"}) {
    const RawReply reply = connection.exchange(get(path));
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.body, R"({"error":{"code":"internal","message":"internal error"}})");
  }
}

TEST(Server, RefusesWhenThePoolIsFull) {
  Promises unused;
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> running = 0;
  ServerOptions options;
  options.pool_threads = 1;
  options.pool_queue_max = 2;
  const auto server = start_server({make_route(
                                        "GET", "/wait",
                                        [&](const Request&, ReplyPromise) -> Answer {
                                          ++running;
                                          released.wait();
                                          return Reply::text("done");
                                        },
                                        Placement::pool),
                                    make_route("GET", "/io", echo)},
                                   options);
  RawConnection first(server->port());
  first.send(get("/wait"));
  while (running == 0) std::this_thread::sleep_for(1ms);
  std::vector<std::unique_ptr<RawConnection>> others;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_unique<RawConnection>(server->port()));
    others.back()->send(get("/wait"));
  }
  int refused = 0;
  RawConnection io(server->port());
  EXPECT_EQ(io.exchange(get("/io")).status, 200) << "the io threads are free";
  std::this_thread::sleep_for(50ms);
  release.set_value();
  for (const auto& other : others) {
    const RawReply reply = other->read();
    if (reply.status != 503) continue;
    ++refused;
    EXPECT_EQ(reply.code(), "busy");
    EXPECT_EQ(reply.message(), "the server is busy: 2 requests wait");
    EXPECT_TRUE(reply.has("Retry-After: 1\r\n"));
  }
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(first.read().body, "done");
}

TEST(Server, LeavesOutHeadersThatWouldSplitAReply) {
  const auto server = start_server({make_route("GET", "/x", [](const Request&, ReplyPromise) -> Answer {
    return Reply{
        204, "", "", {{"X-Bad", "a\r\nSet-Cookie: b"}, {"Cache-Control", "max-age=60"}, {"X-Good", "1"}}};
  })});
  const RawReply reply = RawConnection(server->port()).exchange(get("/x"));
  EXPECT_EQ(reply.head,
            "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nCache-Control: "
            "max-age=60\r\nX-Good: 1\r\n");
}

TEST(Server, WritesLargeRepliesToSlowReaders) {
  const std::string large(40u << 20, 'r');
  const auto server =
      start_server({make_route("GET", "/large",
                               [&](const Request&, ReplyPromise) -> Answer { return Reply::text(large); }),
                    make_route("GET", "/echo", echo)});
  RawConnection slow(server->port());
  slow.send(get("/large") + get("/echo"));
  RawConnection other(server->port());
  EXPECT_EQ(other.exchange(get("/echo")).status, 200);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(slow.read().body, large);
  EXPECT_EQ(slow.read().body, "GET /echo ");
}

TEST(Server, AnswersOthersBetweenTheRequestsOfThoseWhoSendManyAndReadNone) {
  std::atomic<int> heavy_calls = 0;
  ServerOptions options;
  options.io_threads = options.pool_threads = 1;
  const auto server = start_server({make_route(
                                        "GET", "/heavy",
                                        [&](const Request&, ReplyPromise) -> Answer {
                                          ++heavy_calls;
                                          std::this_thread::sleep_for(5ms);
                                          return Reply::text(std::string(97 << 10, 'r'));
                                        },
                                        Placement::pool),
                                    make_route("GET", "/innocent", echo, Placement::pool)},
                                   options);
  constexpr int kDeaf = 40;
  std::string many;
  for (int i = 0; i < 20; ++i) many += get("/heavy");
  std::vector<std::unique_ptr<RawConnection>> deaf;
  for (int i = 0; i < kDeaf; ++i) {
    deaf.push_back(std::make_unique<RawConnection>(server->port()));
    EXPECT_TRUE(deaf.back()->send(many));
  }
  RawConnection innocent(server->port());
  int fewest = kDeaf;
  for (int i = 0; i < 20; ++i) {
    const int before = heavy_calls;
    EXPECT_EQ(innocent.exchange(get("/innocent")).status, 200);
    fewest = std::min(fewest, heavy_calls - before);
  }
  // In one queue it would be behind all of the deaf ones every time.
  EXPECT_LT(fewest, kDeaf / 4);
}

TEST(Server, CutsOffAReaderThatNeverReads) {
  ServerOptions options;
  options.idle_timeout = 200'000;
  std::promise<void> ended;
  const auto server = start_server({make_route("GET", "/large",
                                               [](const Request&, ReplyPromise) -> Answer {
                                                 return Reply::text(std::string(512 << 10, 'r'));
                                               })},
                                   options);
  RawConnection deaf(server->port());
  std::string many;
  for (int i = 0; i < 100; ++i) many += get("/large");
  deaf.send(many);
  // 8 s of patience for 512 KiB at 64 KiB/s would be too long here; a stop must not wait for it either.
  const auto before = std::chrono::steady_clock::now();
  server->stop(200'000);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

TEST(Server, StopLetsRequestsInFlightFinishAndRefusesNewOnes) {
  Promises promises;
  auto server = start_server({make_route("POST", "/later", promises.handler())});
  const int port = server->port();
  RawConnection idle(port);
  RawConnection busy(port);
  busy.send(post("/later", "a"));
  ReplyPromise promise = promises.take("a");
  std::thread stopper([&] { server->stop(); });
  EXPECT_TRUE(idle.is_closed_by_server());
  while (RawConnection(port).is_open()) std::this_thread::sleep_for(1ms);
  promise.send(Reply::text("in time"));
  const RawReply reply = busy.read();
  EXPECT_EQ(reply.body, "in time");
  EXPECT_TRUE(reply.has("Connection: close\r\n"));
  stopper.join();
  server.reset();
}

// While one server takes the place of another, nobody is turned away: who has a connection gets an answer and
// the word to come again, and who connects waits for the new one.
TEST(Server, AnotherTakesItsPlaceAndNobodyIsRefused) {
  const auto named = [](const char* name) {
    return std::vector{make_route(
        "GET", "/who", [name](const Request&, ReplyPromise) -> Answer { return Reply::text(name); })};
  };
  auto first = start_server(named("first"));
  const int port = first->port();
  std::optional<RawConnection> open(port);
  EXPECT_EQ(open->exchange(get("/who")).body, "first");
  ServerOptions options;
  options.port = port;
  const base::Descriptor listener = *first->listener();
  options.listener = listener.get();
  std::thread stopper([&] { first->stop(5'000'000, 20'000'000); });
  while (true) {  // As long as it has not stopped to accept, it answers who connects.
    RawConnection next(port);
    ASSERT_TRUE(next.is_open());
    next.wait_at_most(50);
    const RawReply reply = next.exchange(get("/who"));
    if (reply.status == 0) break;
    EXPECT_EQ(reply.body, "first");
  }
  const RawReply last = open->exchange(get("/who"));
  open.reset();
  EXPECT_EQ(last.body, "first");
  EXPECT_TRUE(last.has("Connection: close\r\n")) << last.head;
  RawConnection waiting(port);
  ASSERT_TRUE(waiting.is_open());
  ASSERT_TRUE(waiting.send(get("/who")));
  stopper.join();
  first.reset();
  const auto second = start_server(named("second"), options);
  EXPECT_EQ(second->port(), port);
  EXPECT_EQ(waiting.read().body, "second");
}

TEST(Server, StopDoesNotWaitForEverAndLatePromisesAreHarmless) {
  Promises promises;
  auto server = start_server({make_route("POST", "/later", promises.handler())});
  RawConnection busy(server->port());
  busy.send(post("/later", "a"));
  ReplyPromise promise = promises.take("a");
  server->stop(100'000);
  server->stop(100'000);
  EXPECT_TRUE(busy.is_closed_by_server());
  server.reset();
  promise.send(Reply::text("too late"));
}

TEST(Server, SurvivesClientsThatLeave) {
  Promises promises;
  const auto server =
      start_server({make_route("POST", "/later", promises.handler()), make_route("GET", "/echo", echo),
                    make_route("POST", "/pool", echo, Placement::pool)});
  for (int i = 0; i < 50; ++i) {
    RawConnection(server->port()).send(post("/later", std::to_string(i)));
    promises.take(std::to_string(i)).send(Reply::text(std::string(1 << 20, 'x')));
    RawConnection(server->port()).send(post("/pool", std::string(100'000, 'x')));
    RawConnection(server->port()).send(get("/echo").substr(0, static_cast<std::size_t>(i)));
  }
  EXPECT_EQ(RawConnection(server->port()).exchange(get("/echo")).status, 200);
}

TEST(Server, SaysWhenItsPortIsTaken) {
  const auto server = start_server({make_route("GET", "/echo", echo)});
  ServerOptions options;
  options.port = server->port();
  const auto second = Server::start(options, *Router::make({}));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
  EXPECT_EQ(second.error().message, "the address 127.0.0.1:" + std::to_string(server->port()) + " is in use");
  EXPECT_EQ(second.error().hint, "stop the other program or pass --port 0 for any free port");
}

TEST(Server, SaysWhatIsWrongWithItsAddress) {
  ServerOptions options;
  options.port = 70'000;
  EXPECT_EQ(Server::start(options, *Router::make({})).error().message,
            "the port 70000 is not between 0 and 65535");
  options.port = 0;
  options.host = "203.0.113.7";  // Of no machine: reserved for documentation.
  const auto foreign = Server::start(options, *Router::make({}));
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::invalid);
}

}  // namespace
}  // namespace trimtab::http
