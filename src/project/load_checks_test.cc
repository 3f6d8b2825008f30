#include "project/load_checks.h"

#include <gtest/gtest.h>

#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadChecksCases[] = {
    {12, "      not_null: [x]",
     "12:7: error: 'checks' is a mapping, a list of checks is wanted\n   hint: start each check with '- '"},
    {12, "      - not_null", "12:9: error: a check is text ('not_null'), a mapping is wanted"},
    {12, "      - {not_null: [x], unique: [y]}",
     "12:25: error: a check has one kind, 'unique' is one too many\n   hint: start each check with '- '"},
    {12, "      - {mostly: 0.9}",
     "12:9: error: this check has no kind\n   hint: add one like 'not_null: [column]'"},
    {12, "      - nul_not: [x]",
     "12:9: error: unknown key 'nul_not' in a check\n   hint: its keys are: not_null, unique, in, between, "
     "matches, expression, fresh, rows, mostly, on_fail"},
    {12, "      - not_null: {x: y}", "12:19: error: 'not_null' is a mapping, a list of columns is wanted"},
    {12, "      - not_null: [[x]]", "12:20: error: an item of 'not_null' is a list, text is wanted"},
    {12, "      - unique: []", "12:17: error: 'unique' is an empty list, a list of columns is wanted"},
    {12, "      - in: [a, b]",
     "12:13: error: 'in' is a list, a mapping of columns to lists of values is wanted"},
    {12, "      - in: {x: a}", "12:17: error: 'x' is text ('a'), a list of values is wanted"},
    {12, "      - in: {x: []}", "12:17: error: 'x' is an empty list, a list of values is wanted"},
    {12, "      - in: {x: [a, ~]}",
     "12:21: error: a value of 'x' is nothing, a number, text, true or false is wanted\n   hint: the word "
     "null needs quotes"},
    {12, "      - between: {x: 5}",
     "12:22: error: 'x' is a number ('5'), a list of two ends, [low, high], is wanted"},
    {12, "      - between: {x: [1, 2, 3]}",
     "12:22: error: 'x' is a list, a list of two ends, [low, high], is wanted"},
    {12, "      - between: {x: [low, 9]}", "12:23: error: an end of 'x' is text ('low'), a number is wanted"},
    {12, "      - between: {x: [9, 1]}",
     "12:22: error: no value is between '9' and '1'\n   hint: the low end comes first"},
    {12, "      - matches: {x: [a]}", "12:22: error: 'x' is a list, text is wanted"},
    {12, "      - matches: {mostly: 0.9}", "12:18: error: 'matches' names no column"},
    {12, "      - expression: ", "12:9: error: 'expression' is nothing, an expression is wanted"},
    {12, "      - fresh: {by: at}",
     "12:9: error: 'fresh' lacks the key 'within'\n   hint: add 'within:' with a duration like 30s, 15m, "
     "24h, 2d or 4w"},
    {12, "      - fresh: {by: at, within: soon}",
     "12:33: error: 'within' is text ('soon'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {12, "      - fresh: {by: at, within: 2d, mostly: 0.9}",
     "12:37: error: unknown key 'mostly' in 'fresh'\n   hint: its keys are: by, within, on_fail"},
    {12, "      - {fresh: {by: at, within: 2d}, mostly: 0.9}",
     "12:47: error: 'mostly' says nothing about 'fresh', which judges a whole table\n   hint: remove it"},
    {12, "      - rows: {}", "12:9: error: 'rows' has no limit\n   hint: add at_least or at_most"},
    {12, "      - rows: 5", "12:15: error: 'rows' is a number ('5'), a mapping is wanted"},
    {12, "      - rows: {at_least: -1}",
     "12:26: error: 'at_least' is -1, a whole number from 0 up is wanted"},
    {12, "      - rows: {at_least: many}",
     "12:26: error: 'at_least' is text ('many'), a whole number is wanted"},
    {12, "      - rows: {at_least: 9, at_most: 1}", "12:26: error: 'at_least' is above 'at_most'"},
    {12, "      - {not_null: x, mostly: 2}",
     "12:31: error: 'mostly' is 2, a share above 0 and up to 1 is wanted"},
    {12, "      - {not_null: x, mostly: most}",
     "12:31: error: 'mostly' is text ('most'), a share like 0.2 or 20% is wanted"},
    {12, "      - {not_null: x, on_fail: explode}",
     "12:32: error: 'on_fail' is 'explode', one of fail, quarantine, warn is wanted"},
    {12, "      - between: {x: [1, 2], mostly: 0, on_fail: [a]}",
     "error: 2 errors\n12:38: error: 'mostly' is 0, a share above 0 and up to 1 is wanted\n12:50: error: "
     "'on_fail' is a list, one of fail, quarantine, warn is wanted"},
};

class LoadChecksDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadChecksDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadChecksDiagnostics, testing::ValuesIn(kLoadChecksCases));

std::vector<Check> checks_of(const std::string& text) {
  const Result<Project> project = parse(sample_with(12, text), "p.yaml", "/nowhere");
  EXPECT_TRUE(project) << base::render(project.error());
  return project ? project->tables[0].checks : std::vector<Check>();
}

TEST(LoadChecks, OneForEachColumn) {
  const std::vector<Check> checks = checks_of(R"(
      - not_null: [a, b]
      - unique: [a, b]
      - in: {a: [EWR, 7, 1.5, true], b: [x]}
      - between: {a: [17, 5000], b: [~, 1.5]}
      - matches: {a: "^N[0-9]+"}
      - expression: a > b
      - fresh: {by: at, within: 2d}
      - rows: {at_least: 100})");
  std::vector<std::string> texts;
  for (const Check& check : checks) texts.push_back(check.text);
  EXPECT_EQ(texts, (std::vector<std::string>{"not_null(a)", "not_null(b)", "unique(a, b)",
                                             "in(a, EWR, 7, 1.5, true)", "in(b, x)", "between(a, 17, 5000)",
                                             "between(b, any, 1.5)", "matches(a, ^N[0-9]+)", "a > b",
                                             "fresh(at, within 2d)", "rows(at_least 100)"}));
  EXPECT_EQ(checks[0].kind, Check::Kind::not_null);
  EXPECT_EQ(checks[2].columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checks[3].values, (std::vector<Json>{"EWR", 7, 1.5, true}));
  EXPECT_EQ(checks[5].low, 17);
  EXPECT_EQ(checks[5].high, 5000);
  EXPECT_EQ(checks[6].low, std::nullopt);
  EXPECT_EQ(checks[6].where, (SourceRange{"p.yaml", 16, 34}));
  EXPECT_EQ(checks[7].pattern, "^N[0-9]+");
  EXPECT_EQ(checks[8].condition, (NamedExpression{"expression", "a > b", {}}));
  EXPECT_EQ(checks[9].within, 2 * base::kDayUs);
  EXPECT_EQ(checks[9].columns, std::vector<std::string>{"at"});
  EXPECT_EQ(checks[10].low, 100);
  EXPECT_EQ(checks[10].high, std::nullopt);
}

TEST(LoadChecks, OptionsStandInsideOrBeside) {
  const std::vector<Check> checks = checks_of(R"(
      - {not_null: [a], mostly: 95%, on_fail: warn}
      - between: {a: [1, 2], b: [3, 4], mostly: 0.5, on_fail: fail}
      - in: {a: [x]}
      - rows: {at_least: 1, at_most: 9, on_fail: quarantine}
      - unique: [a]
      - fresh: {by: at, within: 1d, on_fail: warn})");
  ASSERT_EQ(checks.size(), 7U);
  EXPECT_EQ(checks[0].mostly, 0.95);
  EXPECT_EQ(checks[0].on_fail, OnFail::warn);
  EXPECT_EQ(checks[1].mostly, 0.5);
  EXPECT_EQ(checks[2].mostly, 0.5);
  EXPECT_EQ(checks[2].on_fail, OnFail::fail);
  EXPECT_EQ(checks[3].mostly, 1.0);
  EXPECT_EQ(checks[3].on_fail, OnFail::quarantine) << "rows leave";
  EXPECT_EQ(checks[4].on_fail, OnFail::quarantine);
  EXPECT_EQ(checks[4].text, "rows(at_least 1, at_most 9)");
  EXPECT_EQ(checks[5].on_fail, OnFail::fail) << "the table stops";
  EXPECT_EQ(checks[6].on_fail, OnFail::warn);
}

}  // namespace
}  // namespace trimtab::project
