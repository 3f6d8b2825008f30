#include "project/load_tables.h"

#include <gtest/gtest.h>

#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadTablesCases[] = {
    {8, "    form: s", "8:5: error: unknown key 'form' in table 't'\n   hint: did you mean 'from'?"},
    {8, "    from: sourse",
     "8:11: error: table 't' reads 'sourse', which is no source or table\n   hint: declared are: s, other, "
     "t"},
    {8, "    from: x y z q",
     "8:11: error: table 't' reads 'x y z q', which is no source or table\n   hint: declared are: s, other, "
     "t"},
    {8, "    from: t", "8:11: error: table 't' reads itself\n   hint: one of them has to read a source"},
    {8, "    from: u\n  u:\n    from: t",
     "8:11: error: tables 't' → 'u' → 't' read each other\n   hint: one of them has to read a source"},
    {8, "    from: u\n  u: {from: v}\n  v: {from: u}\n  w:\n    from: s",
     "9:13: error: tables 'u' → 'v' → 'u' read each other\n   hint: one of them has to read a source"},
    {8, "    privacy: {a: token}\n    from: s",
     "8:5: error: 'privacy' in table 't' is not supported in this version\n   hint: remove it"},
    {8, "    from: s\n  s:\n    from: other",
     "9:3: error: table 's' has the name of a source (line 4)\n   hint: rename one of them"},
    {7, "  1t:",
     "error: 2 errors\n7:3: error: '1t' cannot name a table\n   hint: a name starts with a small letter and "
     "has only small letters, digits, '_' and '-'; at most 63 of them\n15:11: error: model 'm' reads 't', "
     "which is no table\n   hint: the file declares none"},
    {10, "      filter: x > 0",
     "10:7: error: 'clean' is a mapping, a list of steps is wanted\n   hint: start each step with '- '"},
    {10, "      - filter", "10:9: error: a step is text ('filter'), a mapping is wanted"},
    {10, "      - {filter: x > 0, derive: {a: b}}",
     "10:25: error: a step has one key, 'derive' is one too many\n   hint: start each step with '- '"},
    {10, "      - {}", "10:9: error: a step has one key, this has none\n   hint: start each step with '- '"},
    {10, "      - filtre: x > 0",
     "10:9: error: unknown key 'filtre' in a step\n   hint: did you mean 'filter'?"},
    {10, "      - aggregate: {by: x}",
     "10:9: error: 'aggregate' in a step is not supported in this version\n   hint: remove it"},
    {10, "      - filter: [x]",
     "10:17: error: 'filter' is a list, an expression is wanted\n   hint: put the expression in quotes"},
    {10, "      - filter: \"\"", "10:17: error: 'filter' is empty, an expression is wanted"},
    {10, "      - text: [x]", "10:15: error: 'text' is a list, a mapping of columns to operations is wanted"},
    {10, "      - text: {x: uper}",
     "10:19: error: an operation on 'x' is 'uper', one of trim, upper, lower, collapse, strip_accents is "
     "wanted\n   hint: did you mean 'upper'?"},
    {10, "      - text: {x: [trim, {a: b}]}",
     "10:26: error: an operation on 'x' is a mapping, one of trim, upper, lower, collapse, strip_accents is "
     "wanted"},
    {10, "      - text: {x: []}",
     "10:19: error: 'x' is an empty list, one of trim, upper, lower, collapse, strip_accents is wanted"},
    {10, "      - fill: {x: [1]}", "10:19: error: 'x' is a list, a number, text, true or false is wanted"},
    {10, "      - fill: {x: ~}",
     "10:19: error: 'x' is nothing, a number, text, true or false is wanted\n   hint: the word null needs "
     "quotes"},
    {10, "      - fill: {x: 1, X: 2}",
     "10:22: error: column 'X' is named twice (first at line 10)\n   hint: names compare without case"},
    {10, "      - fill: 5",
     "10:15: error: 'fill' is a number ('5'), a mapping of columns to values is wanted"},
    {10, "      - cast: {x: float}",
     "10:19: error: 'x' is 'float', one of boolean, integer, real, text, time is wanted"},
    {10, "      - cast: x", "10:15: error: 'cast' is text ('x'), a mapping of columns to types is wanted"},
    {10, "      - rename: {x: y, z: y}", "10:27: error: column 'y' is named twice (first at line 10)"},
    {10, "      - rename: {x: ~}",
     "10:21: error: 'x' is nothing, text is wanted\n   hint: give it a value, or remove it; the word null "
     "needs quotes"},
    {10, "      - select: []", "10:17: error: 'select' is an empty list, a list of columns is wanted"},
    {10, "      - select: [x, x]", "10:21: error: column 'x' is named twice (first at line 10)"},
    {10, "      - select: {x: y}", "10:17: error: 'select' is a mapping, a list of columns is wanted"},
    {10, "      - derive: []",
     "10:17: error: 'derive' is an empty list, a mapping of names to expressions is wanted"},
    {10, "      - drop_duplicates: {}",
     "10:9: error: 'drop_duplicates' lacks the key 'by'\n   hint: add 'by:' with a list of columns"},
    {10, "      - drop_duplicates: {by: x, keep: last}",
     "10:34: error: unknown key 'keep' in 'drop_duplicates'\n   hint: its keys are: by"},
    {10, "      - drop_duplicates: [x]", "10:26: error: 'drop_duplicates' is a list, a mapping is wanted"},
    {10, "      - join: {}",
     "error: 3 errors\n10:9: error: the join lacks the key 'with'\n   hint: add 'with:' with text\n10:9: "
     "error: the join lacks the key 'on'\n   hint: add 'on:' with a mapping of columns to columns, or a list "
     "of columns\n10:9: error: the join lacks the key 'select'\n   hint: add 'select:' with a list of "
     "columns"},
    {10, "      - join: {with: othr, on: [k], select: [v]}",
     "10:22: error: the join looks into 'othr', which is no source\n   hint: did you mean 'other'?"},
    {10, "      - join: {with: t, on: [k], select: [v]}",
     "10:22: error: the join looks into 't', which is no source\n   hint: it is a table; only sources can be "
     "joined in this version"},
    {10, "      - join: {with: other, on: 5h, max_age: 1h, select: [v]}",
     "10:46: error: 'max_age' is without 'as_of'\n   hint: add 'as_of:' with the time column of the joined "
     "source"},
    {10, "      - join: {with: other, on: {k: [a]}, select: v}",
     "10:37: error: 'k' is a list, text is wanted"},
    {10, "      - join: {with: other, on: {}, select: v}",
     "10:33: error: 'on' is an empty mapping, at least one column is wanted"},
    {10, "      - join: {with: other, on: ~, select: v}",
     "10:33: error: 'on' is nothing, a mapping of columns to columns, or a list of columns is wanted"},
    {10, "      - join: {with: other, on: k, as_of: seen, max_age: 3 hours, select: v}",
     "10:58: error: 'max_age' is text ('3 hours'), a duration like 30s, 15m, 24h, 2d or 4w is wanted"},
    {10, "      - join: {with: other, on: k, as_of: seen, max_age: 0h, select: v}",
     "10:58: error: 'max_age' is 0h, a duration above 0 is wanted"},
};

class LoadTablesDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadTablesDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadTablesDiagnostics, testing::ValuesIn(kLoadTablesCases));

std::vector<CleanStep> steps_of(const std::string& text) {
  const Result<Project> project = parse(sample_with(10, text), "p.yaml", "/nowhere");
  EXPECT_TRUE(project) << base::render(project.error());
  return project ? project->tables[0].clean : std::vector<CleanStep>();
}

TEST(LoadTables, ReadsEveryStep) {
  const std::vector<CleanStep> steps = steps_of(R"(
      - text: {x: [trim, upper], z: lower}
      - fill: {a: 1, b: 1.5, c: "1", d: true, e: NO, f: median}
      - derive: {r: "x || '-'"}
      - filter: x > 0
      - cast: {x: integer, z: time}
      - select: [x, z]
      - rename: {x: X}
      - join: {with: other, on: {k: id, l: l}, as_of: seen, max_age: 3h, select: [v, w]}
      - join: {with: other, on: [k, l], select: v}
      - drop_duplicates: {by: [x]})");
  ASSERT_EQ(steps.size(), 10U);
  EXPECT_EQ(steps[0].kind, "text");
  const auto& text = std::get<TextStep>(steps[0].step).operations;
  EXPECT_EQ(text.at("x"), (std::vector<std::string>{"trim", "upper"}));
  EXPECT_EQ(text.at("z"), std::vector<std::string>{"lower"});
  const auto& fill = std::get<FillStep>(steps[1].step).values;
  EXPECT_EQ(fill.at("a"), Json(1));
  EXPECT_EQ(fill.at("b"), Json(1.5));
  EXPECT_EQ(fill.at("c"), Json("1"));
  EXPECT_EQ(fill.at("d"), Json(true));
  EXPECT_EQ(fill.at("e"), Json("NO")) << "a country, not false";
  EXPECT_EQ(fill.at("f"), Json("median"));
  EXPECT_EQ(std::get<DeriveStep>(steps[2].step).columns[0], (NamedExpression{"r", "x || '-'", {}}));
  EXPECT_EQ(std::get<FilterStep>(steps[3].step).condition, (NamedExpression{"filter", "x > 0", {}}));
  EXPECT_EQ(std::get<CastStep>(steps[4].step).types.at("x"), table::ColumnType::integer);
  EXPECT_EQ(std::get<CastStep>(steps[4].step).types.at("z"), table::ColumnType::time);
  EXPECT_EQ(std::get<SelectStep>(steps[5].step).columns, (std::vector<std::string>{"x", "z"}));
  EXPECT_EQ(std::get<RenameStep>(steps[6].step).names.at("x"), "X");
  const auto& join = std::get<JoinStep>(steps[7].step);
  EXPECT_EQ(join.with, "other");
  EXPECT_EQ(join.on, (std::vector<std::pair<std::string, std::string>>{{"k", "id"}, {"l", "l"}}));
  EXPECT_EQ(join.as_of, "seen");
  EXPECT_EQ(join.max_age, 3 * base::kHourUs);
  EXPECT_EQ(join.select, (std::vector<std::string>{"v", "w"}));
  const auto& plain = std::get<JoinStep>(steps[8].step);
  EXPECT_EQ(plain.on, (std::vector<std::pair<std::string, std::string>>{{"k", "k"}, {"l", "l"}}));
  EXPECT_EQ(plain.select, std::vector<std::string>{"v"});
  EXPECT_EQ(std::get<DropDuplicatesStep>(steps[9].step).by, std::vector<std::string>{"x"});
}

TEST(LoadTables, TypesAreNamedInTheOrderOfTheirEnum) {
  const std::vector<CleanStep> steps =
      steps_of("      - cast: {a: boolean, b: integer, c: real, d: text, e: time}");
  ASSERT_EQ(steps.size(), 1U);
  using enum table::ColumnType;
  const std::map<std::string, table::ColumnType> wanted = {
      {"a", boolean}, {"b", integer}, {"c", real}, {"d", text}, {"e", time}};
  EXPECT_EQ(std::get<CastStep>(steps[0].step).types, wanted);
}

TEST(LoadTables, ATableMayReadATable) {
  const Result<Project> project =
      parse(sample_with(8, "    from: u\n  u:\n    from: s"), "p.yaml", "/nowhere");
  ASSERT_TRUE(project) << base::render(project.error());
  EXPECT_EQ(project->find_table("t")->from, "u");
}

TEST(LoadTables, AJoinAsOfATimeNeedsOne) {
  std::string text = sample_with(10, "      - join: {with: other, on: k, as_of: seen, select: v}");
  text.replace(text.find(", time: at"), 10, "");
  text.replace(text.find("split: {test: 20%}"), 18, "split: {by: random}");
  EXPECT_EQ(refusal(text),
            "10:9: error: the join is as of the row's time, but source 's' declares no time\n"
            "   hint: add 'time:' with a column to source 's'");
}

}  // namespace
}  // namespace trimtab::project
