#include "store/migrations.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "store/database.h"
#include "store/embedded_files.h"
#include "store/scratch_folder.h"

namespace trimtab::store {
namespace {

const base::ManualClock kClock(7'000'000);

Migration migration(int number, const std::string& name, const std::string& up, const std::string& check) {
  return {number, name, up, "DROP TABLE IF EXISTS extra;", check, base::sha256(up)};
}

// What the tables, indexes and views are now, apart from the list of migrations.
std::string schema(Connection& connection) {
  Statement rows = connection.prepare(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'schema_migration' ORDER BY name");
  std::string text;
  while (rows.step().value()) text += rows.text(0) + ";\n";
  return text;
}

class MigrationsTest : public testing::Test {
 protected:
  MigrationsTest() { reopen(); }
  Result<std::unique_ptr<Database>> try_open(const std::vector<Migration>& migrations = known_migrations()) {
    database_.reset();
    return Database::open(scratch_ / "meta.db", kClock, migrations);
  }
  void reopen() {
    auto database = try_open();
    ASSERT_TRUE(database) << database.error().message;
    database_ = *std::move(database);
  }
  Status migrate_to(const std::vector<Migration>& migrations) {
    return database_->write(
        [&](Connection& connection) { return migrate(connection, migrations, 8'000'000); });
  }
  void run(const char* script) {
    EXPECT_TRUE(database_->write([&](Connection& connection) { return connection.run_script(script); }));
  }
  std::string schema_now() {
    std::string text;
    EXPECT_TRUE(database_->read([&](Connection& connection) -> Status {
      text = schema(connection);
      return {};
    }));
    return text;
  }
  static std::vector<Migration> known_and(Migration next) {
    std::vector<Migration> migrations = known_migrations();
    next.number = migrations.back().number + 1;
    migrations.push_back(std::move(next));
    return migrations;
  }

  ScratchFolder scratch_;
  std::unique_ptr<Database> database_;
};

TEST(KnownMigrations, AreTheFilesOfTheSourceTree) {
  const std::vector<Migration> migrations = known_migrations();
  ASSERT_FALSE(migrations.empty());
  EXPECT_EQ(embedded_migrations().size(), 3 * migrations.size());
  EXPECT_EQ(migrations[0].number, 1);
  EXPECT_EQ(migrations[0].name, "0001_home");
  EXPECT_EQ(migrations[0].sha256, base::sha256(migrations[0].up));
}

TEST_F(MigrationsTest, EachOneGoesUpProvesItselfGoesDownAndUpAgain) {
  const std::string head = schema_now();
  EXPECT_TRUE(database_->write([&](Connection& connection) -> Status {
    std::vector<Migration> migrations = known_migrations();
    for (auto step = migrations.rbegin(); step != migrations.rend(); ++step)
      TRY(connection.run_script(step->down));
    EXPECT_EQ(schema(connection), "");
    for (const Migration& step : migrations) {
      TRY(connection.run_script(step.up));
      Statement check = connection.prepare(step.check);
      EXPECT_TRUE(TRY(check.step()));
      for (int column = 0; column < check.column_count(); ++column) EXPECT_EQ(check.integer(column), 1);
    }
    EXPECT_EQ(schema(connection), head);
    return {};
  }));
}

// SQLite 3.40's integrity_check misreads a REAL NOT NULL column that stands before a column of the key.
TEST_F(MigrationsTest, ColumnsOfTheKeyStandBeforeNumbersThatMayNotBeAbsent) {
  EXPECT_TRUE(database_->read([](Connection& connection) -> Status {
    Statement rows = connection.prepare(
        "SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_info(t.name) c"
        " WHERE t.wr AND c.type = 'REAL' AND c.\"notnull\" AND NOT c.pk AND EXISTS"
        " (SELECT 1 FROM pragma_table_info(t.name) k WHERE k.pk AND k.cid > c.cid)");
    while (TRY(rows.step())) ADD_FAILURE() << rows.text(0) << ": move it behind the columns of the key";
    return {};
  }));
}

// Also what a home or a backup of before holds: it is migrated before anybody checks it.
TEST_F(MigrationsTest, AMetricOfALoggedModelLivesThroughTheMoveOfItsColumn) {
  std::vector<Migration> before = known_migrations();
  std::erase_if(before, [](const Migration& step) { return step.name >= "0006"; });
  {
    const auto old = Database::open(scratch_ / "old.db", kClock, before).value();
    EXPECT_TRUE(old->write([](Connection& connection) {
      return connection.run_script(
          "INSERT INTO logged_model VALUES ('m-1', 0, 'm', '', '', 'x', 2, 0, 0, NULL);"
          "INSERT INTO logged_model_metric (model_id, key, run_id, dataset_name, dataset_digest, value,"
          " timestamp_ms, step) VALUES ('m-1', 'acc', 'r', 'd', 'e', 0.9, 7, 3);");
    }));
    EXPECT_FALSE(old->check_integrity()) << "this SQLite reads it: the migration is for those that do not";
  }
  database_ = Database::open(scratch_ / "old.db", kClock, known_migrations()).value();
  EXPECT_TRUE(database_->check_integrity());
  EXPECT_TRUE(database_->read([](Connection& connection) -> Status {
    Statement row = connection.prepare(
        "SELECT model_id, key, run_id, dataset_name, dataset_digest, value, timestamp_ms, step"
        " FROM logged_model_metric");
    EXPECT_TRUE(TRY(row.step()));
    std::string all;
    for (int column = 0; column < row.column_count(); ++column) all += row.text(column) + " ";
    EXPECT_EQ(all, "m-1 acc r d e 0.9 7 3 ");
    EXPECT_FALSE(TRY(row.step()));
    return {};
  }));
}

TEST_F(MigrationsTest, WhatRanIsRememberedAndRunsOnce) {
  reopen();
  EXPECT_TRUE(database_->read([&](Connection& connection) -> Status {
    const Migration first = known_migrations()[0];
    Statement row = connection.prepare("SELECT number, name, sha256, applied_at FROM schema_migration");
    EXPECT_TRUE(TRY(row.step()));
    EXPECT_EQ(row.integer(0), 1);
    EXPECT_EQ(row.text(1), "0001_home");
    EXPECT_EQ(row.text(2), first.sha256);
    EXPECT_EQ(row.integer(3), 7'000'000);
    return {};
  }));
}

TEST_F(MigrationsTest, OnlyWhatIsMissingRuns) {
  run("INSERT INTO setting VALUES ('kept', 'x')");
  EXPECT_TRUE(migrate_to(known_and(migration(0, "0002_extra", "CREATE TABLE extra (a);", "SELECT 1"))));
  EXPECT_NE(schema_now().find("CREATE TABLE extra (a)"), std::string::npos);
  EXPECT_TRUE(database_->read([](Connection& connection) -> Status {
    Statement row = connection.prepare("SELECT value FROM setting WHERE name = 'kept'");
    EXPECT_TRUE(TRY(row.step()));
    return {};
  }));
}

TEST_F(MigrationsTest, ACheckThatSaysNoUndoesTheMigration) {
  const std::string before = schema_now();
  const Status refused =
      migrate_to(known_and(migration(0, "0002_extra", "CREATE TABLE extra (a);", "SELECT 1, 0")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(refused.error().message,
            "migration 0002_extra was undone: answer 2 of 0002_extra.check.sql is no");
  EXPECT_EQ(refused.error().hint, "the home is as it was before; report this with the version you came from");
  EXPECT_EQ(schema_now(), before);

  const Status silent =
      migrate_to(known_and(migration(0, "0002_extra", "CREATE TABLE extra (a);", "SELECT 1 FROM extra")));
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().message, "migration 0002_extra was undone: 0002_extra.check.sql gives no row");
  EXPECT_EQ(schema_now(), before);
  EXPECT_TRUE(try_open());
}

TEST_F(MigrationsTest, AMigrationThatFailsIsUndone) {
  const std::string before = schema_now();
  const Status refused = migrate_to(known_and(migration(
      0, "0002_extra", "CREATE TABLE extra (a); INSERT INTO setting VALUES ('a', NULL);", "SELECT 1")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "the database refused a row: NOT NULL constraint failed: setting.value");
  EXPECT_EQ(schema_now(), before);
}

TEST_F(MigrationsTest, AnEditedFileIsRefused) {
  std::vector<Migration> edited = known_migrations();
  const std::string was = edited[0].sha256;
  edited[0].sha256 = base::sha256("edited");
  const Status refused = migrate_to(edited);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(
      refused.error().message,
      "migrations/0001_home.sql is not the file that made this home (there it was '0001_home', sha256 " +
          was.substr(0, 12) + "…)");
  EXPECT_EQ(refused.error().hint,
            "use the Trimtab that made the home; a shipped migration is never edited, a new one is added");
}

TEST_F(MigrationsTest, ANewerSchemaIsRefused) {
  EXPECT_TRUE(migrate_to(known_and(migration(0, "0002_extra", "CREATE TABLE extra (a);", "SELECT 1"))));
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_broken);
  const std::string known = std::to_string(known_migrations().back().number);
  const std::string newer = std::to_string(known_migrations().back().number + 1);
  EXPECT_EQ(opened.error().message, "this home was made by a newer Trimtab: its schema is number " + newer +
                                        ", this program knows " + known);
  EXPECT_EQ(opened.error().hint, "install that Trimtab or a later one, or use --home with another folder");
}

TEST_F(MigrationsTest, TablesChangedByHandAreRefused) {
  run("ALTER TABLE setting RENAME COLUMN value TO worth");
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(opened.error().message, "the tables of this home are not those that its migrations made");
  EXPECT_EQ(opened.error().hint, "undo what was changed by hand, or restore meta.db from a backup");
}

// SQLite changes a table by making it anew; references to it must live through that.
TEST_F(MigrationsTest, ATableThatOthersReferToMayBeMadeAnew) {
  run("INSERT INTO registered_model VALUES ('late', 'flights', '', 0, 0);"
      "INSERT INTO endpoint (name, project, model, changed_at) VALUES ('late', 'flights', 'late', 0);");
  const std::string rebuild =
      "CREATE TABLE fresh (name TEXT PRIMARY KEY, project TEXT NOT NULL) WITHOUT ROWID;"
      "INSERT INTO fresh SELECT name, project FROM registered_model; DROP TABLE registered_model;"
      "ALTER TABLE fresh RENAME TO registered_model;";
  const std::string check = "SELECT (SELECT count(*) FROM pragma_foreign_key_check()) = 0";
  const auto opened = try_open(known_and(migration(0, "0002_anew", rebuild, check)));
  ASSERT_TRUE(opened) << opened.error().message;
  // From then on references are enforced.
  const Status dangling = (*opened)->write(
      [](Connection& connection) { return connection.prepare("DELETE FROM registered_model").run(); });
  ASSERT_FALSE(dangling);
  EXPECT_EQ(dangling.error().code, ErrorCode::conflict);
}

TEST_F(MigrationsTest, AnUpgradeThatFailsLeavesTheHomeToTheOldProgram) {
  run("INSERT INTO setting VALUES ('kept', 'x')");
  std::vector<Migration> migrations =
      known_and(migration(0, "0002_good", "CREATE TABLE good (a);", "SELECT 1"));
  migrations.push_back(
      migration(static_cast<int>(migrations.size()) + 1, "0003_bad", "CREATE TABLE bad (a);", "SELECT 0"));
  const auto refused = try_open(migrations);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "migration 0003_bad was undone: answer 1 of 0003_bad.check.sql is no");
  reopen();
  EXPECT_EQ(schema_now().find("good"), std::string::npos);
}

}  // namespace
}  // namespace trimtab::store
