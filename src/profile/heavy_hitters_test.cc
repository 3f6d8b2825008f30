#include "profile/heavy_hitters.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <vector>

namespace trimtab::profile {
namespace {

using Counts = std::map<std::string, std::int64_t>;

struct Sketch {
  Counts heavy;
  std::int64_t error = 0;
};

// What the sketch promises of counts that are known.
void expect_kept(const Sketch& sketch, const Counts& truth) {
  std::int64_t total = 0;
  for (const auto& [value, count] : truth) total += count;
  RC_ASSERT(sketch.heavy.size() <= kHeavyCounters);
  for (const auto& [value, count] : sketch.heavy) RC_ASSERT(count > 0 && count <= truth.at(value));
  for (const auto& [value, count] : truth) {
    const auto found = sketch.heavy.find(value);
    const std::int64_t kept = found == sketch.heavy.end() ? 0 : found->second;
    RC_ASSERT(count - kept <= sketch.error);
  }
  RC_ASSERT(sketch.error <= total / static_cast<std::int64_t>(kHeavyCounters + 1));
}

TEST(HeavyHitters, FewValuesAreCountedExactly) {
  Sketch sketch;
  for (int i = 0; i < 10; ++i) add_heavy(sketch.heavy, sketch.error, i % 2 == 0 ? "a" : "b", i);
  EXPECT_EQ(sketch.heavy, (Counts{{"a", 20}, {"b", 25}}));
  EXPECT_EQ(sketch.error, 0);
}

RC_GTEST_PROP(HeavyHittersProperty, AreNeverTooHighAndLowByNoMoreThanTheError, ()) {
  const auto values = *rc::gen::resize(400, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 150)));
  const auto cut = *rc::gen::inRange<std::size_t>(0, values.size() + 1);
  Counts truth;
  Sketch first;
  Sketch second;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string value = std::to_string(values[i] * values[i] / 150);
    const std::int64_t times = 1 + values[i] % 3;
    truth[value] += times;
    Sketch& sketch = i < cut ? first : second;
    add_heavy(sketch.heavy, sketch.error, value, times);
  }
  merge_heavy(first.heavy, first.error, second.heavy, second.error);
  expect_kept(first, truth);
}

}  // namespace
}  // namespace trimtab::profile
