#include "registry/run_leases.h"

#include <gtest/gtest.h>

#include "registry/book_fixture_test.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

class RunLeasesTest : public BookTest {
 protected:
  std::string create_leased(const std::string& lease = "10m") {
    NewRun run;
    run.start_ms = 1'000;
    if (!lease.empty()) run.tags = {{"trimtab.lease", lease}};
    return try_create(run).value().info.id;
  }
  void pass(TimeUs time) { clock_.advance_to(clock_.now() + time); }
  std::vector<std::string> end_overdue() { return book_->end_overdue_leases().value(); }
  RunInfo info(const std::string& run) { return book_->find(run)->info; }
};

TEST_F(RunLeasesTest, ARunThatFellSilentHasFailed) {
  const std::string silent = create_leased();
  const std::string plain = create_leased("");
  pass(10 * base::kMinuteUs);
  EXPECT_EQ(end_overdue(), std::vector<std::string>());
  pass(1);
  EXPECT_EQ(end_overdue(), std::vector<std::string>{silent});
  EXPECT_EQ(info(silent).status, RunStatus::failed);
  EXPECT_EQ(info(silent).end_ms, base::kDayUs / 1000);  // Its last sign of life.
  EXPECT_EQ(info(plain).status, RunStatus::running);
  EXPECT_EQ(end_overdue(), std::vector<std::string>());
  EXPECT_TRUE(home_->database().read([&](store::Connection& connection) {
    return store::list_audit(connection, 1, [&](const store::AuditEntry& entry) {
      EXPECT_EQ(entry.action + " " + entry.object + " " + entry.detail,
                "run.fail run/" + silent + R"( {"lease":"10m","last_heartbeat":"1970-01-02T00:00:00Z"})");
    });
  }));
  reopen();
  EXPECT_EQ(info(silent).status, RunStatus::failed);
}

TEST_F(RunLeasesTest, EveryWriteIsAHeartbeat) {
  const std::string run = create_leased();
  for (int i = 0; i < 5; ++i) {
    pass(9 * base::kMinuteUs);
    if (i == 0) {
      EXPECT_TRUE(log_metric(run, {"loss", 1, i, i}));
    }
    if (i == 1) {
      EXPECT_TRUE(log_param(run, "p", "1"));
    }
    if (i == 2) {
      EXPECT_TRUE(set_tag(run, "t", "1"));
    }
    if (i == 3) {
      EXPECT_TRUE(book_->heartbeat(run));
    }
    if (i == 4) {
      EXPECT_TRUE(change(run, {std::nullopt, std::nullopt, "name"}));
    }
    EXPECT_TRUE(end_overdue().empty());
  }
  EXPECT_EQ(book_->heartbeat("none").error().message, "Run with id=none not found");
}

TEST_F(RunLeasesTest, ARunThatEndedOrWasDeletedHasNoLease) {
  const std::string ended = create_leased();
  const std::string deleted = create_leased();
  EXPECT_TRUE(change(ended, {RunStatus::finished, 5, std::nullopt}));
  EXPECT_TRUE(set_deleted(deleted, true));
  pass(base::kHourUs);
  EXPECT_TRUE(end_overdue().empty());
  EXPECT_EQ(info(ended).status, RunStatus::finished);
}

TEST_F(RunLeasesTest, ALeaseMayComeLaterAndGoAgain) {
  const std::string run = create_leased("");
  EXPECT_TRUE(set_tag(run, "trimtab.lease", "1h"));
  const std::string freed = create_leased();
  EXPECT_TRUE(wait<void>([&](auto done) { book_->delete_tag(freed, "trimtab.lease", done); }));
  pass(2 * base::kHourUs);
  EXPECT_EQ(end_overdue(), std::vector<std::string>{run});
}

TEST_F(RunLeasesTest, AnExperimentsLeaseIsThatOfItsRuns) {
  const std::int64_t experiment = create_experiment("x").value();
  EXPECT_TRUE(
      wait<void>([&](auto done) { set_experiment_tag(by(), experiment, {"trimtab.lease", "30s"}, done); }));
  const std::string run = create(experiment);
  pass(base::kMinuteUs);
  EXPECT_EQ(end_overdue(), std::vector<std::string>{run});
}

TEST_F(RunLeasesTest, AStartIsAHeartbeatOfEveryRun) {
  const std::string run = create_leased();
  close();
  pass(base::kDayUs);
  open();
  EXPECT_TRUE(end_overdue().empty());
  pass(base::kHourUs);
  EXPECT_EQ(end_overdue(), std::vector<std::string>{run});
}

TEST_F(RunLeasesTest, WhatIsNoDurationIsRefused) {
  NewRun run;
  run.tags = {{"trimtab.lease", "soon"}};
  EXPECT_EQ(try_create(run).error().message, "The tag 'trimtab.lease' is 'soon', no duration of 10s or more");
  EXPECT_EQ(set_tag(create(), "trimtab.lease", "1s").error().message,
            "The tag 'trimtab.lease' is '1s', no duration of 10s or more");
}

}  // namespace
}  // namespace trimtab::registry
