#include "flow/step_limits.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace trimtab::flow {
namespace {

std::string refusal(const std::string& time, const std::string& memory) {
  const Result<StepLimits> limits = parse_step_limits(time, memory);
  return limits ? "accepted" : base::render(limits.error());
}

TEST(StepLimits, WhatIsNotSaidStaysAsItIs) {
  EXPECT_EQ(parse_step_limits("", "").value(), StepLimits{});
  EXPECT_EQ(parse_step_limits("30m", "").value(), (StepLimits{30 * base::kMinuteUs, 8ull << 30}));
  EXPECT_EQ(parse_step_limits("", "2GiB").value(), (StepLimits{20 * base::kMinuteUs, 2ull << 30}));
}

TEST(StepLimits, MemoryTakesPowersOfTwoAndOfTen) {
  const auto memory = [](const std::string& text) {
    return parse_step_limits("", text).value().memory_bytes_max;
  };
  EXPECT_EQ(memory("768MiB"), 768ull << 20);
  EXPECT_EQ(memory("1TiB"), 1ull << 40);
  EXPECT_EQ(memory("4GB"), 4'000'000'000u);
  EXPECT_EQ(memory("900MB"), 900'000'000u);
  EXPECT_EQ(memory("1073741824B"), 1ull << 30);
}

TEST(StepLimits, SaysWhichOptionIsWrongAndWhatToWrite) {
  EXPECT_EQ(refusal("soon", ""),
            "error: --step-time-max: 'soon' is no duration\n"
            "   hint: write a whole number and a unit: 30s, 15m, 24h, 2d or 4w");
  EXPECT_EQ(refusal("0s", ""),
            "error: --step-time-max: no step is done in no time\n"
            "   hint: write how long a single step may take, for example 30m");
  const std::string no_size = "   hint: write a whole number and a unit: 512MiB, 2GiB or 4GB";
  EXPECT_EQ(refusal("", "2"), "error: --step-memory-max: '2' is no size\n" + no_size);
  EXPECT_EQ(refusal("", "2 GiB"), "error: --step-memory-max: '2 GiB' is no size\n" + no_size);
  EXPECT_EQ(refusal("", "-1GiB"), "error: --step-memory-max: '-1GiB' is no size\n" + no_size);
  EXPECT_EQ(refusal("", "9999999999TiB"), "error: --step-memory-max: '9999999999TiB' is no size\n" + no_size);
  EXPECT_EQ(refusal("", "64MiB"),
            "error: --step-memory-max: 64MiB is too little for any step\n   hint: the least is " +
                format_bytes(kStepMemoryLeast) +
                "; it counts address space, of which the libraries alone reserve some");
}

TEST(StepLimits, ASizeIsWrittenWithTheLargestUnitThatDividesIt) {
  EXPECT_EQ(format_bytes(8ull << 30), "8GiB");
  EXPECT_EQ(format_bytes(1536ull << 20), "1536MiB");
  EXPECT_EQ(format_bytes(1'024'000), "1000KiB");
  EXPECT_EQ(format_bytes(1'000'000'001), "1000000001B");
  EXPECT_EQ(format_bytes(0), "0B");
}

RC_GTEST_PROP(StepLimits, WhatIsWrittenIsReadBack, ()) {
  StepLimits limits;
  limits.wall_time_max = *rc::gen::inRange<std::int64_t>(1, std::int64_t{1} << 50);
  limits.memory_bytes_max = *rc::gen::inRange<std::uint64_t>(kStepMemoryLeast, 1ull << 50);
  const Result<StepLimits> read =
      parse_step_limits(base::format_duration(limits.wall_time_max), format_bytes(limits.memory_bytes_max));
  RC_ASSERT(read.has_value());
  RC_ASSERT(*read == limits);
}

}  // namespace
}  // namespace trimtab::flow
