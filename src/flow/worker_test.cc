// The worker processes here are small shell scripts, each of which fails in its own way; what a good worker
// does is tested with real steps in executor_test.cc.
#include "flow/worker.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace trimtab::flow {
namespace {

class WorkerTest : public testing::Test {
 protected:
  // A worker that reads one task and then does `body`.
  std::unique_ptr<Worker> worker(const std::string& body, StepLimits limits = {}) {
    return worker_of("read task\n" + body + "\n", limits);
  }
  std::unique_ptr<Worker> worker_of(const std::string& script, StepLimits limits) {
    const std::filesystem::path program = folder_ / "worker.sh";
    EXPECT_TRUE(base::write_file_durably(program, "#!/bin/sh\n" + script, 0755));
    return std::make_unique<Worker>(
        WorkerOptions{.program = program.string(), .folders_allowed = {}, .limits = limits});
  }
  Worker::Outcome run(Worker& worker, const std::atomic<bool>* cancel = nullptr) {
    return worker.run(
        task_, inputs_, (folder_ / "out").string(),
        [this](const Worker::Progress& progress) {
          heard_ += std::to_string(progress.done) + "/" + std::to_string(progress.total) + " " +
                    progress.unit + ";";
          if (on_progress_) on_progress_();
        },
        cancel);
  }
  std::string error_of(const Worker::Outcome& outcome) {
    return outcome.values ? "none: " + outcome.values->dump() : base::render(outcome.values.error());
  }
  static StepLimits within(TimeUs time) { return {.wall_time_max = time}; }

  store::ScratchFolder folder_;
  Task task_{.operation = "train", .label = "train late", .params = Json::object()};
  std::map<std::string, std::vector<std::string>> inputs_;
  std::string heard_;
  std::function<void()> on_progress_;
};

constexpr const char* kAgain =
    "\n   hint: its log is kept with the step; run the command again to try it once more";

TEST_F(WorkerTest, ACrashIsAFailedStepThatNamesTheSignalAndShowsTheLog) {
  auto crashing = worker("echo 'something broke' >&2; kill -SEGV $$");
  const Worker::Outcome outcome = run(*crashing);
  EXPECT_EQ(
      error_of(outcome),
      std::string("error: the step 'train late' was ended by signal 11\n   log: something broke\n") + kAgain);
  EXPECT_EQ(outcome.values.error().code, ErrorCode::step_failed);
  EXPECT_EQ(outcome.log, "something broke\n");
}

TEST_F(WorkerTest, LeavingWithoutAnAnswerIsAFailedStep) {
  auto leaving = worker("exit 3");
  EXPECT_EQ(error_of(run(*leaving)),
            std::string("error: the step 'train late' ended with exit code 3") + kAgain);
}

TEST_F(WorkerTest, ALongLogIsCutInTheMessageAndKeptBeside) {
  auto chatty = worker("i=0; while [ $i -lt 500 ]; do echo \"line $i\" >&2; i=$((i+1)); done; exit 1");
  const Worker::Outcome outcome = run(*chatty);
  EXPECT_TRUE(outcome.log.starts_with("line 0\n")) << outcome.log.substr(0, 40);
  EXPECT_LT(outcome.values.error().message.size(), 2100u);
  EXPECT_TRUE(outcome.values.error().message.ends_with("line 499\n"));
}

TEST_F(WorkerTest, AStepThatHangsEndsAtItsDeadline) {
  auto hanging = worker("sleep 1000", within(200'000));
  EXPECT_EQ(error_of(run(*hanging)),
            "error: the step 'train late' passed its deadline of 200ms\n"
            "   hint: grant it more with --step-time-max, or find out from its log where it hangs");
}

TEST_F(WorkerTest, AStoppedProcessEndsAtItsDeadlineToo) {
  auto stopped = worker("kill -STOP $$", within(200'000));
  EXPECT_TRUE(error_of(run(*stopped)).find("passed its deadline of 200ms") != std::string::npos);
}

TEST_F(WorkerTest, AWorkerThatDoesNotReadCannotMakeUsWaitForEver) {
  // More than a pipe holds.
  for (int i = 0; i < 2000; ++i) inputs_["part"].push_back("/nowhere/" + std::string(100, 'x'));
  auto deaf = worker_of("sleep 1000\n", within(200'000));
  EXPECT_TRUE(error_of(run(*deaf)).find("passed its deadline of 200ms") != std::string::npos);
}

TEST_F(WorkerTest, TooLittleMemoryIsSaidInTheseWords) {
  const std::string words =
      "error: the step 'train late' needed more memory than its limit of 1GiB\n"
      "   hint: grant it more with --step-memory-max, or give it less to read";
  const StepLimits limits{.memory_bytes_max = 1ull << 30};
  auto engine = worker(
      R"(echo '{"error":{"code":"too_large","message":"no block left","out_of_memory":true}}'; cat)", limits);
  EXPECT_EQ(error_of(run(*engine)), words);
  auto learner =
      worker(R"(echo '{"error":{"code":"internal","message":"fit: std::bad_alloc"}}'; cat)", limits);
  EXPECT_EQ(error_of(run(*learner)), words);
  auto aborting = worker("echo \"what():  std::bad_alloc\" >&2; kill -ABRT $$", limits);
  EXPECT_EQ(error_of(run(*aborting)),
            "error: the step 'train late' needed more memory than its limit of 1GiB\n"
            "   log: what():  std::bad_alloc\n\n"
            "   hint: grant it more with --step-memory-max, or give it less to read");
}

TEST_F(WorkerTest, WordsThatAreNoAnswerArePassedOver) {
  auto talking = worker(R"(echo 'Warning: hello'; echo '[1,'; echo 17; echo '{"nothing":1}'; echo '"values"'
echo '{"progress":{"done":5,"total":9,"unit":"rows"}}'
echo '{"values":{"rows":3},"resources":{"rows":3,"cpu_s":0.5,"peak_rss_bytes":4096}}'; cat)");
  const Worker::Outcome outcome = run(*talking);
  ASSERT_TRUE(outcome.values) << error_of(outcome);
  EXPECT_EQ(outcome.values->dump(), R"({"rows":3})");
  EXPECT_EQ(heard_, "5/9 rows;");
  EXPECT_EQ(outcome.resources.rows, 3);
  EXPECT_EQ(outcome.resources.cpu_s, 0.5);
  EXPECT_EQ(outcome.resources.peak_rss_bytes, 4096u);
}

TEST_F(WorkerTest, AnOperationsOwnErrorArrivesWhole) {
  auto refusing = worker(
      R"(echo '{"error":{"code":"invalid","message":"no number","hint":"write one",'\
'"where":{"file":"a.csv","line":7,"column":3}},"resources":{"cpu_s":0.25}}'; cat)");
  const Worker::Outcome outcome = run(*refusing);
  EXPECT_EQ(error_of(outcome), "a.csv:7:3: error: no number\n   hint: write one");
  EXPECT_EQ(outcome.values.error().code, ErrorCode::invalid);
  EXPECT_EQ(outcome.resources.cpu_s, 0.25);
}

TEST_F(WorkerTest, WhatAStoppedStepHadUsedIsKnown) {
  EXPECT_TRUE(base::write_file_durably(folder_ / "input", std::string(1234, 'x')));
  inputs_["part"] = {(folder_ / "input").string()};
  auto busy = worker(R"(echo '{"progress":{"done":70,"total":90,"unit":"rows"}}'
echo 'still counting' >&2; while :; do :; done)",
                     within(400'000));
  const Worker::Outcome outcome = run(*busy);
  EXPECT_FALSE(outcome.values);
  EXPECT_GT(outcome.resources.cpu_s, 0);
  EXPECT_GE(outcome.resources.wall_s, 0.4);
  EXPECT_GT(outcome.resources.peak_rss_bytes, 0u);
  EXPECT_EQ(outcome.resources.bytes_read, 1234u);
  EXPECT_EQ(outcome.resources.rows, 70);
  EXPECT_EQ(outcome.log, "still counting\n");
}

TEST_F(WorkerTest, CancellingEndsTheStep) {
  std::atomic<bool> cancel{false};
  on_progress_ = [&cancel] { cancel = true; };
  auto long_step = worker(R"(echo '{"progress":{"done":1,"total":9,"unit":"rows"}}'; sleep 1000)");
  const Worker::Outcome outcome = run(*long_step, &cancel);
  EXPECT_EQ(error_of(outcome), "error: 'train late' was cancelled");
  EXPECT_EQ(outcome.values.error().code, ErrorCode::cancelled);
}

TEST_F(WorkerTest, AfterACrashTheNextTaskGetsANewProcess) {
  const std::string marker = (folder_ / "marker").string();
  auto once = worker("if [ ! -e " + marker + " ]; then touch " + marker + "; kill -KILL $$; fi\n" +
                     R"(echo '{"values":{"rows":1}}'; cat)");
  EXPECT_FALSE(run(*once).values);
  const Worker::Outcome second = run(*once);
  EXPECT_TRUE(second.values) << error_of(second);
}

TEST_F(WorkerTest, AProgramThatIsNotThereIsNamed) {
  Worker nowhere({.program = "/nowhere/trimtab", .folders_allowed = {}, .limits = {}});
  EXPECT_EQ(
      error_of(run(nowhere)),
      "error: the step 'train late' could not be started: cannot run '/nowhere/trimtab': No such file or "
      "directory");
}

}  // namespace
}  // namespace trimtab::flow
