// Sealing: points that wait in the journal and in memory are compressed into blocks, off the commit path.
// What is compressed is read and prepared here; the commit thread only writes the rows.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/memory.h"
#include "registry/book_state.h"
#include "registry/run_rows.h"

namespace trimtab::registry {
namespace {

// A tail is long when it has this many points a metric, or this many points or requests in all.
constexpr std::size_t kPointsPerMetric = 512;
constexpr std::size_t kPointsMax = 32'768;
constexpr std::size_t kRequestsMax = 4'096;
constexpr TimeUs kIdleUs = 60 * base::kSecondUs;
// How often the sealer looks by itself, and the rest it takes between two passes, in which tails gather.
constexpr std::chrono::seconds kLook(5);
constexpr std::chrono::milliseconds kRest(200);
// About 8 MB of tails: so much that is free is worth giving back.
constexpr std::size_t kPointsLetGoMax = 250'000;
// Tails that are copied at once.
constexpr std::size_t kJobsMax = 64;

bool is_long(const HeldRun& run) {
  const MetricTail& tail = *run.tail;
  const std::size_t metrics = std::max<std::size_t>(1, run.latest.size());
  return tail.points.size() >= std::min(kPointsPerMetric * metrics, kPointsMax) ||
         tail.sequences.size() >= kRequestsMax;
}

bool has_ended(const HeldRun& run) {
  return run.status != RunStatus::running && run.status != RunStatus::scheduled;
}

// One tail on its way into blocks.
struct SealJob {
  std::uint32_t place = 0;
  std::int64_t run = 0;
  bool has_blocks = false;
  std::map<std::string, std::vector<MetricCell>> points;
  std::size_t point_count = 0;
  std::vector<std::int64_t> sequences;
  MetricBatch latest;
  std::vector<BlockRow> blocks;
};

SealJob copy_tail(const RunColumns& columns, std::uint32_t place) {
  const HeldRun& run = columns.run(place);
  SealJob job;
  job.place = place;
  job.run = run.number;
  job.has_blocks = run.has_blocks;
  job.point_count = run.tail->points.size();
  job.sequences = run.tail->sequences;
  std::map<std::uint32_t, std::vector<MetricCell>*> by_id;
  for (const MetricCell& cell : run.tail->points) {
    std::vector<MetricCell>*& list = by_id[cell.key];
    if (list == nullptr) list = &job.points[std::string(columns.texts().text(cell.key))];
    list->push_back(cell);
  }
  for (MetricCell cell : run.latest) {
    job.latest.keys.emplace_back(columns.texts().text(cell.key));
    cell.key = static_cast<std::uint32_t>(job.latest.points.size());
    job.latest.points.push_back(cell);
  }
  return job;
}

// Only sealing writes blocks of a run that the book knows, so what is read here is still so at the commit.
Status make_job_blocks(store::Connection& connection, SealJob& job) {
  for (auto& [key, points] : job.points) {
    for (BlockRow& block : TRY(make_blocks(connection, job.run, key, std::move(points), job.has_blocks))) {
      job.blocks.push_back(std::move(block));
    }
  }
  return {};
}

// A run that was removed meanwhile took its points along.
Status write_job(store::Connection& connection, const SealJob& job) {
  {
    store::Statement run = connection.prepare("SELECT 1 FROM run WHERE number = ?");
    if (!TRY(run.with(job.run).step())) return {};
  }
  for (const BlockRow& block : job.blocks) TRY(put_block(connection, job.run, block));
  TRY(put_summary(connection, job.run, job.latest));
  for (const std::int64_t sequence : job.sequences) {
    TRY(connection.prepare("DELETE FROM metric_journal WHERE sequence = ?").with(sequence).run());
  }
  return {};
}

// Counts seals that are on their way.
class PendingSeals {
 public:
  explicit PendingSeals(std::size_t count) : left_(count) {}
  void finish(Status status) {
    const std::lock_guard guard(mutex_);
    if (!status && first_) first_ = std::move(status);
    if (--left_ == 0) done_.notify_one();
  }
  // The first refusal, if there was one.
  Status wait() {
    std::unique_lock guard(mutex_);
    done_.wait(guard, [this] { return left_ == 0; });
    return first_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t left_;
  Status first_;
};

}  // namespace

void RunBook::State::seal_when_long(std::uint32_t place) {
  const HeldRun& run = columns.run(place);
  if (run.tail == nullptr || !(has_ended(run) || is_long(run))) return;
  const std::lock_guard guard(sealer_mutex);
  if (std::exchange(seal_soon, true)) return;
  sealer_wakes.notify_one();
}

void RunBook::State::run_sealer() {
  std::unique_lock guard(sealer_mutex);
  while (!closing) {
    sealer_wakes.wait_for(guard, kLook, [this] { return closing || seal_soon; });
    if (closing) return;
    seal_soon = false;
    guard.unlock();
    if (const Status sealed = seal(false); !sealed) {
      base::log_warning("registry", "sealing metrics: " + base::render(sealed.error()));
    }
    guard.lock();
    sealer_wakes.wait_for(guard, kRest, [this] { return closing; });
  }
}

void RunBook::State::stop_sealer() {
  {
    const std::lock_guard guard(sealer_mutex);
    closing = true;
  }
  sealer_wakes.notify_one();
  if (sealer.joinable()) sealer.join();
}

Status RunBook::State::seal(bool all) {
  const std::lock_guard pass(pass_mutex);
  std::vector<std::uint32_t> due;
  {
    const std::unique_lock guard(lock);
    columns.forget_empty_tails();
    const TimeUs now = clock.now();
    for (const std::uint32_t place : columns.tailed()) {
      const HeldRun& run = columns.run(place);
      if (all || has_ended(run) || is_long(run) || now - run.tail->last_us >= kIdleUs) due.push_back(place);
    }
  }
  for (std::size_t start = 0; start < due.size(); start += kJobsMax) {
    const auto end = std::min(due.size(), start + kJobsMax);
    TRY(seal_tails(
        {due.begin() + static_cast<std::ptrdiff_t>(start), due.begin() + static_cast<std::ptrdiff_t>(end)}));
    if (points_let_go < kPointsLetGoMax) continue;
    points_let_go = 0;
    base::give_back_free_memory();
  }
  return {};
}

Status RunBook::State::seal_tails(const std::vector<std::uint32_t>& places) {
  std::vector<SealJob> jobs;
  {
    const std::shared_lock guard(lock);
    for (const std::uint32_t place : places) {
      if (columns.run(place).tail) jobs.push_back(copy_tail(columns, place));
    }
  }
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    for (SealJob& job : jobs) TRY(make_job_blocks(connection, job));
    return {};
  }));
  // A write of its own for each run, so that the requests of others come between.
  auto pending = std::make_shared<PendingSeals>(jobs.size());
  for (SealJob& job : jobs) {
    points_let_go += job.point_count;
    auto shared = std::make_shared<const SealJob>(std::move(job));
    home.database().submit([shared](store::Connection& connection) { return write_job(connection, *shared); },
                           [this, shared, pending](Status status) {
                             if (status) {
                               const std::unique_lock guard(lock);
                               if (!columns.find_number(shared->run)) return pending->finish({});
                               columns.set_has_blocks(shared->place);
                               columns.drop_sealed(shared->place, shared->point_count,
                                                   shared->sequences.size());
                             }
                             pending->finish(std::move(status));
                           });
  }
  return pending->wait();
}

}  // namespace trimtab::registry
