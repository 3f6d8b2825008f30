#include "heal/recovery.h"

#include <chrono>
#include <utility>

namespace trimtab::heal {

Recovery::~Recovery() {
  is_stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void Recovery::begin(std::function<void()> catch_up, std::function<void()> finish) {
  thread_ = std::thread([this, catch_up = std::move(catch_up), finish = std::move(finish)] {
    catch_up();
    if (is_stopping()) return;
    {
      const std::scoped_lock lock(mutex_);
      finish();
      is_over_.store(true, std::memory_order_release);
    }
    over_.notify_all();
  });
}

bool Recovery::put_off(const std::function<void()>& instead) {
  if (is_over()) return false;
  const std::scoped_lock lock(mutex_);
  if (is_over()) return false;
  instead();
  return true;
}

bool Recovery::wait(TimeUs at_most) const {
  if (is_over()) return true;
  std::unique_lock lock(mutex_);
  return over_.wait_for(lock, std::chrono::microseconds(at_most), [this] { return is_over(); });
}

void Recovery::wait() const {
  if (is_over()) return;
  std::unique_lock lock(mutex_);
  over_.wait(lock, [this] { return is_over(); });
}

}  // namespace trimtab::heal
