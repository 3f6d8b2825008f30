// The owner's hand on a worker process: gives it one task after the other and turns its death into an error.
// A step that crashes, hangs or takes too much memory ends that process and nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "flow/step_limits.h"
#include "flow/task.h"

namespace trimtab::flow {

struct WorkerOptions {
  std::string program;  // Path of our own executable.
  std::vector<std::string> folders_allowed;
  StepLimits limits;
};

// A worker process kept warm between tasks. Belongs to one thread at a time.
class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();  // Ends the process.

  struct Progress {
    std::int64_t done = 0, total = 0;
    std::string unit;
  };
  struct Outcome {
    Result<Json> values = Json();  // What the operation returned, or why there is nothing.
    Resources resources;           // What was used, also by a step that failed.
    std::string log;  // What a process that ended wrote to standard error: the last 64 KiB at most.
  };
  // Starts the process when there is none. Errors: the operation's own; step_failed when the process crashed
  // (names the signal), passed the deadline, or broke its memory limit, with the tail of its log; cancelled.
  // After an error of the process the next call starts a new one. SIGPIPE must be ignored.
  Outcome run(const Task& task, const std::map<std::string, std::vector<std::string>>& inputs,
              const std::string& output_folder, const std::function<void(const Progress&)>& on_progress,
              const std::atomic<bool>* cancel = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow
