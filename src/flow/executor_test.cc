// The steps here are real: rows of JSON become Parquet parts in worker processes of this very program.
#include "flow/executor.h"

#include <gtest/gtest.h>

#include "flow/small_world_test.h"
#include "ingest/ingest.h"

namespace trimtab::flow {
namespace {

const table::Schema kRows({{"x", table::ColumnType::integer}});

class ExecutorTest : public testing::Test {
 protected:
  // A step that turns these lines into a part. Lines that are no JSON make it fail.
  Task rows_task(const std::string& lines) {
    return {.operation = "ingest_rows",
            .label = "ingest numbers: " + lines.substr(0, lines.find('\n')),
            .params = ingest::ingest_rows_params(kRows, ""),
            .inputs = {{"rows", world_.home->blobs().put(lines).value(), {}}}};
  }
  std::unique_ptr<Executor> fresh(ExecutorOptions options) {
    return std::make_unique<Executor>(*world_.home, world_.clock, std::move(options));
  }
  std::unique_ptr<Executor> fresh() { return fresh(world_.options()); }
  std::vector<std::string> kept() {
    return world_.query("SELECT outcome, label FROM step_result ORDER BY label", 2);
  }
  std::string error_of(const Result<std::vector<TaskResult>>& results) {
    return results ? "none" : base::render(results.error());
  }
  Json resources_of(const std::string& label) {
    return base::parse_json(
               world_.query("SELECT resources_json FROM step_result WHERE label = '" + label + "'", 1).at(0))
        .value();
  }

  SmallWorld world_;
  StepNotes& notes_ = world_.notes;
  Executor& executor_ = *world_.executor;
};

TEST_F(ExecutorTest, AStepRunsOnceAndIsFoundFromThenOn) {
  const Task task = rows_task("{\"x\":1}\n{\"x\":2}\n");
  const TaskResult first = executor_.run_one(task, notes_).value();
  EXPECT_FALSE(first.cached);
  EXPECT_EQ(first.values.int_or("rows"), 2);
  EXPECT_TRUE(world_.home->blobs().has(first.file("part.parquet")));
  EXPECT_EQ(notes_.take_started().size(), 1u);

  const TaskResult again = fresh()->run_one(task, notes_).value();
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(again.values, first.values);
  EXPECT_EQ(again.file("part.parquet"), first.file("part.parquet"));
  EXPECT_EQ(notes_.take_started().size(), 0u);
}

TEST_F(ExecutorTest, WhatAStepUsedIsKeptWithIt) {
  const Task task = rows_task("{\"x\":1}\n{\"x\":2}\n");
  ASSERT_TRUE(executor_.run_one(task, notes_));
  const Json used = resources_of("ingest numbers: {\"x\":1}");
  EXPECT_EQ(used.int_or("rows"), 2);
  EXPECT_EQ(used.int_or("bytes_read"), 16);
  EXPECT_GT(used.int_or("peak_rss_bytes"), 0);
  EXPECT_GT(used.double_or("wall_s"), 0);
  EXPECT_TRUE(used.find("cpu_s") != nullptr);
}

TEST_F(ExecutorTest, EqualTasksOfOneCallRunOnce) {
  const Task task = rows_task("{\"x\":1}\n");
  Task copy = task;
  copy.label = "the same by another name";
  const std::vector<TaskResult> results = executor_.run({task, copy, task}, notes_).value();
  EXPECT_EQ(notes_.take_started(), std::vector<std::string>{task.label});
  EXPECT_EQ(results[0].file("part.parquet"), results[1].file("part.parquet"));
  EXPECT_EQ(results[0].file("part.parquet"), results[2].file("part.parquet"));
}

TEST_F(ExecutorTest, ResultsComeInTheOrderOfTheTasks) {
  std::vector<Task> tasks;
  for (int rows = 1; rows <= 6; ++rows) {
    std::string lines;
    for (int row = 0; row < rows; ++row) lines += "{\"x\":" + std::to_string(10 * rows + row) + "}\n";
    tasks.push_back(rows_task(lines));
  }
  ASSERT_TRUE(executor_.run({tasks[3], tasks[1]}, notes_));
  const std::vector<TaskResult> results = executor_.run(tasks, notes_).value();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    EXPECT_EQ(results[i].values.int_or("rows"), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(results[i].cached, i == 1 || i == 3);
  }
}

TEST_F(ExecutorTest, AResultWhoseFileIsGoneIsMadeAgain) {
  const Task task = rows_task("{\"x\":1}\n");
  const std::string part = executor_.run_one(task, notes_).value().file("part.parquet");
  ASSERT_TRUE(world_.home->blobs().remove(part));
  EXPECT_FALSE(fresh()->run_one(task, notes_).value().cached);
  EXPECT_TRUE(world_.home->blobs().has(part));
}

TEST_F(ExecutorTest, TheFirstFailureStopsTheRest) {
  ExecutorOptions options = world_.options();
  options.workers = 1;
  const Task good = rows_task("{\"x\":1}\n"), bad = rows_task("{\"x\":\"many\"}\n"),
             later = rows_task("{\"x\":3}\n");
  const Result<std::vector<TaskResult>> results = fresh(options)->run({good, bad, later}, notes_);
  ASSERT_FALSE(results);
  EXPECT_EQ(notes_.take_started(), (std::vector<std::string>{bad.label, good.label}));
  EXPECT_EQ(notes_.take_failed(), std::vector<std::string>{bad.label + ": " + results.error().message});
  EXPECT_EQ(kept(), (std::vector<std::string>{"failed|" + bad.label, "done|" + good.label}));
  // What was finished is not lost, and the rest can still be had.
  EXPECT_TRUE(fresh()->run_one(good, notes_).value().cached);
  EXPECT_TRUE(fresh()->run_one(later, notes_));
}

TEST_F(ExecutorTest, AFailedStepKeepsWhatItSaidAndUsed) {
  const Task bad = rows_task("{\"x\":\"many\"}\n");
  const Result<std::vector<TaskResult>> results = executor_.run({bad}, notes_);
  ASSERT_FALSE(results);
  EXPECT_EQ(world_.query("SELECT log FROM step_result", 1),
            std::vector<std::string>{base::render(results.error())});
  const Json used = resources_of(bad.label);
  EXPECT_EQ(used.int_or("bytes_read"), 13);
  EXPECT_GT(used.int_or("peak_rss_bytes"), 0);
}

// A worker that dies the first time and is an honest one from then on.
TEST_F(ExecutorTest, AFailedStepIsTriedAgain) {
  const std::string marker = (world_.folder / "marker").string();
  const std::string program = (world_.folder / "worker.sh").string();
  const std::string script = "#!/bin/sh\nif [ -e " + marker + " ]; then exec " + worker_program() +
                             " \"$@\"; fi\ntouch " + marker + "\nread task\necho 'gone' >&2\nkill -KILL $$\n";
  ASSERT_TRUE(base::write_file_durably(program, script, 0755));
  ExecutorOptions options = world_.options();
  options.program = program;
  const std::unique_ptr<Executor> executor = fresh(options);
  const Task task = rows_task("{\"x\":1}\n");
  EXPECT_EQ(error_of(executor->run({task}, notes_)),
            "error: the step 'ingest numbers: {\"x\":1}' was ended by signal 9\n   log: gone\n\n"
            "   hint: its log is kept with the step; run the command again to try it once more");
  EXPECT_EQ(kept(), std::vector<std::string>{"failed|" + task.label});
  EXPECT_TRUE(executor->run({task}, notes_));
  EXPECT_EQ(kept(), std::vector<std::string>{"done|" + task.label});
}

TEST_F(ExecutorTest, ALongLogIsKeptWithTheFailedStep) {
  const std::string program = (world_.folder / "worker.sh").string();
  const std::string script =
      "#!/bin/sh\nread task\ni=0; while [ $i -lt 500 ]; do echo \"line $i\" >&2; i=$((i+1)); done; exit 1\n";
  ASSERT_TRUE(base::write_file_durably(program, script, 0755));
  ExecutorOptions options = world_.options();
  options.program = program;
  ASSERT_FALSE(fresh(options)->run({rows_task("{\"x\":1}\n")}, notes_));
  const std::string log = world_.query("SELECT log FROM step_result", 1).at(0);
  EXPECT_NE(log.find("\nline 0\n"), std::string::npos);
  EXPECT_NE(log.find("\nline 499\n"), std::string::npos);
}

TEST_F(ExecutorTest, CancelledStepsLeaveNoTrace) {
  const std::atomic<bool> cancel{true};
  const Result<std::vector<TaskResult>> results = executor_.run({rows_task("{\"x\":1}\n")}, notes_, &cancel);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code, ErrorCode::cancelled);
  EXPECT_EQ(notes_.take_failed(), std::vector<std::string>{});
  EXPECT_EQ(kept(), std::vector<std::string>{});
}

TEST_F(ExecutorTest, NothingIsLeftInStaging) {
  ASSERT_TRUE(executor_.run({rows_task("{\"x\":1}\n")}, notes_));
  ASSERT_FALSE(executor_.run({rows_task("{\"x\":\"many\"}\n")}, notes_));
  EXPECT_TRUE(std::filesystem::is_empty(world_.home->folder() / "staging"));
}

TEST_F(ExecutorTest, ADryRunSaysWhatWouldRunAndWhyAndRunsNothing) {
  Task task = rows_task("{\"x\":1}\n");
  const std::unique_ptr<Executor> planner = fresh(world_.options(true));
  const TaskResult planned = planner->run_one(task, notes_).value();
  EXPECT_TRUE(planned.pending);
  EXPECT_EQ(planned.why, "new");
  EXPECT_EQ(planned.file("part.parquet"), "");
  EXPECT_EQ(kept(), std::vector<std::string>{});

  ASSERT_TRUE(executor_.run_one(task, notes_));
  EXPECT_TRUE(planner->run_one(task, notes_).value().cached);
  task.params.set("time", "at");
  EXPECT_EQ(planner->run_one(task, notes_).value().why, "its parameters changed: time \"\" → \"at\"");
  task.inputs[0].sha256 = "";
  EXPECT_EQ(planner->run_one(task, notes_).value().why, "its input changes");
}

Json spec_of(const Json& params, const std::vector<std::string>& inputs) {
  Json list = Json::array();
  for (const std::string& sha256 : inputs) list.push(Json::array().push("part").push(sha256));
  return Json::object({{"params", params}, {"inputs", std::move(list)}});
}

std::string difference(const Json& before, const Json& now) {
  return explain_difference(
      spec_of(before, {"a"}),
      {.operation = "train", .label = "train late", .params = now, .inputs = {{"part", "a", {}}}});
}

Json features(const std::vector<std::pair<std::string, std::string>>& features) {
  Json list = Json::array();
  for (const auto& [name, text] : features) list.push(Json::object({{"name", name}, {"text", text}}));
  return Json::object({{"features", std::move(list)}});
}

TEST(ExplainDifference, NamesTheParameterThatChanged) {
  EXPECT_EQ(
      difference(Json::object({{"rounds", 200}, {"seed", 1}}), Json::object({{"rounds", 300}, {"seed", 1}})),
      "its parameters changed: rounds 200 → 300");
  EXPECT_EQ(difference(Json::object({{"learner", Json::object({{"rounds", 200}})}}),
                       Json::object({{"learner", Json::object({{"rounds", 300}})}})),
            "its parameters changed: rounds 200 → 300");
}

TEST(ExplainDifference, NamesWhatWasAddedToAListAndTakenFromIt) {
  EXPECT_EQ(difference(features({{"hour", "hour(at)"}}), features({{"hour", "hour(at)"}, {"km", "km"}})),
            "its parameters changed: + features km");
  EXPECT_EQ(difference(features({{"hour", "hour(at)"}, {"km", "km"}}), features({{"km", "km"}})),
            "its parameters changed: - features hour");
}

TEST(ExplainDifference, NamesWhatIsAnotherInAList) {
  EXPECT_EQ(difference(features({{"hour", "hour(at)"}, {"km", "km"}}),
                       features({{"hour", "hour(at) + 1"}, {"km", "km"}})),
            "its parameters changed: features hour: text \"hour(at)\" → \"hour(at) + 1\"");
  EXPECT_EQ(difference(Json::object({{"town", Json::array().push("a").push("b")}}),
                       Json::object({{"town", Json::array().push("b").push("c")}})),
            "its parameters changed: + town \"c\", - town \"a\"");
  EXPECT_EQ(difference(features({{"hour", "hour(at)"}, {"km", "km"}}),
                       features({{"km", "km"}, {"hour", "hour(at)"}})),
            "its parameters changed: features in another order");
}

TEST(ExplainDifference, SaysThreeChangesAtMost) {
  EXPECT_EQ(difference(Json::object({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}),
                       Json::object({{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}})),
            "its parameters changed: a 1 → 2, b 1 → 2, c 1 → 2, …");
}

TEST(ExplainDifference, ALongValueIsCut) {
  EXPECT_EQ(difference(Json::object({{"text", std::string(60, 'x')}}), Json::object({{"text", "y"}})),
            "its parameters changed: text \"" + std::string(36, 'x') + "... → \"y\"");
}

TEST(ExplainDifference, ComparesInputsWhenTheParametersAreTheSame) {
  const auto inputs = [](const std::vector<std::string>& before, const std::vector<std::string>& now) {
    Task task{.operation = "train", .label = "train late", .params = Json::object()};
    for (const std::string& sha256 : now) task.inputs.push_back({"part", sha256, {}});
    return explain_difference(spec_of(Json::object(), before), task);
  };
  EXPECT_EQ(inputs({"a"}, {"b"}), "its input changed");
  EXPECT_EQ(inputs({"a"}, {"a", "b", "c"}), "it has 2 more inputs");
  EXPECT_EQ(inputs({"a", "b"}, {"a"}), "it has 1 fewer input");
  EXPECT_EQ(inputs({"a"}, {"a"}), "the code of 'train' is newer");
}

}  // namespace
}  // namespace trimtab::flow
