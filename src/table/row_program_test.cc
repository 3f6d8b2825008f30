#include "table/row_program.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "table/engine_fixture_test.h"
#include "table/parquet.h"
#include "table/random_rows_test.h"

namespace trimtab::table {
namespace {

constexpr const char* kZone = "America/New_York";

// What recipes are made of, over the columns b, i, r, s and t.
const std::vector<std::string>& texts() {
  static const std::vector<std::string> kTexts = {"i + 1",
                                                  "i // 7",
                                                  "i % 7",
                                                  "abs(i)",
                                                  "r * 2 + i",
                                                  "round(r, 2)",
                                                  "ln(abs(r) + 1)",
                                                  "i / 3",
                                                  "-r",
                                                  "upper(trim(s))",
                                                  "s || '-' || s",
                                                  "length(s)",
                                                  "regexp_replace(s, '[aeiou]', '_', 'g')",
                                                  "regexp_matches(s, '^[A-Z]')",
                                                  "regexp_extract(s, '[0-9]+')",
                                                  "coalesce(s, 'none')",
                                                  "reverse(s)",
                                                  "substring(s, 2, 3)",
                                                  "s LIKE 'a%'",
                                                  "s IN ('a', 'B', '')",
                                                  "TRY_CAST(s AS BIGINT)",
                                                  "CAST(s AS BIGINT)",
                                                  "split_part(s, ' ', 1)",
                                                  "lower(s) = s",
                                                  "hour(t)",
                                                  "isodow(t)",
                                                  "dayofyear(t)",
                                                  "date_trunc('day', t)",
                                                  "strftime(t, '%Y-%m %H')",
                                                  "CAST(t AS DATE)",
                                                  "epoch(t)",
                                                  "t + INTERVAL 1 DAY",
                                                  "date_diff('hour', t, TIMESTAMPTZ '2013-01-01 00:00:00Z')",
                                                  "t >= '2013-03-10 03:00:00'",
                                                  "CASE WHEN b THEN i ELSE -i END",
                                                  "CASE WHEN i > 0 THEN 'plus' WHEN i < 0 THEN s END",
                                                  "b AND i > 0",
                                                  "r > 0 OR b",
                                                  "NOT b",
                                                  "i IS NULL",
                                                  "i BETWEEN -5 AND 5",
                                                  "greatest(i, 3)",
                                                  "nullif(i, 0)",
                                                  "r::BIGINT",
                                                  "i::VARCHAR",
                                                  "try(i * i)",
                                                  "isnan(r)",
                                                  "least(r, 0.5)",
                                                  "r::DECIMAL(9, 2)",
                                                  "b::INTEGER",
                                                  "list_sum(list_transform([i % 10, 2], lambda x: x + 1))",
                                                  "i",
                                                  "42",
                                                  "NULL",
                                                  "'constant'"};
  return kTexts;
}

NamedExpression expression(std::string name, std::string text) {
  return {std::move(name), std::move(text), {}};
}

// The cells of all rows of a run, or what was wrong.
using Outcome = Result<std::vector<Row>>;

Outcome run(RowProgram& program, const std::vector<Row>& rows, std::size_t first, std::size_t count) {
  Batch batch(program.input());
  write_rows(batch, rows, first, count);
  const Batch* out = TRY(program.run(batch));
  std::vector<Row> result;
  for (int row = 0; row < out->rows(); ++row) result.push_back(read_row(*out, row));
  return result;
}

class RowProgramTest : public EngineFixture {
 protected:
  std::unique_ptr<RowProgram> bind(std::vector<Stage> stages, Schema input = all_types(),
                                   const LookupTables& lookups = {}, const std::string& zone = kZone) {
    auto program = RowProgram::bind(engine(), std::move(input), std::move(stages), lookups, zone);
    EXPECT_TRUE(program) << base::render(program.error());
    return program ? std::move(*program) : nullptr;
  }
  Error refusal(std::vector<Stage> stages, Schema input = all_types()) {
    auto program = RowProgram::bind(engine(), std::move(input), std::move(stages), {}, kZone);
    EXPECT_FALSE(program) << "was accepted";
    return program ? Error{} : program.error();
  }
  Error refusal(const std::string& text) {
    return refusal({DeriveStage{{{"x", text, {"trimtab.yaml", 12, 20}}}}});
  }

  // The rows of a SQL query over the same cells.
  Outcome ask_engine(const std::vector<Row>& rows, const std::string& text) {
    std::filesystem::path path = allowed() / "rows.parquet";
    auto writer = TRY(ParquetWriter::create(engine(), path, all_types()));
    Batch batch(all_types());
    write_rows(batch, rows, 0, rows.size());
    TRY(writer->append(batch));
    TRY(writer->finish());
    std::vector<Row> result;
    std::string sql = "SELECT " + text + " AS x FROM read_parquet('" + path.string() + "')";
    auto visit = [&](const Batch& out) -> Status {
      for (int row = 0; row < out.rows(); ++row) result.push_back(read_row(out, row));
      return {};
    };
    TRY(engine().query(sql, visit, kZone));
    return result;
  }

  // A program for each of texts(), with the one column x.
  std::vector<std::unique_ptr<RowProgram>> bind_all() {
    std::vector<std::unique_ptr<RowProgram>> programs;
    for (const std::string& text : texts()) {
      programs.push_back(bind({DeriveStage{{expression("x", text)}}, SelectStage{{"x"}}}));
    }
    return programs;
  }
};

// Bit for bit; and many rows fail exactly when one of them does.
void expect_one_row_is_as_many(RowProgram& program, const std::vector<Row>& rows) {
  Outcome together = run(program, rows, 0, rows.size());
  bool one_failed = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Outcome alone = run(program, rows, i, 1);
    one_failed = one_failed || !alone;
    if (alone && together) RC_ASSERT(alone->at(0) == together->at(i));
  }
  RC_ASSERT(together.has_value() == !one_failed);
}

TEST_F(RowProgramTest, OneRowGivesWhatManyRowsGive) {
  auto programs = bind_all();
  bool holds = rc::check([&] {
    std::vector<Row> rows = any_rows(40);
    for (std::size_t i = 0; i < programs.size(); ++i) {
      RC_LOG() << texts()[i];
      expect_one_row_is_as_many(*programs[i], rows);
    }
  });
  EXPECT_TRUE(holds);
}

TEST_F(RowProgramTest, AQueryGivesTheSame) {
  auto programs = bind_all();
  bool holds = rc::check([&] {
    std::vector<Row> rows = any_rows(40);
    for (int round = 0; round < 5; ++round) {
      auto i = *rc::gen::inRange<std::size_t>(0, programs.size());
      RC_LOG() << texts()[i];
      Outcome ours = run(*programs[i], rows, 0, rows.size());
      Outcome theirs = ask_engine(rows, texts()[i]);
      RC_ASSERT(ours.has_value() == theirs.has_value());
      if (ours) RC_ASSERT(*ours == *theirs);
    }
  });
  EXPECT_TRUE(holds);
}

TEST_F(RowProgramTest, AFullBatchGivesWhatItsRowsGive) {
  DeriveStage stage;
  for (const char* text :
       {"upper(trim(s))", "hour(t)", "r * 2 + i % 10", "CASE WHEN b THEN s ELSE 'no' END"}) {
    stage.columns.push_back(expression("x" + std::to_string(stage.columns.size()), text));
  }
  auto program = bind({stage});
  std::vector<Row> rows = random_rows(kBatchRowsMax, 1);
  Outcome together = run(*program, rows, 0, rows.size());
  ASSERT_TRUE(together) << base::render(together.error());
  ASSERT_EQ(together->size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    ASSERT_EQ(run(*program, rows, i, 1)->at(0), together->at(i)) << i;
  EXPECT_EQ(run(*program, rows, 0, 0)->size(), 0u);
}

// Rows given as JSON, which reads better where the values matter.
std::vector<Json> outcome_of(RowProgram& program, const std::vector<Json>& rows) {
  Batch batch(program.input());
  batch.reset(static_cast<int>(rows.size()));
  for (int row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < batch.schema().size(); ++column) {
      const Json& cell = rows[static_cast<std::size_t>(row)][batch.schema().at(column).name];
      EXPECT_TRUE(batch.set_cell_json(column, row, cell));
    }
  }
  Result<const Batch*> out = program.run(batch);
  if (!out) return {Json(base::render(out.error()))};
  std::vector<Json> result;
  for (int row = 0; row < (*out)->rows(); ++row) {
    Json object = Json::object();
    for (int column = 0; column < (*out)->schema().size(); ++column) {
      object.set((*out)->schema().at(column).name, (*out)->cell_json(column, row));
    }
    result.push_back(std::move(object));
  }
  return result;
}

Json only(RowProgram& program, const Json& row) {
  std::vector<Json> rows = outcome_of(program, {row});
  EXPECT_EQ(rows.size(), 1u);
  return rows.empty() ? Json() : rows[0];
}

const Schema kFlight({{"origin", ColumnType::text},
                      {"distance", ColumnType::integer},
                      {"sched_dep", ColumnType::time}});

TEST_F(RowProgramTest, CalendarFunctionsSeeTheZoneOfTheProgram) {
  auto program = bind({DeriveStage{{expression("hour", "hour(sched_dep)"),
                                    expression("day", "strftime(sched_dep, '%Y-%m-%d')"),
                                    expression("midnight", "date_trunc('day', sched_dep)")}},
                       SelectStage{{"hour", "day", "midnight"}}},
                      kFlight);
  auto at = [&](const char* time) { return only(*program, Json::object({{"sched_dep", time}})).dump(); };
  // In 2013 New York's clocks jumped from 2 to 3 on March 10 and back from 2 to 1 on November 3.
  EXPECT_EQ(at("2013-03-10T06:59:59Z"), R"({"hour":1,"day":"2013-03-10","midnight":"2013-03-10T05:00:00Z"})");
  EXPECT_EQ(at("2013-03-10T07:00:00Z"), R"({"hour":3,"day":"2013-03-10","midnight":"2013-03-10T05:00:00Z"})");
  EXPECT_EQ(at("2013-11-03T05:30:00Z"), R"({"hour":1,"day":"2013-11-03","midnight":"2013-11-03T04:00:00Z"})");
  EXPECT_EQ(at("2013-11-03T06:30:00Z"), R"({"hour":1,"day":"2013-11-03","midnight":"2013-11-03T04:00:00Z"})");
  EXPECT_EQ(at("2013-11-04T04:59:59Z"),
            R"({"hour":23,"day":"2013-11-03","midnight":"2013-11-03T04:00:00Z"})");

  auto utc =
      bind({DeriveStage{{expression("hour", "hour(sched_dep)")}}, SelectStage{{"hour"}}}, kFlight, {}, "UTC");
  EXPECT_EQ(only(*utc, Json::object({{"sched_dep", "2013-03-10T07:00:00Z"}})).dump(), R"({"hour":7})");
  EXPECT_EQ(RowProgram::bind(engine(), kFlight, {}, {}, "New Amsterdam").error().code, ErrorCode::invalid);
}

TEST_F(RowProgramTest, BringsValuesToOneOfOurTypes) {
  auto program = bind({DeriveStage{{expression("a", "distance::TINYINT"), expression("b", "0.5"),
                                    expression("c", "sched_dep::DATE"), expression("d", "distance::HUGEINT"),
                                    expression("e", "sched_dep::TIMESTAMP"), expression("f", "NULL"),
                                    expression("g", "1.5::FLOAT")}}},
                      kFlight);
  std::string types;
  for (const Column& column : program->output().columns()) types += std::string(type_name(column.type)) + " ";
  EXPECT_EQ(types, "text integer time integer real time integer time integer real ");
  Json row = only(*program, Json::object({{"distance", 7}, {"sched_dep", "2013-07-01T03:30:00Z"}}));
  EXPECT_EQ(row.dump(), R"({"origin":null,"distance":7,"sched_dep":"2013-07-01T03:30:00Z","a":7,"b":0.5,)"
                        R"("c":"2013-06-30T04:00:00Z","d":7,"e":"2013-07-01T03:30:00Z","f":null,"g":1.5})");
}

TEST_F(RowProgramTest, AStageSeesTheRowAsItWasBefore) {
  auto program = bind({DeriveStage{{expression("distance", "distance + 1"),
                                    expression("twice", "distance * 2"), expression("from", "origin")}},
                       DeriveStage{{expression("ORIGIN", "lower(origin)")}},
                       SelectStage{{"twice", "distance", "from", "origin"}}},
                      kFlight);
  EXPECT_EQ(only(*program, Json::object({{"distance", 10}, {"origin", "EWR"}})).dump(),
            R"({"twice":20,"distance":11,"from":"EWR","ORIGIN":"ewr"})");
}

TEST_F(RowProgramTest, AFilterDropsRowsOfWhichItIsNotTrue) {
  auto program =
      bind({DeriveStage{{expression("long", "distance > 100")}}, FilterStage{expression("", "long")},
            DeriveStage{{expression("route", "origin || '-' || distance")}}, SelectStage{{"route"}}},
           kFlight);
  std::vector<Json> rows;
  for (int i = 0; i < 6; ++i) rows.push_back(Json::object({{"origin", "EWR"}, {"distance", i * 50}}));
  rows.push_back(Json::object({{"origin", "JFK"}}));
  for (int round = 0; round < 2; ++round) {
    std::string out;
    for (const Json& row : outcome_of(*program, rows)) out += row.dump();
    EXPECT_EQ(out, R"({"route":"EWR-150"}{"route":"EWR-200"}{"route":"EWR-250"})");
  }
  EXPECT_TRUE(outcome_of(*program, {rows[0]}).empty());
  EXPECT_EQ(outcome_of(*program, {rows[5]}).size(), 1u);
  EXPECT_EQ(refusal({FilterStage{expression("", "i + 1")}}).message,
            "a filter is true or false, not integer");
}

class RowProgramLookupTest : public RowProgramTest {
 protected:
  void SetUp() override {
    RowProgramTest::SetUp();
    LookupSpec spec;
    spec.table = "airports";
    spec.left_keys = {"origin"};
    spec.right_keys = {"code"};
    spec.select = {"city", "runways"};
    Schema schema({{"code", ColumnType::text}, {"city", ColumnType::text}, {"runways", ColumnType::integer}});
    auto index = LookupIndex::make(spec, schema);
    ASSERT_TRUE(index) << base::render(index.error());
    index_ = std::move(*index);
    Batch rows(schema);
    rows.reset(2);
    for (int row = 0; row < 2; ++row) {
      rows.set_text(0, row, row == 0 ? "EWR" : "JFK");
      rows.set_text(1, row, row == 0 ? "Newark" : "New York");
      rows.set_integer(2, row, 3 + row);
    }
    ASSERT_TRUE(index_->append(rows));
  }
  std::shared_ptr<LookupIndex> index_;
};

TEST_F(RowProgramLookupTest, AddsWhatTheJoinedTableKnows) {
  auto program =
      bind({DeriveStage{{expression("origin", "upper(origin)")}}, LookupStage{index_->spec()},
            DeriveStage{{expression("label", "city || ' ' || runways")}}, SelectStage{{"label", "city"}}},
           kFlight, {{"1", index_}});
  EXPECT_EQ(only(*program, Json::object({{"origin", "ewr"}})).dump(),
            R"({"label":"Newark 3","city":"Newark"})");
  EXPECT_EQ(only(*program, Json::object({{"origin", "lga"}})).dump(), R"({"label":null,"city":null})");
  EXPECT_EQ(only(*program, Json::object({})).dump(), R"({"label":null,"city":null})");
}

TEST_F(RowProgramLookupTest, WhatTheRowAlreadyKnowsWins) {
  Schema input({{"origin", ColumnType::text}, {"City", ColumnType::text}, {"runways", ColumnType::integer}});
  auto program = bind({LookupStage{index_->spec()}}, input, {{"0", index_}});
  std::vector<Json> rows = {Json::object({{"origin", "EWR"}, {"City", "my city"}}),
                            Json::object({{"origin", "JFK"}, {"runways", 9}}),
                            Json::object({{"origin", "LGA"}, {"City", "Queens"}})};
  std::string out;
  for (const Json& row : outcome_of(*program, rows)) out += row.dump() + "\n";
  EXPECT_EQ(out,
            "{\"origin\":\"EWR\",\"city\":\"my city\",\"runways\":3}\n"
            "{\"origin\":\"JFK\",\"city\":\"New York\",\"runways\":9}\n"
            "{\"origin\":\"LGA\",\"city\":\"Queens\",\"runways\":null}\n");
  // Nothing is left to look up here.
  EXPECT_EQ(only(*program, Json::object({{"origin", "EWR"}, {"City", "c"}, {"runways", 1}})).dump(),
            R"({"origin":"EWR","city":"c","runways":1})");
}

TEST_F(RowProgramLookupTest, TakesAPartOfWhatTheIndexOffers) {
  LookupStage stage{index_->spec()};
  stage.lookup.select = {"runways"};
  auto program = bind({stage, SelectStage{{"runways"}}}, kFlight, {{"0", index_}});
  EXPECT_EQ(only(*program, Json::object({{"origin", "JFK"}})).dump(), R"({"runways":4})");
}

TEST_F(RowProgramLookupTest, RefusesWhatCannotBeJoined) {
  auto code_of = [&](const Schema& input, const LookupTables& lookups) {
    return RowProgram::bind(engine(), input, {LookupStage{index_->spec()}}, lookups, kZone).error().code;
  };
  EXPECT_EQ(code_of(kFlight, {}), ErrorCode::not_found);
  EXPECT_EQ(code_of(Schema({{"dest", ColumnType::text}}), {{"0", index_}}), ErrorCode::invalid);
  EXPECT_EQ(code_of(Schema({{"origin", ColumnType::integer}}), {{"0", index_}}), ErrorCode::invalid);
  EXPECT_EQ(code_of(Schema({{"origin", ColumnType::text}, {"city", ColumnType::real}}), {{"0", index_}}),
            ErrorCode::invalid);
}

TEST_F(RowProgramTest, ARowThatFailsNamesItsColumnAndHarmsNoOther) {
  NamedExpression number{"number", "CAST(s AS INTEGER) + 1", {"trimtab.yaml", 31, 14}};
  auto program = bind({DeriveStage{{expression("ok", "upper(s)"), number}}, SelectStage{{"ok", "number"}}});
  EXPECT_EQ(only(*program, Json::object({{"s", "41"}})).dump(), R"({"ok":"41","number":42})");
  Json told = only(*program, Json::object({{"s", "many"}}));
  EXPECT_EQ(told.as_string(),
            "trimtab.yaml:31:14: error: 'number': Could not convert string 'many' to INT32\n"
            "   hint: TRY_CAST gives null for such a value");
  EXPECT_EQ(only(*program, Json::object({{"s", "7"}})).dump(), R"({"ok":"7","number":8})");
}

TEST_F(RowProgramTest, PointsAtTheMistake) {
  auto told = [&](const std::string& text) {
    return base::render(refusal({DeriveStage{{{"x", text, {"trimtab.yaml", 12, 20}}}}}, kFlight));
  };
  EXPECT_EQ(
      told("hour(sched_depp)"),
      "trimtab.yaml:12:25: error: 'x': there is no column 'sched_depp'\n   hint: did you mean 'sched_dep'?");
  EXPECT_EQ(told("'é' || orign"),
            "trimtab.yaml:12:27: error: 'x': there is no column 'orign'\n   hint: did you mean 'origin'?");
  EXPECT_EQ(told("distance +\n  orign"),
            "trimtab.yaml:13:3: error: 'x': there is no column 'orign'\n   hint: did you mean 'origin'?");
  EXPECT_EQ(told("distance + )"), "trimtab.yaml:12:31: error: 'x': syntax error at or near \")\"");
  EXPECT_EQ(told("hour("), "trimtab.yaml:12:25: error: 'x': syntax error at end of input");
  EXPECT_EQ(told("1 + uper(origin)"),
            "trimtab.yaml:12:24: error: 'x': Scalar Function with name uper does not exist!\n"
            "   hint: Did you mean \"upper\"?");
  EXPECT_EQ(told("[distance]"),
            "trimtab.yaml:12:20: error: 'x': a column cannot hold a value of type BIGINT[]\n   hint: cast "
            "it, or take "
            "a part of it: to boolean, BIGINT, DOUBLE, VARCHAR or TIMESTAMPTZ");
}

TEST_F(RowProgramTest, RefusesWhatIsNoExpressionOfOneRow) {
  for (const char* text : {"",
                           " ",
                           "i, r",
                           "i AS j",
                           "i j",
                           "i FROM t",
                           "i; DROP TABLE t",
                           "*",
                           "COLUMNS(*)",
                           "1 WHERE true",
                           "DISTINCT i",
                           "(SELECT 1)",
                           "i IN (SELECT 1)",
                           "EXISTS (SELECT 1)",
                           "sum(i)",
                           "row_number() OVER ()",
                           "sum(i) OVER ()",
                           "unnest([1, 2])",
                           "random()",
                           "uuid()",
                           "now()",
                           "current_date",
                           "current_timestamp",
                           "today()",
                           "$1",
                           "?",
                           "#1",
                           "DEFAULT",
                           "nextval('s')",
                           "read_text('/etc/passwd')",
                           "i UNION SELECT 1",
                           "t - t",
                           "{'a': i}",
                           "s::BLOB",
                           "getenv('HOME')",
                           "i LIMIT 1",
                           "i ORDER BY 1",
                           "1 USING SAMPLE 10%",
                           "x.i",
                           "CAST(t AS TIME)"}) {
    Error error = refusal(std::string(text));
    EXPECT_EQ(error.code, ErrorCode::invalid) << text << "\n" << base::render(error);
    EXPECT_EQ(error.where.value_or(SourceRange()).line, 12) << text;
  }
}

TEST_F(RowProgramTest, RefusesStagesThatDoNotFit) {
  EXPECT_EQ(refusal({SelectStage{{"i", "absent"}}}).message, "there is no column 'absent' to select");
  EXPECT_EQ(refusal({SelectStage{{"i", "I"}}}).message, "the column 'I' is selected twice");
  EXPECT_EQ(refusal({DeriveStage{{expression("x", "1"), expression("X", "2")}}}).code, ErrorCode::invalid);
  EXPECT_EQ(refusal({DeriveStage{{expression("", "1")}}}).code, ErrorCode::invalid);
  EXPECT_EQ(refusal({SelectStage{{"i"}}, DeriveStage{{expression("x", "r")}}}).message,
            "'x': there is no column 'r'");
}

TEST_F(RowProgramTest, ABranchThatIsNotTakenMayBeImpossible) {
  auto program = bind({DeriveStage{{expression("x", "CASE WHEN b THEN CAST('none' AS INTEGER) ELSE 1 END")}},
                       SelectStage{{"x"}}});
  EXPECT_EQ(only(*program, Json::object({{"b", false}})).dump(), R"({"x":1})");
  EXPECT_TRUE(only(*program, Json::object({{"b", true}})).is_string());
}

TEST_F(RowProgramTest, PassesRowsThroughWhenThereAreNoStages) {
  auto program = bind({});
  std::vector<Row> rows = random_rows(50, 2);
  EXPECT_EQ(*run(*program, rows, 0, 50), rows);
  EXPECT_EQ(program->output(), all_types());
}

TEST_F(RowProgramTest, ManyThreadsShareAnEngine) {
  std::vector<Row> rows = random_rows(64, 3);
  std::vector<Stage> stages = {DeriveStage{{expression("x", "strftime(t, '%H') || upper(trim(s))")}}};
  std::vector<Row> expected = *run(*bind(stages), rows, 0, rows.size());
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto program = RowProgram::bind(engine(), all_types(), stages, {}, kZone);
      for (int round = 0; program && round < 200; ++round) {
        Outcome outcome = run(**program, rows, 0, rows.size());
        if (!outcome || *outcome != expected) ++wrong;
      }
      if (!program) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(RowProgramTest, KeepsNoDroppedTableInMemory) {
  auto program = bind({DeriveStage{{expression("x", "hour(t)")}}});
  ASSERT_TRUE(engine().run("CREATE TABLE big AS SELECT i, hash(i) AS h FROM range(3000000) r(i)"));
  auto used = [&] {
    return engine().query_row("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")->at(0).as_int();
  };
  EXPECT_GT(used(), 20'000'000);
  ASSERT_TRUE(engine().run("DROP TABLE big"));
  EXPECT_LT(used(), 10'000'000);
}

}  // namespace
}  // namespace trimtab::table
