// Brings tasks to their results: from the cache when the key is known, else by a worker process, whose output
// files become blobs and whose result becomes a row, in that order, so that a kill at any moment loses
// nothing finished.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "flow/step_limits.h"
#include "flow/task.h"
#include "store/home.h"

namespace trimtab::flow {

// Hears what happens; called from the thread that called run, never concurrently.
class ProgressListener {
 public:
  virtual ~ProgressListener() = default;
  virtual void started(const Task&) {}
  // `done` of `total` in `unit` for the running task.
  virtual void progressed(const Task&, std::int64_t done, std::int64_t total, const std::string& unit) {
    (void)done, (void)total, (void)unit;
  }
  virtual void finished(const Task&, const TaskResult&) {}
  virtual void failed(const Task&, const Error&) {}
};

struct ExecutorOptions {
  std::string program;                       // Our own executable.
  int workers = 2;                           // At most so many processes at once.
  bool dry_run = false;                      // Plan: run nothing, say what would run and why.
  std::vector<std::string> folders_allowed;  // Where users' files are.
  StepLimits limits;                         // Of each step.
};

// Thread-safe; calls of run are served one after the other.
class Executor {
 public:
  Executor(store::Home& home, const base::Clock& clock, ExecutorOptions options);
  ~Executor();

  // Results in the order of the tasks. The first failure stops the rest and is returned (its log and
  // resources are kept in step_result with outcome 'failed'; a failed step is tried again next time). Errors:
  // the step's.
  Result<std::vector<TaskResult>> run(const std::vector<Task>& tasks, ProgressListener& listener,
                                      const std::atomic<bool>* cancel = nullptr);
  Result<TaskResult> run_one(const Task& task, ProgressListener& listener,
                             const std::atomic<bool>* cancel = nullptr);
  bool is_dry_run() const;

 private:
  friend class Round;
  struct State;
  std::unique_ptr<State> state_;
};

// The step of the same operation and label that ran last, for plan's "why": compares parameters and inputs
// and names what differs ("new", "its input changed: …", "features: + hour, ~ route").
std::string explain_difference(const Json& before, const Task& now);

}  // namespace trimtab::flow
