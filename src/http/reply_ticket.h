// How an answer finds its way from a handler, on whatever thread, back to the connection that asked.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "http/message.h"
#include "http/route.h"

namespace trimtab::http {

// A connection, as far as its answers are concerned. It must outlive the request it waits for, or its mailbox
// must have been closed before.
class Recipient {
 public:
  virtual ~Recipient() = default;
  virtual void delivered(Reply reply) = 0;  // On the connection's own thread.
};

// Takes answers from any thread to the one thread that the recipients live on, many in one wake-up when the
// commit thread completes a group. After close() it drops them.
class Mailbox {
 public:
  // `wake` makes that thread call hand_out() soon; it may be called on any thread, with a lock held.
  explicit Mailbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void put(Recipient* to, Reply reply);
  void hand_out();
  void close();

 private:
  struct Letter {
    Recipient* to;
    Reply reply;
  };

  std::mutex mutex_;
  std::function<void()> wake_;  // Empty: closed.
  std::vector<Letter> letters_;
  std::vector<Letter> opened_;  // Only of the recipients' thread; kept for its storage.
};

// The promise of one request. Delivers when there is an answer and the handler has returned, whichever is
// later: the request's views must not move under a handler that still runs.
class Ticket final : public ReplySink {
 public:
  Ticket(std::shared_ptr<Mailbox> mailbox, Recipient* recipient)
      : mailbox_(std::move(mailbox)), recipient_(recipient) {}
  ~Ticket() override;
  void deliver(Reply reply) override;
  void handler_returned() { arrive(); }

 private:
  void arrive();

  std::shared_ptr<Mailbox> mailbox_;
  Recipient* recipient_;
  Reply reply_;
  std::atomic<int> awaited_ = 2;
};

// Runs the handler; whatever it throws becomes "internal error" and a line of the log. Nothing is returned
// when the promise carries the reply.
std::optional<Reply> call_handler(const Route& route, const Request& request,
                                  const std::shared_ptr<Ticket>& ticket);

}  // namespace trimtab::http
