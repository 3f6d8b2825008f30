#include "profile/distinct_count.h"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>
#include <string>

namespace trimtab::profile {
namespace {

TEST(DistinctCount, IsWithinAFewPercent) {
  for (const std::int64_t wanted : {10, 1000, 100'000}) {
    std::vector<std::uint8_t> registers;
    for (std::int64_t i = 0; i < wanted; ++i) {
      add_hash(registers, hash_number(static_cast<std::uint64_t>(i)));
      add_hash(registers, hash_number(static_cast<std::uint64_t>(i)));
    }
    const auto found = static_cast<double>(estimate_distinct(registers));
    EXPECT_LT(std::abs(found / static_cast<double>(wanted) - 1), 0.1) << wanted << " found as " << found;
  }
}

TEST(DistinctCount, NothingIsZero) { EXPECT_EQ(estimate_distinct({}), 0); }

// States written by one version are merged by the next: a hash that changes would count everything twice.
TEST(DistinctCount, TheHashNeverChanges) {
  EXPECT_EQ(hash_number(0), 0xE220A8397B1DCDAFull);
  EXPECT_EQ(hash_text(""), hash_number(0));
  EXPECT_EQ(hash_text("EWR"), hash_number(hash_number(3) ^ 0x525745));
  EXPECT_EQ(hash_text("123456789"), hash_number(hash_number(hash_number(9) ^ 0x3837363534333231) ^ 0x39));
}

RC_GTEST_PROP(DistinctCountProperty, MergingPartsEqualsOnePass, ()) {
  const auto values = *rc::gen::container<std::vector<std::string>>(rc::gen::arbitrary<std::string>());
  const auto cut = *rc::gen::inRange<std::size_t>(0, values.size() + 1);
  std::vector<std::uint8_t> all;
  std::vector<std::uint8_t> first;
  std::vector<std::uint8_t> second;
  for (std::size_t i = 0; i < values.size(); ++i) {
    add_hash(all, hash_text(values[i]));
    add_hash(i < cut ? first : second, hash_text(values[i]));
  }
  merge_registers(first, second);
  RC_ASSERT(first == all);
}

RC_GTEST_PROP(DistinctCountProperty, FewAreCountedNearly, ()) {
  const auto values = *rc::gen::container<std::set<std::string>>(rc::gen::arbitrary<std::string>());
  std::vector<std::uint8_t> registers;
  for (const std::string& value : values) add_hash(registers, hash_text(value));
  const auto wanted = static_cast<double>(values.size());
  RC_ASSERT(std::abs(static_cast<double>(estimate_distinct(registers)) - wanted) <= 2 + 0.15 * wanted);
}

}  // namespace
}  // namespace trimtab::profile
