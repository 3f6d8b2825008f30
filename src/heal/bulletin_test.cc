#include "heal/bulletin.h"

#include <cstdlib>
#include <gtest/gtest.h>

#include "notify/outbox.h"
#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

class BulletinTest : public testing::Test {
 protected:
  std::vector<notify::Delivery> told(const std::optional<project::Notify>& notify) {
    project::Heal heal;
    heal.notify = notify;
    EXPECT_TRUE(home_->database().write([&](store::Connection& connection) {
      return tell(connection, heal, {"opened", "late", 7, "it got worse", Json::object({{"batch", 3}})}, 5);
    }));
    return notify::list_deliveries(*home_, 10).value();
  }

  base::ManualClock clock_{0};
  store::ScratchFolder folder_;
  std::unique_ptr<store::Home> home_ = store::Home::open(folder_.path() / "home", clock_).value();
};

project::Notify hook(const std::string& webhook, const std::string& secret_env = "") {
  return {.where = {}, .webhook = webhook, .secret_env = secret_env, .email = "", .smtp = ""};
}

TEST_F(BulletinTest, WithoutADeclarationNobodyIsTold) { EXPECT_TRUE(told(std::nullopt).empty()); }

TEST_F(BulletinTest, AWebhookGetsTheIncident) {
  const auto deliveries = told(hook("https://hooks.example.com/x"));
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(deliveries[0].event, "incident.opened");
  EXPECT_EQ(deliveries[0].secret, "");
  EXPECT_EQ(base::parse_json(deliveries[0].body).value()["data"].dump(),
            R"({"endpoint":"late","incident":7,"summary":"it got worse","detail":{"batch":3}})");
}

TEST_F(BulletinTest, AddressAndKeyMayStandInTheEnvironment) {
  ASSERT_EQ(::setenv("TRIMTAB_TEST_HOOK", "https://hooks.example.com/secret", 1), 0);
  ASSERT_EQ(::setenv("TRIMTAB_TEST_KEY", "key", 1), 0);
  const auto deliveries = told(hook("env:TRIMTAB_TEST_HOOK", "TRIMTAB_TEST_KEY"));
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(deliveries[0].url, "https://hooks.example.com/secret");
  EXPECT_EQ(deliveries[0].secret, "key");
}

TEST_F(BulletinTest, WhatCannotBeSignedOrHasNoAddressIsNotSent) {
  EXPECT_TRUE(told(hook("https://hooks.example.com/x", "TRIMTAB_TEST_NOT_SET")).empty());
  EXPECT_TRUE(told(hook("env:TRIMTAB_TEST_NOT_SET")).empty());
}

TEST_F(BulletinTest, AMailGoesToItsRelay) {
  project::Notify notify = hook("");
  notify.email = "ops@example.com";
  notify.smtp = "mail.example.com:25";
  const auto deliveries = told(notify);
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(deliveries[0].url, "smtp://mail.example.com:25/ops@example.com");
}

}  // namespace
}  // namespace trimtab::heal
