// What a worker process finds around it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "flow/worker.h"
#include "store/scratch_folder.h"

namespace trimtab::flow {
namespace {

// A program in the worker's place that answers every task with what it was started with.
constexpr const char* kEcho = R"(#!/bin/sh
while read -r line; do
  printf '{"values":{"wait":"%s","dynamic":"%s","verb":"%s","memory":"%s"},"resources":{}}\n' \
    "$OMP_WAIT_POLICY" "$OMP_DYNAMIC" "$1" "$2"
done
)";

TEST(WorkerEnvironment, ThreadsThatWaitDoNotSpin) {
  const store::ScratchFolder folder;
  ASSERT_TRUE(base::write_file_durably(folder / "echo.sh", kEcho, 0755));
  WorkerOptions options;
  options.program = (folder / "echo.sh").string();
  options.limits.memory_bytes_max = 1ull << 30;
  Worker worker(options);
  const Task task{.operation = "train", .label = "train late", .params = Json::object()};
  const Worker::Outcome done = worker.run(task, {}, folder.path().string(), [](const auto&) {});
  ASSERT_TRUE(done.values) << base::render(done.values.error());
  // Spinning OpenMP threads of a training would starve the server beside it.
  EXPECT_EQ(done.values->text_or("wait"), "passive");
  EXPECT_EQ(done.values->text_or("dynamic"), "false");
  EXPECT_EQ(done.values->text_or("verb"), "worker");
  EXPECT_EQ(done.values->text_or("memory"), "1073741824");
}

}  // namespace
}  // namespace trimtab::flow
