#include "flow/step_limits.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

namespace trimtab::flow {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};

// The binary units first and falling, so that the first that divides is the largest.
constexpr std::array kUnits = {
    Unit{"TiB", 1ull << 40},
    Unit{"GiB", 1ull << 30},
    Unit{"MiB", 1ull << 20},
    Unit{"KiB", 1ull << 10},
    Unit{"B", 1},
    Unit{"TB", 1'000'000'000'000},
    Unit{"GB", 1'000'000'000},
    Unit{"MB", 1'000'000},
    Unit{"kB", 1'000},
};

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                  [&](const Unit& u) { return u.name == text.substr(digits); });
  // Eighteen digits always fit into 64 bits.
  if (digits >= 1 && digits <= 18 && unit != kUnits.end()) {
    std::uint64_t count = 0;
    for (const char digit : text.substr(0, digits))
      count = count * 10 + static_cast<std::uint64_t>(digit - '0');
    if (count <= std::numeric_limits<std::int64_t>::max() / unit->bytes) return count * unit->bytes;
  }
  return fail(ErrorCode::invalid, "--step-memory-max: '" + std::string(text.substr(0, 64)) + "' is no size",
              "write a whole number and a unit: 512MiB, 2GiB or 4GB");
}

}  // namespace

Result<StepLimits> parse_step_limits(const std::string& wall_time, const std::string& memory) {
  StepLimits limits;
  if (!wall_time.empty()) {
    const Result<TimeUs> time = base::parse_duration(wall_time);
    if (!time) {
      return fail(ErrorCode::invalid, "--step-time-max: " + time.error().message, time.error().hint);
    }
    if (*time == 0) {
      return fail(ErrorCode::invalid, "--step-time-max: no step is done in no time",
                  "write how long a single step may take, for example 30m");
    }
    limits.wall_time_max = *time;
  }
  if (!memory.empty()) {
    limits.memory_bytes_max = TRY(parse_bytes(memory));
    if (limits.memory_bytes_max < kStepMemoryLeast) {
      return fail(ErrorCode::invalid, "--step-memory-max: " + memory + " is too little for any step",
                  "the least is " + format_bytes(kStepMemoryLeast) +
                      "; it counts address space, of which the libraries alone reserve some");
    }
  }
  return limits;
}

std::string format_bytes(std::uint64_t bytes) {
  const auto* unit =
      std::find_if(kUnits.begin(), kUnits.end(), [bytes](const Unit& u) { return bytes % u.bytes == 0; });
  // Nothing is divided by every unit.
  if (bytes == 0) unit = kUnits.begin() + 4;
  return std::to_string(bytes / unit->bytes) + std::string(unit->name);
}

}  // namespace trimtab::flow
