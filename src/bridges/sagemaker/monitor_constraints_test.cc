#include "bridges/sagemaker/monitor_constraints.h"

#include <gtest/gtest.h>

#include "project/load.h"
#include "table/operation_fixture_test.h"

namespace trimtab::bridges {
namespace {

using table::ColumnType;

MonitorStatistics statistics_of(const std::vector<table::CellList>& cells) {
  const table::Schema schema(
      {{"x", ColumnType::real}, {"count", ColumnType::integer}, {"place", ColumnType::text}});
  StatisticsMaker maker(schema);
  const table::Batch rows = table::batch_of(schema, cells);
  maker.first(rows);
  maker.second(rows);
  return maker.finish();
}

// 100 rows: x from 0 to 99, every tenth place missing.
std::vector<table::CellList> hundred(double shift, const char* place) {
  std::vector<table::CellList> cells;
  for (int i = 0; i < 100; ++i)
    cells.push_back({i + shift, i, i % 10 == 0 ? Json() : Json(i % 2 == 0 ? place : "LGA")});
  return cells;
}

TEST(MonitorStatistics, AreCountedAsTheMonitorCounts) {
  const MonitorStatistics statistics = statistics_of(hundred(0, "JFK"));
  EXPECT_EQ(statistics.rows, 100);
  const MonitoredColumn& x = *statistics.find("x");
  EXPECT_EQ(x.inferred_type, "Fractional");
  EXPECT_EQ(x.present, 100);
  EXPECT_DOUBLE_EQ(*x.mean, 49.5);
  EXPECT_NEAR(*x.deviation, 28.86607004772212, 1e-12);  // numpy.arange(100).std()
  ASSERT_EQ(x.buckets.size(), 10u);
  EXPECT_EQ(x.buckets[0].count, 10);
  EXPECT_EQ(x.buckets[9].high, 99);
  const MonitoredColumn& place = *statistics.find("place");
  EXPECT_EQ(place.missing, 10);
  EXPECT_EQ(place.distinct, 2);
  EXPECT_EQ(place.values[0], (std::pair<std::string, std::int64_t>{"LGA", 50}));
}

TEST(MonitorStatistics, OutliveTheWayThroughTheirFile) {
  const MonitorStatistics statistics = statistics_of(hundred(0, "JFK"));
  const auto read = MonitorStatistics::from_json(*base::parse_json(statistics.to_json().dump()));
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(read->to_json().dump(), statistics.to_json().dump());
  EXPECT_EQ(MonitorStatistics::from_json(Json::object()).error().message,
            "this is no statistics.json of Model Monitor: 'features' is missing");
  EXPECT_EQ(MonitorStatistics::from_json(*base::parse_json(R"({"features":[{}]})")).error().message,
            "this is no statistics.json of Model Monitor: a feature has no name");
}

TEST(MonitorConstraints, OfTheBaselineHoldForIt) {
  const MonitorStatistics statistics = statistics_of(hundred(0, "JFK"));
  const MonitorConstraints constraints = MonitorConstraints::suggest(statistics);
  EXPECT_EQ(find_violations(constraints, &statistics, statistics).dump(), R"({"violations":[]})");
  const auto read = MonitorConstraints::from_json(*base::parse_json(constraints.to_json().dump()));
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(read->to_json().dump(), constraints.to_json().dump());
  EXPECT_EQ(MonitorConstraints::from_json(Json()).error().message,
            "this is no constraints.json of Model Monitor: 'features' is missing");
}

TEST(MonitorConstraints, EveryKindOfViolationIsFound) {
  const MonitorStatistics before = statistics_of(hundred(0, "JFK"));
  MonitorConstraints constraints = MonitorConstraints::suggest(before);
  std::vector<table::CellList> cells = hundred(60, "SWF");
  cells[1] = {-1, 1, nullptr};
  MonitorStatistics now = statistics_of(cells);
  now.columns[1].name = "number";
  std::string found;
  const Json violations = find_violations(constraints, &before, now);
  for (const Json& violation : violations["violations"].as_array())
    found += violation.text_or("feature_name") + " " + violation.text_or("constraint_check_type") + "; ";
  EXPECT_EQ(found,
            "x non_negativity_check; x baseline_drift_check; count missing_column_check; "
            "place completeness_check; place categorical_values_check; place baseline_drift_check; "
            "number extra_column_check; ");
  now.columns[0].inferred_type = "String";
  EXPECT_EQ(find_violations(constraints, nullptr, now)["violations"].as_array()[0].text_or("description"),
            "Expected type Fractional, observed type String.");
  // Robust: what samples of a hundred differ by does not count.
  const MonitorStatistics slightly = statistics_of(hundred(15, "JFK"));
  EXPECT_TRUE(find_violations(constraints, &before, slightly)["violations"].as_array().empty());
  constraints.is_robust = false;
  EXPECT_EQ(find_violations(constraints, &before, slightly)["violations"].as_array().size(), 1u);
  constraints.compares_distributions = false;
  EXPECT_TRUE(find_violations(constraints, &before, slightly)["violations"].as_array().empty());
}

TEST(MonitorConstraints, ProposeChecksThatAProjectTakes) {
  const MonitorStatistics statistics = statistics_of(hundred(0, "JFK"));
  const MonitorConstraints constraints = MonitorConstraints::suggest(statistics);
  const std::string checks = propose_checks(constraints, &statistics);
  EXPECT_EQ(checks,
            "    checks:\n"
            "      - not_null: [\"x\", \"count\"]\n"
            "      - between: {\"x\": [0.0, 99.0]}\n"
            "        on_fail: warn\n"
            "      - between: {\"count\": [0.0, 99.0]}\n"
            "        on_fail: warn\n"
            "      - not_null: [\"place\"]\n"
            "        mostly: 0.9\n"
            "      - in: {\"place\": [\"LGA\", \"JFK\"]}\n"
            "        mostly: 0.9\n");
  for (const std::string& text :
       {checks, propose_checks(constraints, nullptr), propose_checks({}, nullptr)}) {
    const auto project =
        project::parse("project: p\nsources:\n  s: {read: s.csv}\ntables:\n  t:\n    from: s\n" + text,
                       "trimtab.yaml", "/nowhere");
    EXPECT_TRUE(project) << text << base::render(project.error());
  }
}

TEST(MonitorConstraints, AThresholdOfOneLetsNothingUnknownPass) {
  const Json features = Json::array().push(Json::object(
      {{"name", "plan"}, {"string_constraints", Json::object({{"domains", Json::array().push("a")}})}}));
  const auto proposed = [&features](double threshold) {
    const Json config = Json::object({{"domain_content_threshold", threshold}});
    const auto constraints =
        MonitorConstraints::from_json(Json::object({{"features", features}, {"monitoring_config", config}}));
    return constraints ? propose_checks(*constraints, nullptr) : base::render(constraints.error());
  };
  EXPECT_EQ(proposed(1), "    checks:\n      - in: {\"plan\": [\"a\"]}\n");
  EXPECT_EQ(proposed(0.1), "    checks:\n      - in: {\"plan\": [\"a\"]}\n        mostly: 0.9\n");
}

TEST(MonitorConstraints, WhatCannotBeReadIsRefused) {
  const auto refusal = [](const char* feature) {
    const Json json = Json::object({{"features", Json::array().push(*base::parse_json(feature))}});
    const auto constraints = MonitorConstraints::from_json(json);
    return constraints ? "" : constraints.error().message;
  };
  EXPECT_EQ(refusal(R"({"name":3})"), "this is no constraints.json of Model Monitor: a feature has no name");
  EXPECT_EQ(refusal(R"({"name":"a","completeness":"high"})"),
            "this is no constraints.json of Model Monitor: the completeness of 'a' is no share from 0 to 1");
  EXPECT_EQ(refusal(R"({"name":"a","completeness":1.5})"),
            "this is no constraints.json of Model Monitor: the completeness of 'a' is no share from 0 to 1");
}

}  // namespace
}  // namespace trimtab::bridges
