// Runs one child process to its end, within limits, and says what it used. No shell is ever involved.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::base {

struct ProcessOptions {
  std::vector<std::string> argv;         // argv[0] is the program's path.
  std::vector<std::string> environment;  // "NAME=value" added to a copy of ours.
  std::string working_folder;            // "": ours.
  std::string input;                     // Its standard input, unless input_descriptor is given.
  int input_descriptor = -1;             // Becomes its standard input: a pipe that the caller keeps feeding.
  TimeUs wall_time_max = 0;              // 0: no deadline. Past it the process group is killed.
  std::uint64_t memory_bytes_max = 0;    // 0: no limit. RLIMIT_AS.
  std::uint64_t log_bytes_max = 64 * 1024;  // Standard error kept: the last so many bytes.
  // Called for each whole line the child writes to standard output, on the calling thread.
  std::function<void(std::string_view line)> on_line;
  // Polled at least every 100 ms: when it turns true the process group is killed.
  const std::atomic<bool>* cancel = nullptr;
};

struct ProcessOutcome {
  int exit_code = 0;  // Of a normal end.
  int signal = 0;     // That ended it, or 0.
  bool timed_out = false;
  bool cancelled = false;
  std::string log;  // Tail of standard error.
  TimeUs wall_us = 0;
  TimeUs cpu_us = 0;  // User and system.
  // Exact when above our own peak, otherwise the highest seen while it ran; 0 when it was too short to be
  // seen.
  std::uint64_t peak_rss_bytes = 0;

  bool ok() const { return exit_code == 0 && signal == 0 && !timed_out && !cancelled; }
};

// Blocks until the child and its pipes have ended. The child dies with us (PR_SET_PDEATHSIG) and leads its
// own process group, which is killed with it: grandchildren do not outlive the call.
// Errors: not_found (no such program or working folder), internal (no fork, no pipe, no right to run it).
Result<ProcessOutcome> run_process(const ProcessOptions& options);

}  // namespace trimtab::base
