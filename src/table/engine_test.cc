#include "table/engine.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <thread>

#include "table/engine_fixture_test.h"

namespace trimtab::table {
namespace {

class EngineTest : public EngineFixture {
 protected:
  Json value(const std::string& sql, const std::string& time_zone = "UTC") {
    Result<std::vector<Json>> row = engine_->query_row(sql, time_zone);
    EXPECT_TRUE(row) << sql << "\n" << (row ? "" : base::render(row.error()));
    return row ? row->at(0) : Json();
  }
  Error refusal(const std::string& sql) {
    Status ran = engine_->run(sql);
    EXPECT_FALSE(ran) << sql << " was not refused";
    return ran ? Error{} : ran.error();
  }
};

TEST_F(EngineTest, HandsOverRowsInResultOrderInBatches) {
  std::int64_t next = 0;
  Status visited =
      engine_->query("SELECT i FROM range(100000) t(i) ORDER BY i", [&](const Batch& batch) -> Status {
        EXPECT_LE(batch.rows(), kBatchRowsMax);
        for (int row = 0; row < batch.rows(); ++row) EXPECT_EQ(batch.integer(0, row), next++);
        return {};
      });
  ASSERT_TRUE(visited) << base::render(visited.error());
  EXPECT_EQ(next, 100000);
}

TEST_F(EngineTest, BringsEveryTypeToOneOfOurs) {
  std::string sql =
      "SELECT true AS a, 1::TINYINT AS b, sum(3::BIGINT) AS c, 0.25 AS d, 1.5::FLOAT AS e, 'x' AS f, "
      "DATE '2013-01-01' AS g, TIMESTAMP '2013-07-01 12:00:00' AS h, TIMESTAMPTZ '2013-07-01 12:00:00' AS i, "
      "[1, 2] AS j, INTERVAL 1 DAY AS k, 7::UBIGINT AS l, TIMESTAMP_NS '2013-01-01 00:00:00' AS m, NULL AS "
      "n, "
      "'{\"a\":1}'::JSON AS o";
  Result<Schema> schema = engine_->describe(sql, "America/New_York");
  ASSERT_TRUE(schema) << base::render(schema.error());
  std::string types;
  for (const Column& column : schema->columns()) types += std::string(type_name(column.type)) + " ";
  EXPECT_EQ(types,
            "boolean integer integer real real text time time time text text integer time integer text ");

  Result<std::vector<Json>> row = engine_->query_row(sql, "America/New_York");
  ASSERT_TRUE(row) << base::render(row.error());
  EXPECT_EQ(Json(*row).dump(),
            R"([true,1,3,0.25,1.5,"x","2013-01-01T05:00:00Z","2013-07-01T16:00:00Z","2013-07-01T16:00:00Z",)"
            R"("[1, 2]","1 day",7,"2013-01-01T05:00:00Z",null,"{\"a\":1}"])");
}

TEST_F(EngineTest, CalendarFunctionsSeeTheZoneOfTheSession) {
  // 2013-03-10 07:00Z is the moment when New York's clocks jump from 2 to 3.
  EXPECT_EQ(value("SELECT hour(TIMESTAMPTZ '2013-03-10 06:59:59Z')", "America/New_York"), Json(1));
  EXPECT_EQ(value("SELECT hour(TIMESTAMPTZ '2013-03-10 07:00:00Z')", "America/New_York"), Json(3));
  EXPECT_EQ(value("SELECT hour(TIMESTAMPTZ '2013-03-10 07:00:00Z')"), Json(7));
  EXPECT_EQ(value("SELECT timezone('America/New_York', TIMESTAMP '2013-07-01 12:00:00')"),
            Json("2013-07-01T16:00:00Z"));
  EXPECT_EQ(engine_->run("SELECT 1", "Amerika/York").error().code, ErrorCode::invalid);
}

TEST_F(EngineTest, NothingReachesFilesOutsideOfItsFolders) {
  for (const char* sql :
       {"SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_csv('/etc/passwd')",
        "FROM '/etc/passwd.csv'", "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/trimtab_stolen.csv'", "ATTACH '/tmp/trimtab_stolen.db' AS stolen",
        "EXPORT DATABASE '/tmp/trimtab_stolen'", "IMPORT DATABASE '/tmp'",
        "SELECT * FROM read_text('https://localhost/x')", "COPY (SELECT 1) TO PROGRAM 'cat'"}) {
    EXPECT_EQ(refusal(sql).code, ErrorCode::forbidden) << sql;
  }
  std::string up = (allowed() / ".." / "secret.txt").string();
  std::ofstream(folder_ / "secret.txt") << "secret";
  EXPECT_EQ(refusal("SELECT * FROM read_text('" + up + "')").code, ErrorCode::forbidden);
  EXPECT_FALSE(std::filesystem::exists("/tmp/trimtab_stolen.csv"));
}

TEST_F(EngineTest, NothingChangesItsConfigurationOrLoadsCode) {
  for (const char* sql :
       {"SET threads = 7", "SET GLOBAL enable_external_access = true", "RESET lock_configuration",
        "SET lock_configuration = false", "SET TimeZone = 'Asia/Tokyo'",
        "SET SESSION TimeZone = 'Asia/Tokyo'", "PRAGMA memory_limit = '1TB'",
        "SET allowed_directories = ['/']", "INSTALL httpfs", "LOAD httpfs",
        "LOAD '/tmp/evil.duckdb_extension'", "SELECT getenv('HOME')",
        "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')", "SET temp_directory = '/tmp'"}) {
    refusal(sql);
  }
  EXPECT_EQ(value("SELECT current_setting('TimeZone')", "Asia/Tokyo"), Json("Asia/Tokyo"));
}

TEST_F(EngineTest, ReadsAndWritesBelowItsFolders) {
  std::string path = (allowed() / "numbers.csv").string();
  Status wrote = engine_->run("COPY (SELECT i FROM range(3) t(i)) TO '" + path + "'");
  ASSERT_TRUE(wrote) << base::render(wrote.error());
  EXPECT_EQ(value("SELECT sum(i) FROM read_csv('" + path + "')"), Json(3));
  EXPECT_EQ(refusal("SELECT * FROM read_csv('" + path + ".absent')").code, ErrorCode::not_found);
}

TEST_F(EngineTest, SaysWhatIsWrongWithAQuery) {
  EXPECT_EQ(refusal("SELECT nonsense(1)").code, ErrorCode::invalid);
  EXPECT_EQ(refusal("SELEKT 1").code, ErrorCode::invalid);
  EXPECT_EQ(refusal("SELECT 1; SELECT 2").code, ErrorCode::invalid);
  EXPECT_EQ(refusal("").code, ErrorCode::invalid);
  EXPECT_EQ(refusal("SELECT CAST('abc' AS INTEGER) FROM range(3)").code, ErrorCode::invalid);
  EXPECT_EQ(engine_->query_row("SELECT 1 WHERE false").error().code, ErrorCode::not_found);
  EXPECT_EQ(engine_->query_row("CREATE TABLE t (a INTEGER)").error().code, ErrorCode::invalid);
  EXPECT_EQ(engine_->describe("SELECT 1 AS a, 2 AS A").error().code, ErrorCode::invalid);
}

TEST_F(EngineTest, StopsWhenTheVisitorDoes) {
  int batches = 0;
  Status visited = engine_->query("SELECT i FROM range(1000000) t(i)", [&](const Batch&) -> Status {
    return ++batches == 2 ? Status(fail(ErrorCode::cancelled, "enough")) : Status();
  });
  EXPECT_EQ(visited.error().code, ErrorCode::cancelled);
  EXPECT_EQ(batches, 2);
}

TEST_F(EngineTest, TablesOutliveTheConnectionThatMadeThem) {
  ASSERT_TRUE(engine_->run("CREATE TABLE kept AS SELECT 41 AS a"));
  EXPECT_EQ(value("SELECT a + 1 FROM kept"), Json(42));
}

TEST_F(EngineTest, RefusesWhatDoesNotFitItsMemory) {
  EngineOptions options;
  options.memory_bytes_max = 8 << 20;
  auto small = Engine::open(options);
  ASSERT_TRUE(small) << base::render(small.error());
  Status ran = (*small)->run(
      "CREATE TABLE t AS SELECT hash(i) AS h, i::VARCHAR || 'long enough' AS s FROM range(5000000) t(i)");
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().code, ErrorCode::too_large);
  EXPECT_TRUE((*small)->run("SELECT 1"));
}

TEST(LazyEngine, StartsOnceWhoeverAsksFirst) {
  const std::unique_ptr<Engine> engine = Engine::on_first_use({});
  std::vector<std::thread> askers;
  std::atomic<int> made = 0;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&] { made += engine->run("CREATE TABLE once AS SELECT 1 AS a") ? 1 : 0; });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(made, 1);  // The others found the table there: all of them asked the same instance.
}

TEST(LazyEngine, FailsAtItsFirstUseAsOpenDoes) {
  EngineOptions options;
  options.threads = 0;
  const Result<std::unique_ptr<Engine>> opened = Engine::open(options);
  const Status used = Engine::on_first_use(options)->run("SELECT 1");
  ASSERT_FALSE(opened);
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().code, ErrorCode::invalid);
  EXPECT_EQ(used.error().message, opened.error().message);
}

TEST(EngineVersion, IsThePinnedOne) { EXPECT_EQ(engine_version(), "v" TRIMTAB_DUCKDB_VERSION); }

}  // namespace
}  // namespace trimtab::table
