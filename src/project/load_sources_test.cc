#include "project/load_sources.h"

#include <gtest/gtest.h>

#include "project/sample_project.h"

namespace trimtab::project {
namespace {

const DiagnosticCase kLoadSourcesCases[] = {
    {4, "  s: {time: at}", "4:3: error: source 's' lacks the key 'read'\n   hint: add 'read:' with text"},
    {4, "  s: s.csv", "4:6: error: source 's' is text ('s.csv'), a mapping is wanted"},
    {4, "  s:", "4:3: error: source 's' is nothing, a mapping is wanted"},
    {4, "  s: {read: 5, time: at, tz: UTC}",
     "4:26: error: unknown key 'tz' in source 's'\n   hint: its keys are: read, nulls, time_zone, columns, "
     "time, bad_rows"},
    {4, "  s: {read: s.csv, time: at, bad_rows: 120%}",
     "4:40: error: 'bad_rows' is 120%, a share from 0 to 1 is wanted"},
    {4, "  s: {read: s.csv, time: at, bad_rows: [a]}",
     "4:40: error: 'bad_rows' is a list, a share like 0.2 or 20% is wanted"},
    {4, "  s: {read: [a], time: at}", "4:13: error: 'read' is a list, text is wanted"},
    {4, "  s: {read: \"\", time: at}", "4:13: error: 'read' is empty, text is wanted"},
    {4, "  s: {read: \"s3://b/s.csv\", time: at}",
     "4:13: error: reading from 's3://' is not supported in this version\n   hint: remove it"},
    {4, "  s: {read: s.csv, time: at, nulls: {a: b}}",
     "4:37: error: 'nulls' is a mapping, a list of text is wanted"},
    {4, "  s: {read: s.csv, time: at, nulls: [NA, NULL]}",
     "4:42: error: an item of 'nulls' is nothing, text is wanted\n   hint: give it a value, or remove it; "
     "the word null needs quotes"},
    {4, "  s: {read: s.csv, time: at, time_zone: EST}",
     "4:41: error: 'time_zone' is text ('EST'), a time zone like UTC or America/New_York is wanted\n   hint: "
     "offsets and short names like EST do not know about summer time"},
    {4, "  s: {read: s.csv, time: at, time_zone: \"+01:00\"}",
     "4:41: error: 'time_zone' is text ('+01:00'), a time zone like UTC or America/New_York is wanted\n   "
     "hint: offsets and short names like EST do not know about summer time"},
    {4, "  s: {read: s.csv, time: at, columns: [a]}",
     "4:39: error: 'columns' is a list, a mapping of names to expressions is wanted"},
    {4, "  s: {read: s.csv, time: at, columns: {a: }}",
     "4:43: error: 'a' is nothing, an expression is wanted"},
    {4, "  s: {read: s.csv, time: at, columns: {a: {b: c}}}",
     "4:43: error: 'a' is a mapping, an expression is wanted\n   hint: put the expression in quotes"},
    {4, "  s: {read: s.csv, time: at, columns: {a: \" \"}}",
     "4:43: error: 'a' is empty, an expression is wanted"},
    {4, "  s: {read: s.csv, time: at, columns: {a: b, A: c}}",
     "4:46: error: column 'A' is named twice (first at line 4)\n   hint: names compare without case"},
    {4, "  s: {read: s.csv, time: at, columns: {\"\": b}}",
     "4:40: error: '' cannot name a column\n   hint: a name has 1 to 255 bytes and no control characters"},
    {4, "  S: {read: s.csv, time: at}\n  s: {read: s.csv, time: at}",
     "4:3: error: 'S' cannot name a source\n   hint: a name starts with a small letter and has only small "
     "letters, digits, '_' and '-'; at most 63 of them"},
    {4, "  s: {read: s.csv, time: at}\n  s: {read: s.csv}",
     "5:3: error: duplicate key 's' (first at line 4)"},
};

class LoadSourcesDiagnostics : public testing::TestWithParam<DiagnosticCase> {};

TEST_P(LoadSourcesDiagnostics, SaysWhatAndWhere) {
  const DiagnosticCase& one = GetParam();
  EXPECT_EQ(refusal(sample_with(one.line, one.text)), one.expected);
}

INSTANTIATE_TEST_SUITE_P(Project, LoadSourcesDiagnostics, testing::ValuesIn(kLoadSourcesCases));

Result<Project> with_source(const std::string& body) {
  return parse(sample_with(4, "  s: {read: a/*.csv, time: at" + body + "}"), "p.yaml", "/nowhere");
}

TEST(LoadSources, ReadsAllKeys) {
  const Result<Project> project =
      with_source(R"(, nulls: ["", NA, -999], time_zone: Etc/GMT+5, columns: {at: "a + 1", B: c})");
  ASSERT_TRUE(project) << base::render(project.error());
  const Source& source = project->sources[0];
  EXPECT_EQ(source.name, "s");
  EXPECT_EQ(source.read, "a/*.csv");
  EXPECT_EQ(source.nulls, (std::vector<std::string>{"", "NA", "-999"}));
  EXPECT_EQ(source.time_zone, "Etc/GMT+5");
  EXPECT_EQ(source.time, "at");
  ASSERT_EQ(source.columns.size(), 2U);
  EXPECT_EQ(source.columns[0], (NamedExpression{"at", "a + 1", {}}));
  EXPECT_EQ(source.columns[1], (NamedExpression{"B", "c", {}}));
}

TEST(LoadSources, HasDefaults) {
  const Result<Project> project = with_source("");
  ASSERT_TRUE(project);
  EXPECT_EQ(project->sources[0].nulls, std::vector<std::string>{""});
  EXPECT_EQ(project->sources[0].time_zone, "UTC");
  EXPECT_TRUE(with_source(", nulls: NA, time_zone: UTC"));
  EXPECT_TRUE(with_source(", time_zone: America/Argentina/Buenos_Aires"));
}

TEST(LoadSources, AnExpressionHasALimit) {
  EXPECT_TRUE(with_source(", columns: {a: " + std::string(10'000, 'x') + "}"));
  const Result<Project> project = with_source(", columns: {a: " + std::string(10'001, 'x') + "}");
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().message, "'a' is an expression of 10001 bytes, at most 10000 are taken");
}

TEST(LoadSources, LongWordsAreShortened) {
  const Result<Project> project = with_source(", " + std::string(500, 'x') + ": 1");
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().message, "unknown key '" + std::string(60, 'x') + "…' in source 's'");
}

}  // namespace
}  // namespace trimtab::project
