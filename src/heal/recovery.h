// Brings the memory of an endpoint back after a restart while the endpoint answers already: a log of a year
// takes minutes to read, and nobody waits so long for a prediction. What happens meanwhile is put off (a row
// stands in the log, which is read to its end; a label waits), so that memory is built in the order of the
// log, as if nobody had been in a hurry.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace trimtab::heal {

// Thread-safe.
class Recovery {
 public:
  Recovery() = default;
  ~Recovery();  // Stops it.
  Recovery(const Recovery&) = delete;

  // On a thread of its own: `catch_up` may take long and should end early when is_stopping(); then `finish`,
  // which must be quick: whoever would put something off waits for it. Once.
  void begin(std::function<void()> catch_up, std::function<void()> finish);
  bool is_over() const { return is_over_.load(std::memory_order_acquire); }
  bool is_stopping() const { return is_stopping_.load(std::memory_order_relaxed); }
  // Calls `instead` if it is not over yet, and says whether it did. `finish` comes after it.
  bool put_off(const std::function<void()>& instead);
  // Waits until it is over; at most so long. False: it is not.
  bool wait(TimeUs at_most) const;
  void wait() const;

 private:
  std::atomic<bool> is_over_{false};
  std::atomic<bool> is_stopping_{false};
  mutable std::mutex mutex_;
  mutable std::condition_variable over_;
  std::thread thread_;
};

}  // namespace trimtab::heal
