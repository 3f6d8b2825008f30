#include "profile/column_state.h"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "table/operation_fixture_test.h"
#include "table/random_rows_test.h"

namespace trimtab::profile {
namespace {

using table::Batch;
using table::ColumnType;
using table::Row;
using table::Schema;

// The state of one column of rows that have all types.
ColumnState state_of(const std::vector<Row>& rows, int column, std::size_t first, std::size_t end,
                     const std::vector<double>& edges = {}) {
  ColumnState state;
  state.type = table::all_types().at(column).type;
  state.edges = edges;
  Batch batch(table::all_types());
  table::write_rows(batch, rows, first, end - first);
  state.add(batch, column);
  return state;
}

ColumnState of_reals(const std::vector<table::CellList>& cells) {
  ColumnState state;
  state.add(table::batch_of(Schema({{"x", ColumnType::real}}), cells), 0);
  return state;
}

ColumnState of_texts(const std::vector<table::CellList>& cells) {
  ColumnState state;
  state.type = ColumnType::text;
  state.add(table::batch_of(Schema({{"x", ColumnType::text}}), cells), 0);
  return state;
}

bool nearly(double a, double b) {
  if (!std::isfinite(a) || !std::isfinite(b)) return std::isfinite(a) == std::isfinite(b);
  return std::abs(a - b) <= 1e-9 * std::max({std::abs(a), std::abs(b), 1e-300});
}

// All that must not depend on how the rows were cut: everything but the rounding of the moments.
void expect_same(const ColumnState& a, const ColumnState& b) {
  RC_ASSERT(a.rows == b.rows);
  RC_ASSERT(a.nulls == b.nulls);
  RC_ASSERT(a.zeros == b.zeros);
  RC_ASSERT(a.infinities == b.infinities);
  RC_ASSERT(a.not_a_number == b.not_a_number);
  RC_ASSERT(a.finite == b.finite);
  RC_ASSERT(a.min == b.min);
  RC_ASSERT(a.max == b.max);
  RC_ASSERT(a.length_min == b.length_min);
  RC_ASSERT(a.length_max == b.length_max);
  RC_ASSERT(a.length_sum == b.length_sum);
  RC_ASSERT(a.quantiles == b.quantiles);
  RC_ASSERT(a.distinct_registers == b.distinct_registers);
  if (a.heavy_error == 0 && b.heavy_error == 0) RC_ASSERT(a.heavy == b.heavy);
}

// Parts in any grouping: (first + second) + third and first + (second + third) against one pass.
RC_GTEST_PROP(ColumnStateProperty, MergingPartsInAnyGroupingEqualsOnePass, ()) {
  const std::vector<Row> rows = table::any_rows(60);
  const auto one = *rc::gen::inRange<std::size_t>(0, rows.size() + 1);
  const auto two = *rc::gen::inRange<std::size_t>(one, rows.size() + 1);
  for (int column = 0; column < 5; ++column) {
    const std::vector<double> edges = column == 2 ? std::vector<double>{-1, 0, 5} : std::vector<double>{};
    const ColumnState whole = state_of(rows, column, 0, rows.size(), edges);
    const ColumnState third = state_of(rows, column, two, rows.size(), edges);
    ColumnState left = state_of(rows, column, 0, one, edges);
    ColumnState right = state_of(rows, column, one, two, edges);
    ColumnState middle = right;
    RC_ASSERT(left.merge(middle).has_value());
    RC_ASSERT(left.merge(third).has_value());
    RC_ASSERT(right.merge(third).has_value());
    ColumnState outer = state_of(rows, column, 0, one, edges);
    RC_ASSERT(outer.merge(right).has_value());
    expect_same(left, whole);
    expect_same(outer, whole);
    if (!edges.empty()) RC_ASSERT(left.bins == whole.bins && outer.bins == whole.bins);
  }
}

RC_GTEST_PROP(ColumnStateProperty, MergedMomentsAreThoseOfAllNumbers, ()) {
  const auto numbers =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(-1000, 1000)));
  const auto cut = *rc::gen::inRange<std::size_t>(0, numbers.size() + 1);
  std::vector<table::CellList> first;
  std::vector<table::CellList> second;
  double sum = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    (i < cut ? first : second).push_back({numbers[i]});
    sum += numbers[i];
  }
  const double mean = sum / static_cast<double>(numbers.size());
  double squares = 0;
  for (const int number : numbers) squares += (number - mean) * (number - mean);
  ColumnState state = of_reals(first);
  RC_ASSERT(state.merge(of_reals(second)).has_value());
  RC_ASSERT(std::abs(state.mean - mean) < 1e-6);
  RC_ASSERT(std::abs(state.sum_of_squares - squares) <= 1e-6 * (1 + squares));
}

RC_GTEST_PROP(ColumnStateProperty, OutlivesTheWayThroughJson, ()) {
  const std::vector<Row> rows = table::any_rows(30);
  for (int column = 0; column < 5; ++column) {
    const ColumnState state = state_of(rows, column, 0, rows.size(), {0.5});
    const auto read = ColumnState::from_json(*base::parse_json(state.to_json().dump()));
    RC_ASSERT(read.has_value());
    RC_ASSERT(read->to_json().dump() == state.to_json().dump());
    expect_same(*read, state);
    RC_ASSERT(nearly(read->mean, state.mean));
  }
}

TEST(ColumnState, CountsWhatIsThere) {
  const ColumnState state = of_reals({{1}, {nullptr}, {0}, {-3}, {"NaN"}, {"Infinity"}, {"-Infinity"}, {1}});
  EXPECT_EQ(state.rows, 8);
  EXPECT_EQ(state.nulls, 1);
  EXPECT_EQ(state.zeros, 1);
  EXPECT_EQ(state.not_a_number, 1);
  EXPECT_EQ(state.infinities, 2);
  EXPECT_EQ(state.finite, 4);
  EXPECT_EQ(state.min, -3.0);
  EXPECT_EQ(state.max, 1.0);
  EXPECT_DOUBLE_EQ(state.mean, -0.25);
  EXPECT_DOUBLE_EQ(state.standard_deviation(), std::sqrt(10.75 / 3));
  EXPECT_EQ(state.distinct(), 6);
  EXPECT_EQ(state.heavy.at("1.0"), 2);
}

TEST(ColumnState, TheTwoZerosAreOneValue) {
  const ColumnState state = of_reals({{0.0}, {-0.0}});
  EXPECT_EQ(state.distinct(), 1);
  EXPECT_EQ(state.zeros, 2);
  EXPECT_EQ(state.heavy, (std::map<std::string, std::int64_t>{{"0", 2}}));
}

TEST(ColumnState, AllNullIsKnownAsThat) {
  const ColumnState state = of_reals({{nullptr}, {nullptr}});
  EXPECT_EQ(state.nulls, 2);
  EXPECT_EQ(state.distinct(), 0);
  EXPECT_EQ(state.min, std::nullopt);
  EXPECT_EQ(state.standard_deviation(), 0);
  EXPECT_TRUE(ColumnState::from_json(state.to_json()));
}

TEST(ColumnState, ExtremeValuesDoNoHarm) {
  ColumnState state = of_reals({{1.7976931348623157e308}, {-1.7976931348623157e308}, {5e-324}});
  ASSERT_TRUE(state.merge(of_reals({{1.7976931348623157e308}})));
  EXPECT_EQ(state.max, 1.7976931348623157e308);
  EXPECT_EQ(state.finite, 4);
  EXPECT_TRUE(ColumnState::from_json(*base::parse_json(state.to_json().dump())));
}

TEST(ColumnState, TextsHaveLengthsInBytes) {
  const ColumnState state = of_texts({{"EWR"}, {"größe"}, {""}, {nullptr}});
  EXPECT_EQ(state.length_min, 0);
  EXPECT_EQ(state.length_max, 7);
  EXPECT_EQ(state.length_sum, 10);
  EXPECT_EQ(state.distinct(), 3);
}

TEST(ColumnState, CountsOnTheBaselinesEdges) {
  ColumnState state;
  state.edges = {0, 10};
  state.add(
      table::batch_of(Schema({{"x", ColumnType::real}}), {{-1}, {0}, {9.9}, {10}, {"Infinity"}, {"NaN"}}), 0);
  EXPECT_EQ(state.bins, (std::vector<std::int64_t>{1, 2, 2}));
}

TEST(ColumnState, WhatDoesNotBelongTogetherIsNotMerged) {
  ColumnState reals = of_reals({{1}});
  EXPECT_EQ(reals.merge(of_texts({{"a"}})).error().message,
            "a column that is real cannot be merged with one that is text");
  ColumnState binned;
  binned.edges = {1};
  binned.add(table::batch_of(Schema({{"x", ColumnType::real}}), {{1}}), 0);
  EXPECT_EQ(reals.merge(binned).error().message, "columns counted on other edges cannot be merged");
  EXPECT_TRUE(reals.merge(ColumnState()));
}

TEST(ColumnState, ABrokenStateIsRefused) {
  const auto refusal = [](const std::string& name, Json value) {
    Json json = of_reals({{1}}).to_json();
    json.set(name, std::move(value));
    const auto state = ColumnState::from_json(json);
    return state ? "" : state.error().message;
  };
  EXPECT_EQ(refusal("type", "number"), "a column's state is broken: it has no type");
  EXPECT_EQ(refusal("min", nullptr), "a column's state is broken: it has numbers, but no least or greatest");
  EXPECT_EQ(refusal("heavy", 1), "a column's state is broken: 'heavy', 'edges' or 'bins' is missing");
  EXPECT_EQ(refusal("heavy", Json::object({{"a", "b"}})),
            "a column's state is broken: a count is no whole number");
  EXPECT_EQ(refusal("distinct", "AAA"), "a column's state is broken: it has not all registers");
  EXPECT_EQ(refusal("distinct", std::string(1024, '!')),
            "a column's state is broken: a register is no letter");
  EXPECT_EQ(refusal("bins", Json(Json::Array{1, 2})), "a column's state is broken: bins and edges differ");
}

TEST(TableState, MergesColumnByColumn) {
  TableState a;
  a.rows = 1;
  a.columns["x"] = of_reals({{1}});
  TableState b;
  b.rows = 2;
  b.columns["x"] = of_reals({{2}, {3}});
  b.columns["y"] = of_texts({{"EWR"}, {"JFK"}});
  ASSERT_TRUE(a.merge(b));
  EXPECT_EQ(a.rows, 3);
  EXPECT_EQ(a.columns["x"].mean, 2);
  EXPECT_EQ(a.columns["y"].type, ColumnType::text);
  EXPECT_EQ(TableState::from_json(a.to_json())->to_json().dump(), a.to_json().dump());
  TableState c;
  c.columns["x"] = of_texts({{"a"}});
  EXPECT_EQ(base::render(a.merge(c).error()),
            "error: column 'x'\n   because: a column that is real cannot be merged with one that is text");
  EXPECT_EQ(TableState::from_json(Json::object()).error().message, "a table's state has no columns");
}

class ProfilePart : public table::OperationFixture {};

TEST_F(ProfilePart, KnowsEveryColumnButOurOwn) {
  const Schema schema({{"x", ColumnType::integer}, {"__row", ColumnType::integer}, {"s", ColumnType::text}});
  const auto part = write_part("p.parquet", schema, {{1, 0, "a"}, {2, 1, nullptr}});
  const auto done = run(profile_part, profile_params(schema), {{"part", {part}}});
  ASSERT_TRUE(done) << base::render(done.error());
  EXPECT_EQ(done->dump(), R"({"rows":2})");
  const auto state = TableState::from_json(*base::parse_json(bytes_of(output("state.json"))));
  ASSERT_TRUE(state) << base::render(state.error());
  EXPECT_EQ(state->columns.size(), 2u);
  EXPECT_EQ(state->columns.at("x").max, 2.0);
  EXPECT_EQ(state->columns.at("s").nulls, 1);
  const std::string first = bytes_of(output("state.json"));
  ASSERT_TRUE(run(profile_part, profile_params(schema), {{"part", {part}}}));
  EXPECT_EQ(bytes_of(output("state.json")), first);
}

TEST_F(ProfilePart, StopsOnRequest) {
  const Schema schema({{"x", ColumnType::integer}});
  const auto part = write_part("p.parquet", schema, {{1}});
  stop_ = true;
  EXPECT_EQ(run(profile_part, profile_params(schema), {{"part", {part}}}).error().message,
            "stopped on request");
}

std::vector<std::string> alerts_of(const ColumnState& state) {
  TableState table;
  table.rows = state.rows;
  table.columns["x"] = state;
  return alerts(table);
}

using Lines = std::vector<std::string>;

TEST(Alerts, SayWhatToLookAt) {
  EXPECT_EQ(alerts_of(of_reals({{nullptr}})), Lines{"x: empty: every value is null"});
  EXPECT_EQ(alerts_of(of_texts({{"a"}, {"a"}})), Lines{"x: constant: every value is 'a'"});
  EXPECT_EQ(alerts_of(of_texts({{"a"}, {"b"}, {nullptr}, {nullptr}})),
            Lines{"x: mostly null: 50 % of the rows"});
  EXPECT_EQ(alerts_of(of_reals({{1}, {2}, {"NaN"}, {"Infinity"}})),
            Lines{"x: 2 values are infinite or no numbers"});
  EXPECT_EQ(alerts_of(of_reals({{1}, {2}})), Lines{});
}

TEST(Alerts, OfManyRows) {
  std::vector<table::CellList> texts;
  std::vector<table::CellList> same;
  std::vector<table::CellList> far;
  for (int i = 0; i < 1000; ++i) {
    texts.push_back({"flight " + std::to_string(i)});
    same.push_back({i == 0 ? "b" : "a"});
    far.push_back({i == 0 ? 1e6 : i % 2});
  }
  const Lines many = alerts_of(of_texts(texts));
  ASSERT_EQ(many.size(), 1u);
  EXPECT_TRUE(many[0].starts_with("x: high cardinality: about ")) << many[0];
  EXPECT_EQ(alerts_of(of_texts(same)), Lines{"x: nearly constant: 99 % of the values are 'a'"});
  const Lines skewed = alerts_of(of_reals(far));
  ASSERT_EQ(skewed.size(), 1u);
  EXPECT_TRUE(skewed[0].starts_with("x: skewed: 1e+06 is 31 standard deviations above")) << skewed[0];
}

}  // namespace
}  // namespace trimtab::profile
