#include "store/database.h"

#include <csignal>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <limits>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

const base::ManualClock kClock(1'000'000);

std::unique_ptr<Database> open_at(const std::filesystem::path& file) {
  Result<std::unique_ptr<Database>> database = Database::open(file, kClock);
  EXPECT_TRUE(database) << (database ? "" : database.error().message);
  return database ? *std::move(database) : nullptr;
}

Status put(Connection& connection, const std::string& name, const std::string& value) {
  return connection.prepare("INSERT INTO setting (name, value) VALUES (?, ?)").with(name, value).run();
}

std::int64_t count(Connection& connection) {
  Statement row = connection.prepare("SELECT count(*) FROM setting");
  EXPECT_TRUE(row.step().value());
  return row.integer(0);
}

std::int64_t count(Database& database) {
  std::int64_t rows = -1;
  EXPECT_TRUE(database.read([&](Connection& connection) -> Status {
    rows = count(connection);
    return {};
  }));
  return rows;
}

// Occupies the writer until it is let go, so that what is submitted meanwhile waits together.
class WriterHold {
 public:
  explicit WriterHold(Database& database) {
    database.submit(
        [this](Connection&) -> Status {
          started_.set_value();
          let_go_.get_future().wait();
          return {};
        },
        [](Status) {});
    started_.get_future().wait();
  }
  void let_go() { let_go_.set_value(); }

 private:
  std::promise<void> started_;
  std::promise<void> let_go_;
};

class DatabaseTest : public testing::Test {
 protected:
  ScratchFolder scratch_;
  std::filesystem::path file_ = scratch_ / "meta.db";
  std::unique_ptr<Database> database_ = open_at(file_);
};

TEST_F(DatabaseTest, WritesThatWaitShareOneCommit) {
  const Database::Counters before = database_->counters();
  WriterHold hold(*database_);
  std::vector<std::thread> threads;
  std::atomic<int> acknowledged = 0;
  std::promise<void> all;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 25; ++i) {
        const std::string name = std::to_string(thread) + "/" + std::to_string(i);
        database_->submit([name](Connection& connection) { return put(connection, name, "x"); },
                          [&](Status status) {
                            EXPECT_TRUE(status);
                            if (++acknowledged == 100) all.set_value();
                          });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  hold.let_go();
  all.get_future().wait();
  const Database::Counters after = database_->counters();
  EXPECT_EQ(after.writes - before.writes, 101u);
  EXPECT_EQ(after.commits - before.commits, 2u);  // The one that held the writer, and all others together.
  EXPECT_EQ(count(*database_), 100);
}

TEST_F(DatabaseTest, AGroupIsBounded) {
  WriterHold hold(*database_);
  const Database::Counters before = database_->counters();
  for (int i = 0; i < 1'300; ++i) {
    database_->submit([i](Connection& connection) { return put(connection, std::to_string(i), "x"); },
                      [](Status status) { EXPECT_TRUE(status); });
  }
  hold.let_go();
  EXPECT_TRUE(database_->write([](Connection&) -> Status { return {}; }));
  EXPECT_EQ(database_->counters().commits - before.commits, 4u);  // 1 + 512 + 512 + 277.
}

TEST_F(DatabaseTest, ALoneWriteIsCommittedAtOnce) {
  const Database::Counters before = database_->counters();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        database_->write([i](Connection& connection) { return put(connection, std::to_string(i), "x"); }));
  }
  EXPECT_EQ(database_->counters().commits - before.commits, 10u);
}

TEST_F(DatabaseTest, FailedWorkIsUndoneAlone) {
  WriterHold hold(*database_);
  std::vector<Status> outcomes;
  const auto remember = [&](Status status) { outcomes.push_back(std::move(status)); };
  database_->submit([](Connection& connection) { return put(connection, "first", "x"); }, remember);
  database_->submit(
      [](Connection& connection) -> Status {
        TRY(put(connection, "undone", "x"));
        return fail(ErrorCode::check_failed, "the owner says no");
      },
      remember);
  database_->submit([](Connection& connection) { return put(connection, "last", "x"); }, remember);
  hold.let_go();
  EXPECT_TRUE(database_->write([](Connection& connection) -> Status {
    EXPECT_EQ(count(connection), 2);
    return {};
  }));
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_TRUE(outcomes[0]);
  ASSERT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[1].error().code, ErrorCode::check_failed);
  EXPECT_EQ(outcomes[1].error().message, "the owner says no");
  EXPECT_TRUE(outcomes[2]);
}

TEST_F(DatabaseTest, WritesRunInTheOrderOfSubmission) {
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    database_->submit(
        [&order, i](Connection&) -> Status {
          order.push_back(i);
          return {};
        },
        [](Status) {});
  }
  EXPECT_TRUE(database_->write([](Connection&) -> Status { return {}; }));
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(DatabaseTest, AReadSeesOneSnapshot) {
  EXPECT_TRUE(database_->read([&](Connection& connection) -> Status {
    EXPECT_EQ(count(connection), 0);
    EXPECT_TRUE(database_->write([](Connection& writer) { return put(writer, "late", "x"); }));
    EXPECT_EQ(count(connection), 0);
    return {};
  }));
  EXPECT_EQ(count(*database_), 1);
}

TEST_F(DatabaseTest, AReadReturnsTheErrorOfItsWorkAndCannotWrite) {
  const Status refused = database_->read([](Connection& connection) { return put(connection, "a", "x"); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "'" + file_.string() + "' cannot be read or written: attempt to write a readonly database");
  EXPECT_EQ(count(*database_), 0);
}

TEST_F(DatabaseTest, ReadersRunBesideEachOtherAndTheWriter) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&] {
      std::int64_t seen = 0;
      while (!stop) {
        const std::int64_t rows = count(*database_);
        EXPECT_GE(rows, seen);
        seen = rows;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(
        database_->write([i](Connection& connection) { return put(connection, std::to_string(i), "x"); }));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(count(*database_), 100);
}

TEST_F(DatabaseTest, ReopeningKeepsWhatWasWritten) {
  EXPECT_TRUE(database_->write([](Connection& connection) { return put(connection, "kept", "x"); }));
  database_.reset();
  database_ = open_at(file_);
  EXPECT_EQ(count(*database_), 1);
}

TEST_F(DatabaseTest, ClosingCommitsWhatWasSubmitted) {
  std::atomic<int> acknowledged = 0;
  WriterHold hold(*database_);
  for (int i = 0; i < 1'000; ++i) {
    database_->submit([i](Connection& connection) { return put(connection, std::to_string(i), "x"); },
                      [&](Status status) { acknowledged += status ? 1 : 0; });
  }
  hold.let_go();
  database_.reset();
  EXPECT_EQ(acknowledged, 1'000);
  EXPECT_EQ(count(*open_at(file_)), 1'000);
}

TEST_F(DatabaseTest, RefusedRowsSayWhatIsWrong) {
  const auto refusal = [&](const char* sql) {
    const Status status =
        database_->write([sql](Connection& connection) { return connection.prepare(sql).run(); });
    EXPECT_FALSE(status) << sql;
    return status ? Error{} : status.error();
  };
  ASSERT_TRUE(database_->write([](Connection& connection) { return put(connection, "twice", "x"); }));

  const Error twice = refusal("INSERT INTO setting (name, value) VALUES ('twice', 'y')");
  EXPECT_EQ(twice.code, ErrorCode::already_exists);
  EXPECT_EQ(twice.message, "there is already a row with this setting.name");

  const Error dangling = refusal("INSERT INTO run_tag (run, key, value) VALUES (7, 'k', 'v')");
  EXPECT_EQ(dangling.code, ErrorCode::conflict);
  EXPECT_EQ(dangling.message, "a row refers to something that is not there");

  const Error null = refusal("INSERT INTO setting (name, value) VALUES ('null', NULL)");
  EXPECT_EQ(null.code, ErrorCode::internal);
  EXPECT_EQ(null.message, "the database refused a row: NOT NULL constraint failed: setting.value");
}

TEST_F(DatabaseTest, EveryKindOfValueReadsBackTheSame) {
  const std::string zeros("a\0b", 3);
  EXPECT_TRUE(database_->read([&](Connection& connection) -> Status {
    Statement row = connection.prepare("SELECT ?, ?, ?, ?, ?, ?");
    row.bind(0, std::numeric_limits<std::int64_t>::min()).bind(1, 0.1).bind(2, zeros).bind_null(3);
    row.bind_blob(4, zeros).bind(5, std::string_view());
    EXPECT_TRUE(TRY(row.step()));
    EXPECT_EQ(row.column_count(), 6);
    EXPECT_EQ(row.integer(0), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(row.real(1), 0.1);
    EXPECT_EQ(row.text(2), zeros);
    EXPECT_TRUE(row.is_null(3));
    EXPECT_EQ(row.text(3), "");
    EXPECT_EQ(row.blob(4), zeros);
    EXPECT_FALSE(row.is_null(5));
    EXPECT_EQ(row.text(5), "");
    EXPECT_FALSE(TRY(row.step()));
    return {};
  }));
}

TEST_F(DatabaseTest, AStatementMayRunAgainAndTwiceAtOnce) {
  EXPECT_TRUE(database_->write([](Connection& connection) -> Status {
    Statement insert = connection.prepare("INSERT INTO setting (name, value) VALUES (?, ?)");
    for (int i = 0; i < 3; ++i) TRY(insert.with(std::to_string(i), "x").run());
    EXPECT_EQ(connection.changes(), 1);
    // A refused row leaves the statement fit for the next one.
    EXPECT_FALSE(insert.with("0", "x").run());
    TRY(insert.with("3", "x").run());

    constexpr std::string_view kNames = "SELECT name FROM setting WHERE name >= ? ORDER BY name";
    Statement outer = connection.prepare(kNames);
    outer.bind(0, "0");
    int pairs = 0;
    while (TRY(outer.step())) {
      Statement inner = connection.prepare(kNames);
      inner.bind(0, outer.text(0));
      while (TRY(inner.step())) ++pairs;
    }
    EXPECT_EQ(pairs, 4 + 3 + 2 + 1);
    return {};
  }));
  EXPECT_TRUE(database_->write([](Connection& connection) -> Status {
    TRY(connection
            .prepare(
                "INSERT INTO incident (endpoint, state, summary, opened_at) VALUES ('e', 'closed', '', 0)")
            .run());
    EXPECT_EQ(connection.last_insert_id(), 1);
    return {};
  }));
}

TEST_F(DatabaseTest, TheFileIsSetUpForDurabilityAndSuspicion) {
  const auto setting = [](Connection& connection, const char* sql) {
    Statement row = connection.prepare(sql);
    EXPECT_TRUE(row.step().value());
    return row.text(0);
  };
  const auto common = [&](Connection& connection) -> Status {
    EXPECT_EQ(setting(connection, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(setting(connection, "PRAGMA page_size"), "8192");
    EXPECT_EQ(setting(connection, "PRAGMA synchronous"), "2");
    EXPECT_EQ(setting(connection, "PRAGMA mmap_size"), "0");
    EXPECT_EQ(setting(connection, "PRAGMA cell_size_check"), "1");
    EXPECT_EQ(setting(connection, "PRAGMA temp_store"), "2");
    EXPECT_EQ(setting(connection, "PRAGMA trusted_schema"), "0");
    EXPECT_EQ(setting(connection, "PRAGMA busy_timeout"), "10000");
    return {};
  };
  EXPECT_TRUE(database_->read(common));
  EXPECT_TRUE(database_->write([&](Connection& connection) -> Status {
    EXPECT_EQ(setting(connection, "PRAGMA foreign_keys"), "1");
    return common(connection);
  }));
}

TEST_F(DatabaseTest, TheLogIsCopiedIntoTheFileWhileItGrows) {
  const std::string large(1'000'000, 'x');
  for (int i = 0; i < 120; ++i) {
    EXPECT_TRUE(database_->write([&](Connection& connection) {
      return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
          .with(i % 10, large)
          .run();
    }));
  }
  EXPECT_LT(std::filesystem::file_size(file_.string() + "-wal"), 80'000'000u);
  EXPECT_GT(std::filesystem::file_size(file_), 5'000'000u);
}

TEST_F(DatabaseTest, IntegrityIsCheckedAndDamageIsNamed) {
  EXPECT_TRUE(database_->check_integrity());
  EXPECT_TRUE(database_->write([](Connection& connection) -> Status {
    for (int i = 0; i < 2'000; ++i) TRY(put(connection, std::to_string(i), std::string(50, 'x')));
    return {};
  }));
  database_.reset();
  const auto size = std::filesystem::file_size(file_);
  std::fstream bytes(file_, std::ios::in | std::ios::out | std::ios::binary);
  for (auto page = size - 4 * 8'192; page < size; page += 8'192) {
    bytes.seekp(static_cast<std::streamoff>(page));
    bytes << std::string(200, '\x7f');
  }
  bytes.close();
  database_ = open_at(file_);
  const Status damaged = database_->check_integrity();
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::storage_broken);
  EXPECT_TRUE(damaged.error().message.starts_with("'" + file_.string() + "' is damaged: "))
      << damaged.error().message;
  EXPECT_EQ(damaged.error().hint.find("restore it from a backup"), 0u);
}

TEST(DatabaseOpen, AFileThatIsNoDatabaseIsRefusedAndKept) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "meta.db";
  const std::string words(20'000, 'w');
  ASSERT_TRUE(base::write_file_durably(file, words));
  const auto opened = Database::open(file, kClock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(opened.error().message, "'" + file.string() + "' is no Trimtab database");
  EXPECT_EQ(opened.error().hint, "move it away, restore it from a backup, or use --home with another folder");
  EXPECT_EQ(base::read_file(file).value(), words);
}

TEST(DatabaseOpen, AFolderThatIsNotThereIsNamed) {
  const auto opened = Database::open("/nowhere/meta.db", kClock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(opened.error().message,
            "'/nowhere/meta.db' cannot be read or written: unable to open database file (No such file or "
            "directory)");
  EXPECT_EQ(opened.error().hint, "check the disk and the permissions of its folder, then start again");
}

TEST(DatabaseDeathTest, WrongUseStopsTheProgram) {
  const ScratchFolder scratch;
  const auto use = [&](WriteWork work) {
    auto database = open_at(scratch / "meta.db");
    static_cast<void>(database->write(std::move(work)));
  };
  EXPECT_DEATH(use([](Connection& c) { return c.prepare("SELECT name FROM nowhere").run(); }),
               "SQL is valid no such table: nowhere");
  EXPECT_DEATH(use([](Connection& c) { return c.prepare("SELECT 1; SELECT 2").run(); }), "invariant broken");
  EXPECT_DEATH(use([](Connection& c) { return c.prepare("SELECT \"text\"").run(); }), "no such column: text");
  EXPECT_DEATH(use([](Connection& c) { return c.prepare("DELETE FROM audit").bind(0, 1).run(); }),
               "invariant broken");
  EXPECT_DEATH(use([](Connection& c) { return c.prepare("SELECT 1").run(); }), "invariant broken: !row");
  EXPECT_DEATH(use([](Connection& c) -> Status {
                 new Statement(c.prepare("SELECT 1"));
                 return {};
               }),
               "statements_in_use == 0");
}

// Writes pairs of rows from several threads and tells each acknowledged id, until it is killed.
[[noreturn]] void write_until_killed(const std::filesystem::path& file, int pipe, std::int64_t first) {
  auto database = open_at(file);
  std::atomic<std::int64_t> next = first;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      while (true) {
        const std::int64_t id = next++;
        const Status status = database->write([id](Connection& connection) -> Status {
          TRY(put(connection, "a" + std::to_string(id), "x"));
          return put(connection, "b" + std::to_string(id), "x");
        });
        if (!status || ::write(pipe, &id, sizeof id) != sizeof id) std::_Exit(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::_Exit(1);
}

// Kills a writing child after a moment. Returns the ids that it saw acknowledged.
std::vector<std::int64_t> kill_a_writer(const std::filesystem::path& file, std::int64_t first) {
  int ends[2];
  CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) write_until_killed(file, ends[1], first);
  ::close(ends[1]);
  std::vector<std::int64_t> acknowledged;
  std::int64_t id = 0;
  while (::read(ends[0], &id, sizeof id) == sizeof id) {
    acknowledged.push_back(id);
    if (acknowledged.size() == 40) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return acknowledged;
}

TEST(DatabaseCrash, WhatWasAcknowledgedSurvivesKill9AndNothingIsHalf) {
  const ScratchFolder scratch;
  const std::filesystem::path file = scratch / "meta.db";
  std::vector<std::int64_t> acknowledged;
  for (int round = 0; round < 4; ++round) {
    for (const std::int64_t id : kill_a_writer(file, round * 1'000'000)) acknowledged.push_back(id);
    auto database = open_at(file);
    std::set<std::string> present;
    ASSERT_TRUE(database->read([&](Connection& connection) -> Status {
      Statement rows = connection.prepare("SELECT name FROM setting");
      while (TRY(rows.step())) present.insert(rows.text(0));
      return {};
    }));
    for (const std::int64_t id : acknowledged) EXPECT_TRUE(present.contains("a" + std::to_string(id))) << id;
    for (const std::string& name : present) {
      EXPECT_TRUE(present.contains((name[0] == 'a' ? "b" : "a") + name.substr(1))) << name;
    }
    EXPECT_TRUE(database->check_integrity());
  }
  EXPECT_GE(acknowledged.size(), 160u);
}

}  // namespace
}  // namespace trimtab::store
