#include "flow/task.h"

#include <gtest/gtest.h>

namespace trimtab::flow {
namespace {

const std::string kHash(64, 'a');
const std::string kOther(64, 'b');

Task clean_task() {
  return {.operation = "clean",
          .label = "clean rides: monday.csv",
          .params = Json::object({{"steps", 1}}),
          .inputs = {{"part", kHash, {}}, {"join0", kOther, {}}}};
}

// The key of a clean task after a change.
std::string key_after(const std::function<void(Task&)>& change) {
  Task task = clean_task();
  change(task);
  return task_key(task);
}

TEST(TaskKey, IsASha256) {
  EXPECT_EQ(task_key(clean_task()).size(), 64u);
  EXPECT_EQ(task_key(clean_task()), task_key(clean_task()));
}

TEST(TaskKey, CoversAllThatTheResultDependsOn) {
  const std::string key = task_key(clean_task());
  EXPECT_NE(key_after([](Task& task) { task.operation = "check"; }), key);
  EXPECT_NE(key_after([](Task& task) { task.params.set("steps", 2); }), key);
  EXPECT_NE(key_after([](Task& task) { task.threads = 2; }), key);
  EXPECT_NE(key_after([](Task& task) { task.inputs[0].sha256 = kOther; }), key);
  EXPECT_NE(key_after([](Task& task) { task.inputs[1].name = "join1"; }), key);
  EXPECT_NE(key_after([](Task& task) { task.inputs.pop_back(); }), key);
}

// A part's place among the others decides about the order of rows.
TEST(TaskKey, CoversTheOrderOfTheInputs) {
  EXPECT_NE(key_after([](Task& task) { std::swap(task.inputs[0], task.inputs[1]); }), task_key(clean_task()));
}

TEST(TaskKey, DoesNotDependOnWhatPeopleCallTheStepOrWhereAFileLies) {
  const std::string key = task_key(clean_task());
  EXPECT_EQ(key_after([](Task& task) { task.label = "anything"; }), key);
  EXPECT_EQ(key_after([](Task& task) { task.inputs[0].path = "/elsewhere/monday.csv"; }), key);
}

TEST(TaskKey, NeighbouringWordsCannotBeTakenForEachOther) {
  const auto with_inputs = [](std::string first, std::string second) {
    return key_after([&](Task& task) { task.inputs = {{first, second, {}}}; });
  };
  EXPECT_NE(with_inputs("part", "1" + kHash), with_inputs("part1", kHash));
}

TEST(Task, IsKnownOnceEveryInputIs) {
  Task task = clean_task();
  EXPECT_TRUE(task.is_known());
  task.inputs[1].sha256.clear();
  EXPECT_FALSE(task.is_known());
}

TEST(Operations, AreFoundByName) {
  ASSERT_NE(find_operation("train"), nullptr);
  EXPECT_EQ(find_operation("train")->name, "train");
  EXPECT_EQ(find_operation("trian"), nullptr);
}

TEST(TaskResult, APendingResultHasNoFilesYet) {
  TaskResult result;
  result.pending = true;
  EXPECT_EQ(result.file("part.parquet"), "");
  result.pending = false;
  result.files["part.parquet"] = {kHash, 1};
  EXPECT_EQ(result.file("part.parquet"), kHash);
  EXPECT_DEATH(result.file("model.txt"), "found != files.end");
}

}  // namespace
}  // namespace trimtab::flow
