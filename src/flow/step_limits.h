// How long a step may take and how much memory it may use, as the person at the command line says it. No
// limit is part of a step's key: a result is the same however much was granted for it.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::flow {

struct StepLimits {
  TimeUs wall_time_max = 20 * base::kMinuteUs;  // From the moment the step is handed to a worker.
  std::uint64_t memory_bytes_max = 8ull << 30;  // Address space of the worker; its engine gets half of it.

  bool operator==(const StepLimits&) const = default;
};

// Less does not even start a worker: its libraries alone reserve this much address space.
inline constexpr std::uint64_t kStepMemoryLeast = 128ull << 20;

// Reads "30m" and "2GiB" (also KiB, MiB, TiB, and kB, MB, GB, TB for powers of ten). An empty text leaves the
// default. Errors: invalid, naming the option and an example.
Result<StepLimits> parse_step_limits(const std::string& wall_time, const std::string& memory);

// "512MiB": the largest binary unit that divides it; parse_step_limits reads it back.
std::string format_bytes(std::uint64_t bytes);

}  // namespace trimtab::flow
