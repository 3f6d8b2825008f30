#include "serve/answer_memory.h"

#include <gtest/gtest.h>

namespace trimtab::serve {
namespace {

TEST(AnswerMemory, OfTwoAnswersUnderOneIdTheFirstCounts) {
  AnswerMemory memory(10);
  EXPECT_FALSE(memory.add("a", {1, 0.5, 7}));
  EXPECT_EQ(memory.add("a", {2, 0.75, 8})->score, 0.5);
  EXPECT_EQ(memory.find("a")->request_hash, 1u);
  EXPECT_EQ(memory.find("a")->version, 7);
  EXPECT_FALSE(memory.find("b"));
}

TEST(AnswerMemory, ForgetsTheOldest) {
  AnswerMemory memory(2);
  memory.add("a", {});
  memory.add("b", {});
  memory.add("a", {});  // Not new, and not younger for it.
  memory.add("c", {});
  EXPECT_FALSE(memory.find("a"));
  EXPECT_TRUE(memory.find("b"));
  EXPECT_TRUE(memory.find("c"));
  EXPECT_FALSE(memory.add("a", {}));
  EXPECT_FALSE(memory.find("b"));
}

}  // namespace
}  // namespace trimtab::serve
