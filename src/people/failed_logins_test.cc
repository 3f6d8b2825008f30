#include "people/failed_logins.h"

#include <gtest/gtest.h>

namespace trimtab::people {
namespace {

constexpr base::TimeUs kNow = 1000 * base::kMinuteUs;

TEST(FailedLogins, ANameFromOneAddressIsLockedForAWhile) {
  FailedLogins failed;
  for (int i = 0; i < FailedLogins::kPerName; ++i) {
    EXPECT_EQ(failed.wait("anna", "10.0.0.1", kNow), 0);
    failed.failed("anna", "10.0.0.1", kNow);
  }
  EXPECT_EQ(failed.wait("anna", "10.0.0.1", kNow), FailedLogins::kWindow);
  EXPECT_EQ(failed.wait("anna", "10.0.0.2", kNow), 0);  // Her own machine is another one.
  EXPECT_EQ(failed.wait("bert", "10.0.0.1", kNow), 0);
  EXPECT_EQ(failed.wait("anna", "10.0.0.1", kNow + FailedLogins::kWindow), 0);
}

TEST(FailedLogins, AnAddressWithManyNamesIsLocked) {
  FailedLogins failed;
  for (int i = 0; i < FailedLogins::kPerAddress; ++i)
    failed.failed("name" + std::to_string(i), "10.0.0.1", kNow);
  EXPECT_GT(failed.wait("somebody", "10.0.0.1", kNow), 0);
  EXPECT_EQ(failed.wait("somebody", "10.0.0.2", kNow), 0);
}

TEST(FailedLogins, TheRightPasswordForgetsTheWrongOnes) {
  FailedLogins failed;
  for (int i = 1; i < FailedLogins::kPerName; ++i) failed.failed("anna", "10.0.0.1", kNow);
  failed.succeeded("anna", "10.0.0.1");
  failed.failed("anna", "10.0.0.1", kNow);
  EXPECT_EQ(failed.wait("anna", "10.0.0.1", kNow), 0);
}

TEST(FailedLogins, ForgetsTheOldestOfTooMany) {
  FailedLogins failed;
  for (int i = 0; i < 12'000; ++i) failed.failed("x", "address" + std::to_string(i), kNow + i);
  for (int i = 0; i < FailedLogins::kPerName; ++i) failed.failed("anna", "10.0.0.1", kNow + 20'000);
  EXPECT_GT(failed.wait("anna", "10.0.0.1", kNow + 20'000), 0);
}

}  // namespace
}  // namespace trimtab::people
