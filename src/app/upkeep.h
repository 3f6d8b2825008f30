// The server's own thread for what keeps its home in order and takes its time: no request and no look of the
// healing loop waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/result.h"
#include "heal/healer.h"
#include "project/project.h"
#include "registry/run_book.h"
#include "store/home.h"

namespace trimtab::app {

// Thread-safe. Works on one thing at a time, in the order in which it was asked.
class Upkeep {
 public:
  using Done = std::function<void(Result<Json>)>;

  // All outlive it. By itself it ends overdue leases every ten seconds and, when there is a retention,
  // carries that out once a day of the clock.
  Upkeep(store::Home& home, registry::RunBook& runs, const base::Clock& clock, heal::Healer& healer,
         std::optional<project::Retention> retention);
  ~Upkeep();  // Finishes what it is at; what waits is answered "cancelled".

  void start();
  // "gc" with a GarbageWish, "backup" with {"to": an absolute path}. Errors: invalid, and what the work says.
  void run(const std::string& task, const Json& wish, Done done);

 private:
  struct Order {
    std::string task;
    Json wish;
    Done done;
  };

  void work();
  void look();
  Status keep_retention();
  Result<Json> carry_out(const Order& order);
  Result<Json> collect(const Json& wish);
  Result<Json> back_up(const Json& wish);
  Status between_steps(std::function<Status()> work);

  store::Home& home_;
  registry::RunBook& runs_;
  const base::Clock& clock_;
  heal::Healer& healer_;
  const std::optional<project::Retention> retention_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Order> orders_;  // Guarded by mutex_.
  bool stopping_ = false;     // Guarded by mutex_.
  std::thread thread_;
};

}  // namespace trimtab::app
