// One of the server's threads, with the connections that live on it, and what all of them share.
//
// Each io thread has an io_context and its own connections, and touches nobody else's: so neither locks nor
// counted references are needed on the way of a request. An answer given on another thread comes home through
// the Mailbox of the connection's io thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/file.h"
#include "http/guard.h"
#include "http/handler_pool.h"
#include "http/reply_ticket.h"
#include "http/route.h"
#include "http/server.h"

namespace boost::asio {
class io_context;
}

namespace trimtab::http {

class LiveConnection;

// What all threads of one server share.
struct Shared {
  Shared(ServerOptions the_options, Router the_router);

  const ServerOptions options;
  const Router router;
  const Guard guard;
  HandlerPool pool;
  // Writes parts of bodies to files and reads them; a connection has one part there at most.
  HandlerPool disk;
  HandlerPool proofs;                          // Finds out who callers are, where that is slow.
  std::atomic<bool> ends_connections = false;  // Each with the next answer.
  std::atomic<bool> stopping = false;          // Those that are idle at once.
  std::atomic<int> connections = 0;
  std::atomic<std::uint64_t> large_bytes = 0;  // Held by connections beyond what each may keep.
  std::mutex mutex;
  std::condition_variable all_closed;
};

// A client's socket that has just been accepted.
struct Accepted {
  base::Descriptor socket;
  bool is_ipv6 = false;
  bool from_loopback = false;
  std::string address;
};

class IoThread {
 public:
  explicit IoThread(Shared& shared);
  ~IoThread();  // stop().

  void start();
  // Any thread: runs `job` on this one.
  void post(std::function<void()> job);
  // Any thread: takes care of a client. One who is refused is told that the server is busy.
  void adopt(Accepted client, bool is_refused);
  // Any thread: closes what is idle, or everything, and ends the others after their answer.
  void drain(bool everything);
  // Any other thread: no answer is delivered afterwards.
  void stop();

  // Only on this thread, or before it starts:
  void retire(LiveConnection* connection);
  base::TimeUs now() const { return now_; }  // As of the last tick, which is good enough for deadlines.
  boost::asio::io_context& context();
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

 private:
  struct Loop;

  void run();
  void tick();

  Shared& shared_;
  std::unique_ptr<Loop> loop_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unordered_map<LiveConnection*, std::unique_ptr<LiveConnection>> connections_;
  base::TimeUs now_ = base::steady_now();
  bool is_ticking_ = false;
  std::thread thread_;
};

}  // namespace trimtab::http
