// A fixed number of threads and a bounded queue for handlers that read the disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trimtab::http {

// Thread-safe.
class HandlerPool {
 public:
  using Job = std::function<void()>;  // Must not throw.

  HandlerPool(int threads, std::size_t queue_max);
  ~HandlerPool();  // stop().

  // False, and the job is not taken, when the queue is full or the pool has stopped.
  bool submit(Job job);
  std::size_t waiting() const;
  // Lets the jobs that run end, and destroys those that wait without running them.
  void stop();

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::size_t queue_max_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trimtab::http
