#include "clean/recipe_compiler.h"

#include "clean/recipe_fixture_test.h"

namespace trimtab::clean {
namespace {

class RecipeCompilerTest : public RecipeFixture {};

constexpr const char* kJoin =
    "      - join: {with: weather, on: {origin: station}, as_of: time_hour, select: [temp]}\n";

std::string later_of(const CompiledRecipe& recipe) {
  Json list = Json::array();
  for (const model::FrameStep& step : recipe.later) list.push(step.to_json());
  return list.dump();
}

TEST_F(RecipeCompilerTest, StepsOfSingleRowsRunOncePerFile) {
  const auto recipe = compiled(
      "      - text: {tailnum: [trim]}\n"
      "      - filter: distance > 0\n" +
      std::string(kJoin) + "      - derive: {warm: temp > 20}\n");
  ASSERT_TRUE(recipe) << base::render(recipe.error());
  EXPECT_EQ(recipe->per_file.size(), 4u);
  EXPECT_TRUE(recipe->later.empty());
  EXPECT_TRUE(recipe->whole_table.empty());
  EXPECT_EQ(table::shown(recipe->after),
            "sched_dep: time, origin: text, tailnum: text, distance: integer, delay: real, late: boolean, "
            "temp: real, warm: boolean");
  EXPECT_EQ(recipe->after_per_file, recipe->after);
}

TEST_F(RecipeCompilerTest, FromTheFirstFittedOrSetStepOnTheRestWaits) {
  const auto recipe = compiled(
      "      - derive: {a: distance + 1}\n"
      "      - fill: {delay: median, tailnum: none}\n"
      "      - derive: {b: delay + a}\n"
      "      - drop_duplicates: {by: [origin, tailnum]}\n");
  ASSERT_TRUE(recipe) << base::render(recipe.error());
  // A constant needs no fitting: that part of the fill runs with the file.
  EXPECT_EQ(table::stages_to_json(recipe->per_file).dump(),
            R"([{"derive":[{"name":"a","text":"distance + 1"}]},)"
            R"x({"derive":[{"name":"tailnum","text":"coalesce(\"tailnum\", CAST('none' AS VARCHAR))"}]}])x");
  EXPECT_EQ(later_of(*recipe),
            R"([{"fill":{"delay":"median"}},{"stage":{"derive":[{"name":"b","text":"delay + a"}]}},)"
            R"({"drop_duplicates":["origin","tailnum"]}])");
  EXPECT_FALSE(recipe->after_per_file.find("b"));
  EXPECT_TRUE(recipe->after.find("b"));
  EXPECT_EQ(recipe->whole_table, std::vector<std::string>{"drop_duplicates by origin, tailnum"});
}

TEST_F(RecipeCompilerTest, NamesAreTakenAsTheSourceSpellsThem) {
  const auto recipe = compiled("      - drop_duplicates: {by: [ORIGIN]}\n");
  ASSERT_TRUE(recipe) << base::render(recipe.error());
  EXPECT_EQ(later_of(*recipe), R"([{"drop_duplicates":["origin"]}])");
}

TEST_F(RecipeCompilerTest, EachStepIsHeldAgainstTheColumnsThatAreThere) {
  EXPECT_EQ(refusal("      - text: {distance: [trim]}\n"),
            "p.yaml:9:9: error: 'text': column 'distance' is integer, not text\n"
            "   hint: a step before it can make it one: `cast: {distance: text}`");
  EXPECT_EQ(refusal("      - text: {tailnm: [trim]}\n"),
            "p.yaml:9:9: error: 'text': there is no column 'tailnm'\n   hint: did you mean 'tailnum'?");
  EXPECT_EQ(refusal("      - cast: {dist: text}\n"), "p.yaml:9:9: error: 'cast': there is no column 'dist'");
  EXPECT_EQ(
      refusal("      - drop_duplicates: {by: [orign]}\n"),
      "p.yaml:9:9: error: 'drop_duplicates': there is no column 'orign'\n   hint: did you mean 'origin'?");
  EXPECT_EQ(refusal("      - filter: distance\n"),
            "p.yaml:9:17: error: a filter is true or false, not integer\n"
            "   hint: compare it with something, as in distance > 0");
}

TEST_F(RecipeCompilerTest, AFillFitsItsColumn) {
  EXPECT_EQ(refusal("      - fill: {tailnum: median}\n"),
            "p.yaml:9:9: error: 'fill': 'median' is of numbers, but column 'tailnum' is text\n"
            "   hint: use mode, or a constant");
  EXPECT_EQ(refusal("      - fill: {distance: 0.5}\n"),
            "p.yaml:9:9: error: 'fill': column 'distance' is integer and cannot hold '0.5'\n"
            "   hint: give a value of that type, or mean, median or mode");
  EXPECT_EQ(refusal("      - fill: {late: 1}\n"),
            "p.yaml:9:9: error: 'fill': column 'late' is boolean and cannot hold '1'\n"
            "   hint: give a value of that type, or mean, median or mode");
  EXPECT_EQ(refusal("      - fill: {sched_dep: soon}\n"),
            "p.yaml:9:9: error: 'fill': column 'sched_dep' is time and cannot hold 'soon'\n"
            "   hint: give a value of that type, or mean, median or mode");
  EXPECT_EQ(refusal("      - fill: {tailnum: mode, delay: 1, sched_dep: 2013-01-05}\n"), "");
}

TEST_F(RecipeCompilerTest, TheTimeOfTheRowsStaysAsItIs) {
  EXPECT_EQ(refusal("      - derive: {sched_dep: sched_dep + to_hours(1)}\n"),
            "p.yaml:9:9: error: 'derive' replaces 'sched_dep', the time of the rows\n"
            "   hint: derive another column from it instead");
  EXPECT_EQ(refusal("      - rename: {sched_dep: at}\n"),
            "p.yaml:9:9: error: 'rename' renames 'sched_dep', the time of the rows\n"
            "   hint: derive another column from it instead");
  EXPECT_EQ(refusal("      - cast: {sched_dep: text}\n"),
            "p.yaml:9:9: error: 'cast' changes the type of 'sched_dep', the time of the rows\n"
            "   hint: derive another column from it instead");
  EXPECT_EQ(refusal("      - select: [origin]\n"),
            "p.yaml:9:9: error: 'select' leaves out 'sched_dep', the time of the rows\n"
            "   hint: add it to the list");
  EXPECT_EQ(refusal("      - select: [origin]\n", ""), "");
}

TEST_F(RecipeCompilerTest, NamesAreFreeAndUnique) {
  EXPECT_EQ(refusal("      - derive: {__a: distance}\n"),
            "p.yaml:9:9: error: names that start with '__' are ours\n   hint: give '__a' another one");
  EXPECT_EQ(refusal("      - rename: {origin: tailnum}\n"),
            "p.yaml:9:9: error: 'rename' makes a second column 'tailnum'\n"
            "   hint: rename or leave out the other one first");
}

TEST_F(RecipeCompilerTest, AJoinSaysWhatDoesNotFit) {
  const auto join = [](const std::string& on, const std::string& as_of, const std::string& select) {
    return "      - join: {with: weather, on: " + on + (as_of.empty() ? "" : ", as_of: " + as_of) +
           ", select: [" + select + "]}\n";
  };
  EXPECT_EQ(refusal(join("{origin: statoin}", "", "temp")),
            "p.yaml:9:9: error: the join: there is no column 'statoin' in 'weather'\n"
            "   hint: did you mean 'station'?");
  EXPECT_EQ(refusal(join("{orign: station}", "", "temp")),
            "p.yaml:9:9: error: 'join': there is no column 'orign'\n   hint: did you mean 'origin'?");
  EXPECT_EQ(refusal(join("{distance: station}", "", "temp")),
            "p.yaml:9:9: error: the join: 'distance' is integer, but 'station' of 'weather' is text\n"
            "   hint: cast one of them to the other's type");
  EXPECT_EQ(refusal(join("{origin: station}", "hour", "temp")),
            "p.yaml:9:9: error: the join: there is no column 'hour' in 'weather'");
  EXPECT_EQ(refusal(join("{origin: station}", "temp", "temp")),
            "p.yaml:9:9: error: the join: 'as_of' wants a time, but 'temp' of 'weather' is real");
  EXPECT_EQ(refusal(join("{origin: station}", "", "tmp")),
            "p.yaml:9:9: error: the join: there is no column 'tmp' in 'weather'\n"
            "   hint: did you mean 'temp'?");
  EXPECT_EQ(refusal(join("{origin: station}", "time_hour", "temp"), ""),
            "p.yaml:9:9: error: the join by time needs to know when a row of 'flights' happened\n"
            "   hint: declare `time:` for the source 'flights'");
}

TEST_F(RecipeCompilerTest, AJoinedColumnMayNotCollide) {
  EXPECT_EQ(
      refusal(std::string(kJoin) + kJoin),
      "p.yaml:10:9: error: joined column 'temp' collides with a column of 'flights'\n"
      "   hint: rename it in the source's `columns:`, as in `columns: {weather_temp: temp}`, and select "
      "that");
}

TEST_F(RecipeCompilerTest, HostileExpressionsAreRefusedAtTheirPlaces) {
  EXPECT_EQ(refusal("      - derive: {a: \"read_text('/etc/passwd')\"}\n"
                    "      - filter: getenv('HOME') = 'x'\n"
                    "      - derive: {b: distnce + 1}\n"),
            "error: 3 errors\n"
            "p.yaml:9:22: error: the function 'read_text' is not allowed in an expression\n"
            "   hint: docs/expressions.md lists the functions that are\n"
            "p.yaml:10:17: error: the function 'getenv' is not allowed in an expression\n"
            "   hint: docs/expressions.md lists the functions that are\n"
            "p.yaml:11:21: error: 'distnce' is no column here\n"
            "   hint: did you mean 'distance'? the columns are sched_dep, origin, tailnum, distance, delay, "
            "late, a");
}

TEST_F(RecipeCompilerTest, WhatHangsOnAMistakeIsNotOneMore) {
  EXPECT_EQ(refusal("      - derive: {a: distnce + 1}\n      - text: {a: [trim]}\n"),
            "p.yaml:9:21: error: 'distnce' is no column here\n   hint: did you mean 'distance'? the columns "
            "are sched_dep, origin, tailnum, distance, delay, late");
}

TEST_F(RecipeCompilerTest, ATableThatReadsATableIsRefused) {
  project::Table table;
  table.name = "c";
  table.from = "b";
  table.where = {"p.yaml", 6, 3};
  const auto recipe = compile(engine(), table, sources(), "UTC", "");
  EXPECT_EQ(base::render(recipe.error()),
            "p.yaml:6:3: error: table 'c' reads another table, 'b'; this version reads sources alone\n"
            "   hint: repeat the steps of that table here");
}

}  // namespace
}  // namespace trimtab::clean
