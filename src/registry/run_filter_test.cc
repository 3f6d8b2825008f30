#include "registry/run_filter.h"

#include <gtest/gtest.h>
#include <random>

namespace trimtab::registry {
namespace {

std::string refusal(std::string_view filter, SearchSubject subject = SearchSubject::runs) {
  const Result<Filter> parsed = parse_filter(filter, subject);
  return parsed ? "taken" : parsed.error().message;
}

// Each text was answered by MLflow 3.17.2 with this message; where it lists a Python set, ours is in order.
TEST(RunFilter, RefusalsAreMlflowsWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"metrics.a > 'x'", "Expected numeric value type for metric. Found 'x'"},
      {"metrics.a > \"x\"", "Expected numeric value type for metric. Found \"x\""},
      {"params.a = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"},
      {"params.a = abc",
       "Parameter value is either not quoted or unidentified quote types used for string value abc. Use "
       "either "
       "single or double quotes."},
      {"foo.a = 'x'",
       "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"},
      {"bar = 'x'",
       "Invalid attribute key 'bar' specified. Valid keys are '{'Created', 'Run Name', 'Run name', "
       "'artifact_uri', 'created', 'end_time', 'run name', 'run_id', 'run_name', 'start_time', 'status', "
       "'user_id'}'"},
      {"metrics.a LIKE 1", "Invalid comparator 'LIKE' not one of '{'!=', '<', '<=', '=', '>', '>='}"},
      {"metrics.a == 1", "Invalid comparator '==' not one of '{'!=', '<', '<=', '=', '>', '>='}"},
      {"params.a > 'x'",
       "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'"},
      {"params.a NOT LIKE 'x'",
       "Invalid comparator 'NOT LIKE' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'"},
      {"tags.a in ('a','b')",
       "Expected a quoted string value for tag (e.g. 'my-value'). Got value ('a','b')"},
      {"status IN ('a')",
       "Only ['run_id'] attributes support comparison with a list of quoted string values."},
      {"start_time > 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"},
      {"metrics.a", "Invalid clause(s) in filter string: 'metrics.a'"},
      {"metrics.a >", "Invalid clause(s) in filter string: 'metrics.a', '>'"},
      {"metrics.a IS NULL",
       "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'"},
      {"1 < metrics.a", "Invalid comparison clause. Expected 'Identifier' found '1'"},
      {"'x' = params.a", "Invalid comparison clause. Expected 'Identifier' found ''x''"},
      {"dataset.foo = 'x'",
       "Invalid dataset key 'foo' specified. Valid keys are '{'context', 'digest', 'name'}'"},
      {"run_id IN ()",
       "While parsing a list in the query, expected a non-empty list of string values, but got empty list"},
      {"run_id IN ('a' 'b')",
       "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed "
       "list."},
      {"   ", "Invalid filter '   '. Could not be parsed."},
      {"NOT metrics.a > 1", "Invalid clause(s) in filter string: 'NOT', 'metrics.a', '>', '1'"},
      {"metrics.a > 1; x = 'y'", "Invalid clause(s) in filter string: ';', 'x', '=', ''y''"},
      {"metrics.a > nan", "Expected numeric value type for metric. Found nan"},
  };
  for (const auto& [filter, message] : cases) {
    EXPECT_EQ(refusal(filter), message) << filter;
  }
}

TEST(RunFilter, ARefusalNamesTheCharacter) {
  const Result<Filter> parsed = parse_filter("metrics.a > 1 AND foo.b = 'x'", SearchSubject::runs);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().hint, "at character 19 of the filter");
}

TEST(RunFilter, WhatMlflowTakesIsTaken) {
  for (const char* filter :
       {"", "metrics.a > 1 AND", "AND metrics.a>1", "metrics.a > 1 metrics.b > 2", "metrics.`a b` > 1",
        "metrics.\"a b\" > 1", "metrics.a > -1", "metrics.a > 1e5", "metrics.a > .5", "params.`a` IS NULL",
        "tags.a is not null", "run_id NOT IN ('a')", "attributes.run_id IN ('a','b')", "start_time > 1.5",
        "dataset.name IN ('a')", "datasets.name LIKE 'a%'", "`run name` = 'x'", "attributes.`run name` = 'x'",
        "params.a ilike 'X'", "params.a = \"it's\"", "tags.mlflow.runName = 'x'",
        "metrics.a > 1 and and metrics.b > 1", "status = 'RUNNING' and metrics.x=1", "run.Created < 5",
        // Ours.
        "metrics.a > 1 OR metrics.b < 2", "(metrics.a > 1)",
        "(metrics.a > 1 or params.b = 'x') and (tags.c != 'd')"}) {
    EXPECT_EQ(refusal(filter), "taken") << filter;
  }
}

TEST(RunFilter, ATextIsTakenAsItStands) {
  const Filter filter = parse_filter("params.a = 'it''s' and start_time >= 12", SearchSubject::runs).value();
  EXPECT_EQ(filter.terms[0].texts[0], "it''s");
  EXPECT_EQ(filter.terms[1].number, 12);
  EXPECT_EQ(filter.terms[1].key, "start_time");
}

std::string repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(RunFilter, HostileFiltersAreRefused) {
  EXPECT_EQ(refusal(repeat("x", 100'000)),
            "Invalid filter: it is 100000 bytes long, and at most 65536 are taken");
  EXPECT_EQ(refusal(repeat("a=1 and ", 5'000)).substr(0, 39), "Invalid attribute key 'a' specified. Va");
  EXPECT_EQ(refusal(repeat("metrics.a=1 ", 5'000)), "Invalid filter: it has more than 500 comparisons");
  EXPECT_EQ(refusal(repeat("(", 60'000)), "Invalid filter: more than 64 parentheses are open");
  EXPECT_EQ(refusal("params.a = " + repeat("'x ", 501)).substr(0, 36),
            "Invalid clause(s) in filter string: ");
  EXPECT_LT(refusal("params.a = " + repeat("`", 60'001)).size(), 1'000u);
  EXPECT_EQ(refusal("(metrics.a > 1"), "Invalid clause(s) in filter string: '(', 'metrics.a', '>', '1'");
  EXPECT_EQ(refusal("metrics.a > 1)"), "Invalid clause(s) in filter string: ')'");
  EXPECT_EQ(refusal("metrics.a > 1 OR"), "Invalid clause(s) in filter string: it ends too soon");
}

// Pieces of filters in any order are taken or refused, and nothing else happens.
TEST(RunFilter, AnyTextIsAnswered) {
  const std::vector<std::string> pieces = {
      "metrics.", "a",      " ",      "`", "'", "\"",  "(",    ")",    ",",   "=",    "!=", ">",
      "<",        "1",      "-.5e3",  "-", "e", "AND", " OR ", " IN ", "NOT", "LIKE", "IS", "NULL",
      "params.p", "run_id", "status", ".", "ü", "%",   "_",    ";",    "\\",  "\n"};
  std::mt19937 random(6);
  int taken = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (std::size_t count = random() % 12; count > 0; --count) text += pieces[random() % pieces.size()];
    const Result<Filter> parsed = parse_filter(text, SearchSubject::runs);
    if (parsed) ++taken;
    EXPECT_TRUE(parsed || parsed.error().code == ErrorCode::invalid);
    static_cast<void>(parse_order({text}, SearchSubject::experiments));
  }
  EXPECT_GT(taken, 0);
}

TEST(RunFilter, OrdersAreReadAsMlflowReadsThem) {
  const auto refused = [](std::vector<std::string> order_by) {
    const auto parsed = parse_order(order_by, SearchSubject::runs);
    return parsed ? "taken" : parsed.error().message;
  };
  const std::vector<OrderTerm> order =
      parse_order({"metrics.`a b` desc", "Created", "params.x ASC"}, SearchSubject::runs).value();
  EXPECT_EQ(order[0].key, "a b");
  EXPECT_FALSE(order[0].is_ascending);
  EXPECT_EQ(order[1].key, "start_time");
  EXPECT_EQ(refused({"metrics.a foo"}), "Invalid ordering key in order_by clause 'metrics.a foo'.");
  EXPECT_EQ(refused({""}), "Invalid order_by clause ''. Could not be parsed.");
  EXPECT_EQ(refused({"metrics.a > 1"}), "Invalid order_by clause 'metrics.a > 1'. Could not be parsed.");
  EXPECT_EQ(refused({"params.a ASC x"}), "Invalid order_by clause 'params.a ASC x'. Could not be parsed.");
  EXPECT_EQ(refused({"dataset.name"}), "Invalid identifier type 'dataset'");
  EXPECT_EQ(
      refused({"`run name`"}),
      "Invalid attribute key 'run name' specified. Valid keys are '{'Created', 'artifact_uri', 'created', "
      "'end_time', 'run_id', 'run_name', 'start_time', 'status', 'user_id'}'");
  EXPECT_EQ(refused({"metrics.a", "metrics.a DESC"}),
            "`order_by` contains duplicate fields: ['metrics.a', 'metrics.a DESC']");
}

TEST(RunFilter, ExperimentsHaveTheirOwnNames) {
  EXPECT_EQ(refusal("name LIKE 'a%' and tags.x = 'y' and creation_time > 5", SearchSubject::experiments),
            "taken");
  EXPECT_EQ(refusal("metrics.a > 1", SearchSubject::experiments),
            "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', 'tags')");
  EXPECT_EQ(refusal("status = 'x'", SearchSubject::experiments),
            "Invalid attribute key 'status' specified. Valid keys are '{'creation_time', 'experiment_id', "
            "'last_update_time', 'name'}'");
  EXPECT_EQ(refusal("name IS NULL", SearchSubject::experiments),
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'");
}

}  // namespace
}  // namespace trimtab::registry
