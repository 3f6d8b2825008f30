// Many readers or one writer, where readers that keep coming cannot keep a writer waiting for ever: the
// commit thread is that writer. Works with std::unique_lock and std::shared_lock.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace trimtab::registry {

class FairLock {
 public:
  void lock() {
    const std::lock_guard gate(gate_);
    held_.lock();
  }
  void unlock() { held_.unlock(); }
  void lock_shared() {
    const std::lock_guard gate(gate_);
    held_.lock_shared();
  }
  void unlock_shared() { held_.unlock_shared(); }

 private:
  std::mutex gate_;  // A writer holds it while it waits for the readers inside, and no reader passes it.
  std::shared_mutex held_;
};

}  // namespace trimtab::registry
