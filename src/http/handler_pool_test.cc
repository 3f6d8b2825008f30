#include "http/handler_pool.h"

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace trimtab::http {
namespace {

TEST(HandlerPool, RunsJobsOnSeveralThreads) {
  std::promise<void> first_waits;
  std::promise<void> second_ran;
  HandlerPool pool(2, 8);  // After what its jobs refer to.
  EXPECT_TRUE(pool.submit([&] { first_waits.get_future().wait(); }));
  EXPECT_TRUE(pool.submit([&] { second_ran.set_value(); }));
  second_ran.get_future().wait();  // While the first still occupies a thread.
  first_waits.set_value();
}

TEST(HandlerPool, TakesNoMoreThanItsQueueHolds) {
  std::promise<void> running;
  std::promise<void> release;
  HandlerPool pool(1, 2);
  EXPECT_TRUE(pool.submit([&] { running.set_value(), release.get_future().wait(); }));
  running.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_EQ(pool.waiting(), 2u);
  EXPECT_FALSE(pool.submit([] {}));
  release.set_value();
}

TEST(HandlerPool, PatientJobsLetOthersPassButNotForEver) {
  std::promise<void> running;
  std::promise<void> release;
  std::promise<void> all_ran;
  std::string order;  // Of the only thread.
  HandlerPool pool(1, 64);
  EXPECT_TRUE(pool.submit([&] { running.set_value(), release.get_future().wait(); }));
  running.get_future().wait();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pool.submit([&] { order += 'p'; }, HandlerPool::Queue::patient));
  }
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(pool.submit([&] { order += 'u'; }));
  EXPECT_TRUE(pool.submit([&] { all_ran.set_value(); }, HandlerPool::Queue::patient));
  release.set_value();
  all_ran.get_future().wait();
  const std::string others(HandlerPool::kOthersFirst, 'u');
  EXPECT_EQ(order, others + "p" + others + "p" + std::string(40 - 2 * others.size(), 'u') + "p");
}

TEST(HandlerPool, PatientJobsThatFillTheirQueueLeaveRoomForOthers) {
  std::promise<void> running;
  std::promise<void> release;
  HandlerPool pool(1, 1);
  EXPECT_TRUE(pool.submit([&] { running.set_value(), release.get_future().wait(); }));
  running.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}, HandlerPool::Queue::patient));
  EXPECT_FALSE(pool.submit([] {}, HandlerPool::Queue::patient));
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_EQ(pool.waiting(), 2u);
  release.set_value();
}

TEST(HandlerPool, StopEndsWhatRunsAndDropsWhatWaits) {
  std::promise<void> running;
  std::promise<void> release;
  std::atomic<int> ended = 0;
  HandlerPool pool(1, 8);
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
