#include "http/io_thread.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <signal.h>
#include <utility>

#include "base/log.h"
#include "http/live_connection.h"

namespace trimtab::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kDiskThreads = 2;
constexpr int kProofThreads = 2;
constexpr std::size_t kProofsMax = 64;  // More waiting than this are answered 503.

}  // namespace

Shared::Shared(ServerOptions the_options, Router the_router)
    : options(std::move(the_options)),
      router(std::move(the_router)),
      guard(options),
      pool(options.pool_threads, static_cast<std::size_t>(options.pool_queue_max)),
      disk(kDiskThreads, 2 * static_cast<std::size_t>(options.connections_max)),
      proofs(options.doorkeeper ? kProofThreads : 0, kProofsMax) {}

struct IoThread::Loop {
  // All sockets and timers of this context are used on this thread alone; only post() comes from others.
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{context.get_executor()};
  asio::steady_timer timer{context};
};

IoThread::IoThread(Shared& shared)
    : shared_(shared), loop_(std::make_unique<Loop>()), mailbox_(std::make_shared<Mailbox>([this] {
        asio::post(loop_->context, [this] { mailbox_->hand_out(); });
      })) {}

IoThread::~IoThread() { stop(); }

void IoThread::start() {
  thread_ = std::thread([this] { run(); });
}

void IoThread::post(std::function<void()> job) { asio::post(loop_->context, std::move(job)); }

asio::io_context& IoThread::context() { return loop_->context; }

void IoThread::run() {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!loop_->context.stopped()) {
    try {
      loop_->context.run();
    } catch (const std::exception& error) {
      base::log_error("http", std::string("an exception reached the io thread: ") + error.what());
    }
  }
}

void IoThread::adopt(Accepted client, bool is_refused) {
  asio::post(loop_->context, [this, client = std::move(client), is_refused]() mutable {
    now_ = base::steady_now();
    std::unique_ptr<LiveConnection> owned = LiveConnection::make(shared_, *this, std::move(client));
    LiveConnection* connection = owned.get();
    connections_.emplace(connection, std::move(owned));
    if (!is_ticking_) tick();
    is_refused ? connection->start_refused() : connection->start();
  });
}

void IoThread::retire(LiveConnection* connection) {
  // Later, because its own functions are still on the stack.
  post([this, connection] {
    connections_.erase(connection);
    if (--shared_.connections == 0) {
      const std::lock_guard lock(shared_.mutex);
      shared_.all_closed.notify_all();
    }
  });
}

void IoThread::tick() {
  now_ = base::steady_now();
  for (const auto& [connection, owned] : connections_) connection->check_deadline();
  is_ticking_ = !connections_.empty();
  if (!is_ticking_) return;
  const base::TimeUs period =
      std::clamp<base::TimeUs>(shared_.options.idle_timeout / 4, 10'000, base::kSecondUs);
  loop_->timer.expires_after(std::chrono::microseconds(period));
  loop_->timer.async_wait([this](const error_code& error) {
    if (!error) tick();
  });
}

void IoThread::drain(bool everything) {
  post([this, everything] {
    for (const auto& [connection, owned] : connections_) connection->drain(everything);
  });
}

void IoThread::stop() {
  if (!thread_.joinable()) return;
  mailbox_->close();
  // In its turn: what was posted before, such as the end of the last connections, still happens.
  post([this] { loop_->context.stop(); });
  thread_.join();
}

}  // namespace trimtab::http
