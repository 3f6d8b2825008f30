// That computing a part once changes nothing but the time it takes: a program of many expressions gives, bit
// for bit, what a program for each of them gives, and fails for the same rows with the same words.
#include "table/shared_parts.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "table/engine_fixture_test.h"
#include "table/random_rows_test.h"
#include "table/row_program.h"

namespace trimtab::table {
namespace {

constexpr const char* kZone = "America/New_York";

// Made of few parts, so that any choice of them shares some.
const std::vector<std::string>& texts() {
  static const std::vector<std::string> kTexts = {"hour(t)",
                                                  "minute(t)",
                                                  "hour(t) * 60 + minute(t)",
                                                  "year(t) - i % 10",
                                                  "quarter(t) * 100 + month(t)",
                                                  "second(t) + day(t) + dayofyear(t)",
                                                  "isodow(t) * 10 + dayofweek(t) + weekday(t)",
                                                  "week(t) * 10000 + year(t)",
                                                  "hour(t + INTERVAL 1 DAY) + minute(t + INTERVAL 1 DAY)",
                                                  "date_part('hour', t) + hour(t)",
                                                  "CASE WHEN hour(t) > 12 THEN minute(t) ELSE second(t) END",
                                                  "coalesce(i, hour(t))",
                                                  "b AND hour(t) = 3",
                                                  "upper(trim(s))",
                                                  "length(upper(trim(s)))",
                                                  "upper(trim(s)) || '-' || trim(s)",
                                                  "trim(s) IN ('a', 'B', '')",
                                                  "CASE WHEN b THEN CAST(s AS BIGINT) ELSE 0 END",
                                                  "try(CAST(s AS BIGINT))",
                                                  "TRY_CAST(s AS BIGINT)",
                                                  "CAST(s AS BIGINT) + 1",
                                                  "i % 10",
                                                  "r * 2 + i % 10",
                                                  "round(r * 2, 1)",
                                                  "i % 10 BETWEEN 2 AND 5",
                                                  "list_sum(list_transform([i % 10, 2], lambda x: x + 1))",
                                                  "i",
                                                  "42",
                                                  "NULL"};
  return kTexts;
}

NamedExpression expression(std::string name, std::string text) {
  return {std::move(name), std::move(text), {}};
}

class SharedPartsTest : public EngineFixture {
 protected:
  std::unique_ptr<RowProgram> bind(std::vector<Stage> stages) {
    auto program = RowProgram::bind(engine(), all_types(), std::move(stages), {}, kZone);
    EXPECT_TRUE(program) << base::render(program.error());
    return program ? std::move(*program) : nullptr;
  }
  // A program with a column for each of these.
  std::unique_ptr<RowProgram> bind_columns(const std::vector<std::string>& chosen) {
    DeriveStage derive;
    SelectStage select;
    for (const std::string& text : chosen) {
      select.columns.push_back("x" + std::to_string(select.columns.size()));
      derive.columns.push_back(expression(select.columns.back(), text));
    }
    return bind({derive, select});
  }
};

Result<std::vector<Row>> run(RowProgram& program, const std::vector<Row>& rows) {
  Batch batch(program.input());
  write_rows(batch, rows, 0, rows.size());
  const Batch* out = TRY(program.run(batch));
  std::vector<Row> result;
  for (int row = 0; row < out->rows(); ++row) result.push_back(read_row(*out, row));
  return result;
}

// What is said of the first column that fails alone; columns are computed in order.
void expect_each_as_alone(const std::vector<std::unique_ptr<RowProgram>>& alone,
                          const std::vector<std::size_t>& chosen, RowProgram& together,
                          const std::vector<Row>& rows) {
  const Result<std::vector<Row>> all = run(together, rows);
  bool one_failed = false;
  for (std::size_t column = 0; column < chosen.size(); ++column) {
    const Result<std::vector<Row>> one = run(*alone[chosen[column]], rows);
    if (!one && !one_failed) {
      RC_ASSERT(!all.has_value());
      RC_ASSERT(all.error().message.starts_with("'x" + std::to_string(column) + "'"));
    }
    one_failed = one_failed || !one;
    if (!one || !all) continue;
    RC_ASSERT(one->size() == all->size());
    for (std::size_t row = 0; row < rows.size(); ++row) RC_ASSERT(all->at(row)[column] == one->at(row)[0]);
  }
  RC_ASSERT(all.has_value() == !one_failed);
}

TEST_F(SharedPartsTest, ManyExpressionsGiveWhatEachGivesAlone) {
  std::vector<std::unique_ptr<RowProgram>> alone;
  for (const std::string& text : texts()) alone.push_back(bind_columns({text}));
  const bool holds = rc::check([&] {
    const auto chosen = *rc::gen::resize(
        8, rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, texts().size())));
    RC_PRE(!chosen.empty());
    std::vector<std::string> of_program;
    for (const std::size_t each : chosen) of_program.push_back(texts()[each]);
    const auto together = bind_columns(of_program);
    for (const int rows_max : {1, 40}) expect_each_as_alone(alone, chosen, *together, any_rows(rows_max));
  });
  EXPECT_TRUE(holds);
}

TEST_F(SharedPartsTest, AProgramCanRunAgainAndAgain) {
  std::vector<std::size_t> all;
  std::vector<std::string> of_program;
  std::vector<std::unique_ptr<RowProgram>> alone;
  for (const std::string& text : texts()) {
    // What fails for most texts would leave nothing to compare.
    if (text.find("CAST(s") != std::string::npos && !text.starts_with("try")) continue;
    all.push_back(all.size());
    of_program.push_back(text);
    alone.push_back(bind_columns({text}));
  }
  const auto together = bind_columns(of_program);
  const bool holds = rc::check([&] { expect_each_as_alone(alone, all, *together, any_rows(70)); });
  EXPECT_TRUE(holds);
}

// One row of the columns b, i, s and t.
Row row_of(bool b, std::int64_t i, std::string s, std::int64_t t) {
  return {Cell{b}, Cell{i}, Cell{}, Cell{std::move(s)}, Cell{t}};
}

constexpr std::int64_t kNewYear = 1356998400'000'000;  // 2013-01-01T00:00:00Z, 19 h the day before.

TEST_F(SharedPartsTest, WhatWasComputedBeforeAFilterIsThatOfTheRowsThatPass) {
  const auto program = bind({DeriveStage{{expression("early", "hour(t) < 20")}},
                             FilterStage{expression("", "i % 2 = 0 AND hour(t) >= 19")},
                             DeriveStage{{expression("hour", "hour(t)"), expression("minute", "minute(t)"),
                                          expression("half", "i % 2 + i")}},
                             SelectStage{{"early", "hour", "minute", "half"}}});
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < 6; ++i) rows.push_back(row_of(true, i, "", kNewYear + i * 900'000'000));
  for (int round = 0; round < 2; ++round) {
    const Result<std::vector<Row>> out = run(*program, rows);
    ASSERT_TRUE(out) << base::render(out.error());
    ASSERT_EQ(out->size(), 3u);
    for (std::size_t row = 0; row < 3; ++row) {
      const auto quarters = static_cast<std::int64_t>(2 * row);
      EXPECT_EQ(out->at(row),
                Row({Cell{quarters < 4}, Cell{19 + quarters / 4}, Cell{quarters % 4 * 15}, Cell{quarters}}));
    }
  }
}

TEST_F(SharedPartsTest, APartOfABranchIsNotComputedForOtherRows) {
  const auto program =
      bind_columns({"CASE WHEN b THEN CAST(s AS BIGINT) END", "CASE WHEN b THEN CAST(s AS BIGINT) + 1 END",
                    "try(CAST(s AS BIGINT))", "coalesce(i, CAST(s AS BIGINT))"});
  const Result<std::vector<Row>> out = run(*program, {row_of(false, 7, "no number", 0)});
  ASSERT_TRUE(out) << base::render(out.error());
  EXPECT_EQ(out->at(0), Row({Cell{}, Cell{}, Cell{}, Cell{std::int64_t{7}}}));
}

TEST_F(SharedPartsTest, TheFirstColumnThatNeedsAPartIsToldThatItFails) {
  const auto program = bind({DeriveStage{{expression("safe", "try(CAST(s AS BIGINT))"),
                                          expression("twice", "CAST(s AS BIGINT) * 2"),
                                          expression("number", "CAST(s AS BIGINT)")}}});
  const Error error = run(*program, {row_of(true, 1, "no number", 0)}).error();
  EXPECT_EQ(error.message, "'twice': Could not convert string 'no number' to INT64");
  EXPECT_EQ(error.hint, "TRY_CAST gives null for such a value");
}

}  // namespace
}  // namespace trimtab::table
