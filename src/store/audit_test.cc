#include "store/audit.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "store/database.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

const base::ManualClock kClock(1'000'000);

class AuditTest : public testing::Test {
 protected:
  AuditTest() : database_(Database::open(scratch_ / "meta.db", kClock).value()) {}

  void append(int rows) {
    for (int i = 0; i < rows; ++i) {
      EXPECT_TRUE(database_->write([i](Connection& connection) {
        return append_audit(connection, 100 + i, "cli", "endpoint.promote", "endpoint/late",
                            R"({"to":)" + std::to_string(i) + "}");
      }));
    }
  }
  void run(const char* sql) {
    EXPECT_TRUE(database_->write([sql](Connection& connection) { return connection.run_script(sql); }));
  }
  Result<std::int64_t> verify() {
    Result<std::int64_t> length = 0;
    const Status read = database_->read([&](Connection& connection) -> Status {
      length = verify_audit(connection);
      return {};
    });
    EXPECT_TRUE(read);
    return length;
  }
  void expect_broken(const std::string& message) {
    const Result<std::int64_t> length = verify();
    ASSERT_FALSE(length);
    EXPECT_EQ(length.error().code, ErrorCode::storage_broken);
    EXPECT_EQ(length.error().message, message);
    EXPECT_EQ(length.error().hint,
              "the history was changed outside Trimtab; restore meta.db from a backup that has the row");
  }

  ScratchFolder scratch_;
  std::unique_ptr<Database> database_;
};

TEST_F(AuditTest, AChainOfAnyLengthVerifies) {
  EXPECT_EQ(verify().value(), 0);
  append(20);
  EXPECT_EQ(verify().value(), 20);
}

TEST_F(AuditTest, TheFirstHashIsPinned) {
  append(1);
  std::string sha256;
  EXPECT_TRUE(database_->read([&](Connection& connection) {
    return list_audit(connection, 1, [&](const AuditEntry& entry) { sha256 = entry.sha256; });
  }));
  EXPECT_EQ(sha256, base::sha256("1:1"
                                 "3:100"
                                 "3:cli"
                                 "16:endpoint.promote"
                                 "13:endpoint/late"
                                 "8:{\"to\":0}"
                                 "64:" +
                                 std::string(64, '0')));
}

TEST_F(AuditTest, AnEditedRowIsNamed) {
  append(10);
  run("UPDATE audit SET detail = '{}' WHERE sequence = 4");
  expect_broken("audit row 4 was changed after it was written: its hash does not match");
}

TEST_F(AuditTest, MovingTextFromOneFieldToTheNextIsNoticed) {
  append(3);
  run("UPDATE audit SET actor = 'cl', action = 'iendpoint.promote' WHERE sequence = 2");
  expect_broken("audit row 2 was changed after it was written: its hash does not match");
}

TEST_F(AuditTest, ADeletedRowIsNamed) {
  append(10);
  run("DELETE FROM audit WHERE sequence = 5");
  expect_broken("audit row 5 is missing");
  run("DELETE FROM audit WHERE sequence = 1");
  expect_broken("audit row 1 is missing");
}

TEST_F(AuditTest, ARowBeforeTheFirstIsNamed) {
  append(2);
  run("INSERT INTO audit SELECT 0, time, actor, action, object, detail, previous_sha256, sha256 FROM audit"
      " WHERE sequence = 1");
  expect_broken("audit row 0 was added outside Trimtab: rows count from 1");
}

TEST_F(AuditTest, ARowThatWasWrittenAgainWithItsHashIsNamedByTheNext) {
  append(3);
  const std::string previous(64, '0');
  const std::string sha256 = base::sha256(
      "1:1"
      "3:100"
      "3:cli"
      "16:endpoint.promote"
      "13:endpoint/late"
      "2:{}"
      "64:" +
      previous);
  EXPECT_TRUE(database_->write([&](Connection& connection) {
    return connection.prepare("UPDATE audit SET detail = '{}', sha256 = ? WHERE sequence = 1")
        .with(sha256)
        .run();
  }));
  expect_broken("audit row 2 does not follow the row before it: that row was written again");
}

// A cut-off end cannot be seen from inside; whoever keeps the length elsewhere sees it.
TEST_F(AuditTest, TheLengthTellsOfACutEnd) {
  append(10);
  run("DELETE FROM audit WHERE sequence > 8");
  EXPECT_EQ(verify().value(), 8);
}

TEST_F(AuditTest, ARefusedChangeLeavesNoRowAndNoGap) {
  append(2);
  EXPECT_FALSE(database_->write([](Connection& connection) -> Status {
    TRY(append_audit(connection, 1, "server", "endpoint.promote", "endpoint/late", "{}"));
    return fail(ErrorCode::check_failed, "no");
  }));
  append(2);
  EXPECT_EQ(verify().value(), 4);
}

TEST_F(AuditTest, TheListIsNewestFirstAndBounded) {
  append(5);
  std::vector<AuditEntry> entries;
  EXPECT_TRUE(database_->read([&](Connection& connection) {
    return list_audit(connection, 2, [&](const AuditEntry& entry) { entries.push_back(entry); });
  }));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].sequence, 5);
  EXPECT_EQ(entries[0].time, 104);
  EXPECT_EQ(entries[0].actor, "cli");
  EXPECT_EQ(entries[0].action, "endpoint.promote");
  EXPECT_EQ(entries[0].object, "endpoint/late");
  EXPECT_EQ(entries[0].detail, R"({"to":4})");
  EXPECT_EQ(entries[0].previous_sha256, entries[1].sha256);
  EXPECT_EQ(entries[1].sequence, 4);
}

}  // namespace
}  // namespace trimtab::store
