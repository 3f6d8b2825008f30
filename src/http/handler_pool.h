// A fixed number of threads and bounded queues for handlers that read the disk. Who asks for many things at
// once queues apart, so that those who wait for one answer at a time need not wait behind all of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
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
  enum class Queue : std::uint8_t {
    usual,
    patient,  // Has its turn when nothing else waits, or after so many others.
  };
  static constexpr int kOthersFirst = 16;

  HandlerPool(int threads, std::size_t queue_max);
  ~HandlerPool();  // stop().

  // `queue_max`: of each queue. False, and the job is not taken, when its queue is full or the pool has
  // stopped.
  bool submit(Job job, Queue queue = Queue::usual);
  std::size_t waiting() const;
  // Lets the jobs that run end, and destroys those that wait without running them.
  void stop();

 private:
  void work();
  Job take();  // Under the lock, while something waits.

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> usual_;
  std::deque<Job> patient_;
  std::size_t queue_max_;
  int others_ = 0;  // That were taken since a patient one was, while one waited.
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace trimtab::http
