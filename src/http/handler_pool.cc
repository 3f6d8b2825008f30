#include "http/handler_pool.h"

#include <utility>

namespace trimtab::http {

HandlerPool::HandlerPool(int threads, std::size_t queue_max) : queue_max_(queue_max) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

HandlerPool::~HandlerPool() { stop(); }

bool HandlerPool::submit(Job job, Queue queue) {
  {
    const std::lock_guard lock(mutex_);
    std::deque<Job>& jobs = queue == Queue::usual ? usual_ : patient_;
    if (stopped_ || jobs.size() >= queue_max_) return false;
    jobs.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

std::size_t HandlerPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return usual_.size() + patient_.size();
}

void HandlerPool::stop() {
  std::vector<std::thread> threads;
  std::deque<Job> unstarted,
      patient_ones;  // Destroyed after the lock: a job's end may call back into the server.
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
    unstarted.swap(usual_);
    patient_ones.swap(patient_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

HandlerPool::Job HandlerPool::take() {
  const bool is_patient = usual_.empty() || (!patient_.empty() && others_ == kOthersFirst);
  others_ = is_patient || patient_.empty() ? 0 : others_ + 1;
  std::deque<Job>& jobs = is_patient ? patient_ : usual_;
  Job job = std::move(jobs.front());
  jobs.pop_front();
  return job;
}

void HandlerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopped_ || !usual_.empty() || !patient_.empty(); });
    if (stopped_) return;
    Job job = take();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace trimtab::http
