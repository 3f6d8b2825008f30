// Carries what the outbox holds to its receivers, in a thread of its own, for as long as it takes: a restart
// goes on where it was. A receiver gets each event at least once, with the same id in every attempt.
// Never decides what is told: that is the outbox's transaction.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "notify/outbox.h"
#include "store/home.h"

namespace trimtab::notify {

// What a receiver answered.
struct Answer {
  int status = 0;
  std::string body;  // Its beginning.
};

// POSTs `body` with the headers that MLflow's webhooks have: X-MLflow-Delivery-Id, X-MLflow-Timestamp and,
// with a secret, X-MLflow-Signature. Follows no redirects; the address is looked up once, checked, and used.
// Blocks for at most `patience`. Errors: invalid (the egress policy), busy (no connection), deadline.
Result<Answer> post_event(const store::Home& home, const Receiver& receiver, const std::string& delivery_id,
                          const std::string& body, TimeUs now, TimeUs patience);

class Courier {
 public:
  // `clock` is the world's, also on a server whose own clock is manual: receivers live in the world. The home
  // outlives it.
  Courier(store::Home& home, const base::Clock& clock);
  ~Courier();  // Stops after the present attempt.
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // Starts to carry, until the end.
  void start();
  // One round, in the caller's thread: tries what is due, and tells how many attempts that were. Errors:
  // storage_broken.
  Result<int> carry();
  // Sends `event` once, beside the outbox, and tells what came of it, in the courier's thread. Thread-safe.
  void try_out(Receiver receiver, Event event, std::function<void(Result<Answer>)> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::notify
