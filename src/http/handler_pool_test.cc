#include "http/handler_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace trimtab::http {
namespace {

TEST(HandlerPool, RunsJobsOnSeveralThreads) {
  HandlerPool pool(2, 8);
  std::promise<void> first_waits;
  std::promise<void> second_ran;
  EXPECT_TRUE(pool.submit([&] { first_waits.get_future().wait(); }));
  EXPECT_TRUE(pool.submit([&] { second_ran.set_value(); }));
  second_ran.get_future().wait();  // While the first still occupies a thread.
  first_waits.set_value();
}

TEST(HandlerPool, TakesNoMoreThanItsQueueHolds) {
  HandlerPool pool(1, 2);
  std::promise<void> running;
  std::promise<void> release;
  EXPECT_TRUE(pool.submit([&] { running.set_value(), release.get_future().wait(); }));
  running.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_EQ(pool.waiting(), 2u);
  EXPECT_FALSE(pool.submit([] {}));
  release.set_value();
}

TEST(HandlerPool, StopEndsWhatRunsAndDropsWhatWaits) {
  HandlerPool pool(1, 8);
  std::promise<void> running;
  std::promise<void> release;
  std::atomic<int> ended = 0;
  pool.submit([&] { running.set_value(), release.get_future().wait(), ++ended; });
  running.get_future().wait();
  auto token = std::make_shared<int>(1);
  pool.submit([token, &ended] { ended += 100; });
  std::thread stopper([&] { pool.stop(); });
  while (token.use_count() > 1 && pool.waiting() > 0) std::this_thread::yield();
  release.set_value();
  stopper.join();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(token.use_count(), 1) << "a job that never ran is destroyed";
  EXPECT_FALSE(pool.submit([] {}));
}

}  // namespace
}  // namespace trimtab::http
