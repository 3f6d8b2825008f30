#include "watch/id_index.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>
#include <unordered_map>

namespace trimtab::watch {
namespace {

TEST(IdIndex, KnowsTheRowOfEachId) {
  IdIndex index;
  EXPECT_FALSE(index.find(""));
  index.add("a", 10);
  index.add("", 20);
  EXPECT_EQ(index.add("bc", 10).row, 1u);
  const auto found = index.find("bc");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->batch, 10);
  EXPECT_EQ(index.of(10).of(found->row), "bc");
  EXPECT_EQ(index.find("")->batch, 20);
  EXPECT_FALSE(index.find("b"));
  index.forget(10);
  EXPECT_FALSE(index.find("a"));
  EXPECT_FALSE(index.find("bc"));
  EXPECT_EQ(index.find("")->row, 0u);
  EXPECT_EQ(index.add("a", 30).row, 0u);
  EXPECT_EQ(index.find("a")->batch, 30);
}

// Against a plain map: batches come and go, and the table grows meanwhile.
TEST(IdIndex, IsAMap) {
  std::mt19937 random(20130401);
  IdIndex index;
  std::unordered_map<std::string, IdIndex::Place> expected;
  std::map<std::int64_t, std::uint32_t> rows;
  for (std::int64_t newest = 0; newest < 60; ++newest) {
    for (auto count = random() % 3'000; count > 0; --count) {
      const std::string id = std::to_string(random() % 20'000);
      const std::int64_t batch = newest - static_cast<std::int64_t>(random() % 2);
      if (expected.contains(id)) continue;
      expected[id] = index.add(id, batch);
      EXPECT_EQ(expected[id].row, rows[batch]++);
    }
    const std::int64_t oldest = newest - 5;
    if (rows.erase(oldest) > 0) index.forget(oldest);
    std::erase_if(expected, [&](const auto& entry) { return entry.second.batch == oldest; });
    for (int i = 0; i < 20'000; ++i) {
      const std::string id = std::to_string(i);
      const auto found = index.find(id);
      const auto wanted = expected.find(id);
      ASSERT_EQ(found.has_value(), wanted != expected.end());
      if (!found) continue;
      ASSERT_EQ(found->batch, wanted->second.batch);
      ASSERT_EQ(found->row, wanted->second.row);
      ASSERT_EQ(index.of(found->batch).of(found->row), id);
    }
  }
}

}  // namespace
}  // namespace trimtab::watch
