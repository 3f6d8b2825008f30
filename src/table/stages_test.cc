#include "table/stages.h"

#include <gtest/gtest.h>

#include "table/engine_fixture_test.h"

namespace trimtab::table {
namespace {

const Schema kInput({{"origin", ColumnType::text},
                     {"dest", ColumnType::text},
                     {"distance", ColumnType::integer},
                     {"sched_dep", ColumnType::time},
                     {"Delay", ColumnType::real}});

using Names = std::vector<std::string>;

NamedExpression expression(std::string name, std::string text) {
  return {std::move(name), std::move(text), {"trimtab.yaml", 5, 10}};
}

LookupStage weather() {
  LookupSpec spec;
  spec.table = "weather";
  spec.left_keys = {"origin"};
  spec.right_keys = {"origin"};
  spec.left_time = "sched_dep";
  spec.right_time = "time_hour";
  spec.select = {"temp", "wind"};
  return {spec};
}

class StagesTest : public EngineFixture {
 protected:
  Names needed(const std::vector<Stage>& stages, const Names& wanted) {
    auto names = columns_needed(engine(), kInput, stages, wanted, "America/New_York");
    EXPECT_TRUE(names) << base::render(names.error());
    return names ? *names : Names();
  }
  std::vector<Stage> pruned(const std::vector<Stage>& stages, const Names& wanted) {
    auto kept = prune_stages(engine(), kInput, stages, wanted, "America/New_York");
    EXPECT_TRUE(kept) << base::render(kept.error());
    return kept ? *kept : std::vector<Stage>();
  }
  std::string refusal(const std::vector<Stage>& stages, const Names& wanted) {
    auto names = columns_needed(engine(), kInput, stages, wanted, "America/New_York");
    EXPECT_FALSE(names);
    return names ? "" : base::render(names.error());
  }
};

TEST_F(StagesTest, FollowsAColumnBackToWhatItIsMadeOf) {
  std::vector<Stage> stages = {
      DeriveStage{{expression("route", "origin || '-' || DEST"), expression("far", "distance > 9")}},
      DeriveStage{{expression("tag", "lower(route)"), expression("late", "delay > 15")}}};
  EXPECT_EQ(needed(stages, {"tag"}), (Names{"origin", "dest"}));
  EXPECT_EQ(needed(stages, {"late"}), (Names{"Delay"}));
  EXPECT_EQ(needed(stages, {"FAR", "delay"}), (Names{"distance", "Delay"}));
  EXPECT_EQ(needed(stages, {}), Names());
  EXPECT_EQ(pruned(stages, {"tag"}),
            (std::vector<Stage>{DeriveStage{{expression("route", "origin || '-' || DEST")}},
                                DeriveStage{{expression("tag", "lower(route)")}}}));
  EXPECT_EQ(pruned(stages, {"distance"}), std::vector<Stage>());
}

TEST_F(StagesTest, AReplacedColumnDependsOnItsFormerSelf) {
  std::vector<Stage> stages = {
      DeriveStage{{expression("distance", "distance * 2"), expression("copy", "distance")}},
      DeriveStage{{expression("origin", "'constant'")}}};
  EXPECT_EQ(needed(stages, {"distance"}), Names{"distance"});
  EXPECT_EQ(needed(stages, {"origin"}), Names());
  // `copy` reads the column as it was before, so the doubling is not needed.
  EXPECT_EQ(pruned(stages, {"copy"}), std::vector<Stage>{DeriveStage{{expression("copy", "distance")}}});
}

TEST_F(StagesTest, AFilterIsAlwaysNeeded) {
  std::vector<Stage> stages = {DeriveStage{{expression("far", "distance > 9")}},
                               FilterStage{expression("", "far")}, SelectStage{{"origin", "dest"}}};
  EXPECT_EQ(needed(stages, {"dest"}), (Names{"dest", "distance"}));
  EXPECT_EQ(pruned(stages, {"dest"}), (std::vector<Stage>{stages[0], stages[1], SelectStage{{"dest"}}}));
}

TEST_F(StagesTest, ALookupNeedsItsKeysAndOnlyWhenItIsRead) {
  std::vector<Stage> stages = {
      weather(), DeriveStage{{expression("cold", "temp < 32"), expression("windy", "wind > 20")}}};
  EXPECT_EQ(needed(stages, {"cold"}), (Names{"origin", "sched_dep"}));
  EXPECT_EQ(needed(stages, {"distance"}), Names{"distance"});
  LookupStage part = weather();
  part.lookup.select = {"temp"};
  EXPECT_EQ(pruned(stages, {"cold"}),
            (std::vector<Stage>{part, DeriveStage{{expression("cold", "temp < 32")}}}));
  EXPECT_EQ(pruned(stages, {"distance"}), std::vector<Stage>());
}

TEST_F(StagesTest, AColumnThatTheRowHadBeforeALookupStaysNeeded) {
  LookupStage stage = weather();
  stage.lookup.select = {"delay", "temp"};
  EXPECT_EQ(needed({stage}, {"delay"}), (Names{"origin", "sched_dep", "Delay"}));
}

TEST_F(StagesTest, NamesOfLambdasAreNoColumns) {
  std::vector<Stage> stages = {
      DeriveStage{{expression("x", "list_sum(list_transform([distance], lambda v: v + 1))")}}};
  EXPECT_EQ(needed(stages, {"x"}), Names{"distance"});
}

TEST_F(StagesTest, SaysWhatDoesNotFit) {
  EXPECT_EQ(refusal({DeriveStage{{expression("x", "1 + distanc")}}}, {"x"}),
            "trimtab.yaml:5:14: error: 'x': there is no column 'distanc'\n   hint: did you mean 'distance'?");
  EXPECT_EQ(refusal({weather(), DeriveStage{{expression("x", "temp + tmp")}}}, {"x"}),
            "trimtab.yaml:5:17: error: 'x': there is no column 'tmp'\n   hint: did you mean 'temp'?");
  EXPECT_EQ(refusal({}, {"distanc"}),
            "error: no stage makes a column 'distanc'\n   hint: did you mean 'distance'?");
  EXPECT_EQ(refusal({SelectStage{{"tmp"}}}, {}), "error: there is no column 'tmp'");
  // Types are checked as far as they are known: not behind a lookup.
  EXPECT_NE(refusal({DeriveStage{{expression("x", "upper(distance, 1)")}}}, {"x"}), "");
  EXPECT_NE(refusal({FilterStage{expression("", "distance + 1")}}, {}), "");
  EXPECT_EQ(needed({weather(), DeriveStage{{expression("x", "hour(temp)")}}}, {"x"}),
            (Names{"origin", "sched_dep"}));
}

TEST_F(StagesTest, ReadsBackWhatItWrites) {
  std::vector<Stage> stages = {DeriveStage{{expression("a", "1"), expression("b", "origin || '\"'")}},
                               weather(), FilterStage{expression("", "a > 0")}, SelectStage{{"a", "b"}}};
  std::string text = stages_to_json(stages).dump();
  auto read = stages_from_json(*base::parse_json(text));
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(*read, stages);
  EXPECT_EQ(stages_to_json(*read).dump(), text);
  for (const char* wrong : {"{}", "[1]", "[{}]", R"([{"select":[1]}])", R"([{"derive":[{"name":"a"}]}])",
                            R"([{"filter":{}}])", R"([{"derive":{}}])"}) {
    EXPECT_EQ(stages_from_json(*base::parse_json(wrong)).error().code, ErrorCode::invalid) << wrong;
  }
}

}  // namespace
}  // namespace trimtab::table
