#include "heal/recovery.h"

#include <future>
#include <gtest/gtest.h>
#include <string>

namespace trimtab::heal {
namespace {

TEST(RecoveryTest, WhatIsPutOffComesBeforeTheEndAndNothingIsAfterIt) {
  Recovery recovery;
  std::promise<void> may_finish;
  std::string order;
  recovery.begin([&] { may_finish.get_future().wait(); }, [&] { order += "finish "; });
  EXPECT_FALSE(recovery.is_over());
  EXPECT_FALSE(recovery.wait(1'000));
  EXPECT_TRUE(recovery.put_off([&] { order += "put off, "; }));
  may_finish.set_value();
  recovery.wait();
  EXPECT_TRUE(recovery.is_over());
  EXPECT_TRUE(recovery.wait(0));
  EXPECT_FALSE(recovery.put_off([&] { order += "too late"; }));
  EXPECT_EQ(order, "put off, finish ");
}

TEST(RecoveryTest, IsGivenUpWhenItsOwnerGoes) {
  bool is_finished = false;
  {
    Recovery recovery;
    recovery.begin(
        [&recovery] {
          while (!recovery.is_stopping()) std::this_thread::yield();
        },
        [&] { is_finished = true; });
  }
  EXPECT_FALSE(is_finished);
}

}  // namespace
}  // namespace trimtab::heal
