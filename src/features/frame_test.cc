#include "features/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "features/frame_fixture_test.h"

namespace trimtab::features {
namespace {

class Frame : public FrameFixture {};

model::FrameStep fill_step(const std::string& column, const char* how) {
  model::FrameStep step;
  step.kind = model::FrameStep::Kind::fill;
  step.fill[column] = how;
  return step;
}

TEST_F(Frame, HoldsFeaturesTargetTimeAndWhereEachRowCameFrom) {
  FrameSpec spec = Frame::spec();
  spec.features = {{"carrier", "carrier", {}}, {"far", "distance > 500", {}}};
  spec.slices = {"distance"};
  EXPECT_EQ(
      framed(spec, {{flight(1, "AA", 900)}, {flight(2, "UA", 100, 0), flight(3, nullptr, nullptr)}}, {}),
      "\"AA\" true 1.0 \"2013-01-01T00:00:00Z\" \"900\" 0 0 \"train\"\n"
      "\"UA\" false 0.0 \"2013-01-02T00:00:00Z\" \"100\" 1 0 \"train\"\n"
      "null null 1.0 \"2013-01-03T00:00:00Z\" null 1 1 \"train\"\n");
}

TEST_F(Frame, RowsStandInTheOrderOfTimePartAndNumber) {
  EXPECT_EQ(framed(spec(), {{flight(3, "a", 1), flight(1, "a", 2)}, {flight(1, "a", 3), flight(2, "a", 4)}},
                   {"distance"}),
            "2\n3\n4\n1\n");
}

TEST_F(Frame, WhatIsNotKnownYetIsInvisible) {
  FrameSpec spec = Frame::spec();
  spec.label_time.text = "\"at\" + INTERVAL 1 DAY";
  // Day 5 is known on day 6; day 6 has no label yet; day 7 has not happened.
  EXPECT_EQ(framed(spec, {{flight(4, "a", 4), flight(5, "a", 5), flight(6, "a", 6), flight(7, "a", 7)}},
                   {"distance"}, 6),
            "4\n5\n");
  EXPECT_EQ(result_->int_or("unlabelled"), 1);
}

TEST_F(Frame, RowsWithoutATargetLabelTimeOrTimeAreNotTrainedOn) {
  FrameSpec spec = Frame::spec();
  spec.label_time.text = "CASE WHEN distance = 2 THEN NULL ELSE \"at\" END";
  EXPECT_EQ(
      framed(spec,
             {{flight(1, "a", 1, nullptr), flight(1, "a", 2), {nullptr, "a", 3, 20}, flight(1, "a", 4)}},
             {"distance"}),
      "4\n");
  EXPECT_EQ(result_->int_or("unlabelled"), 2);
}

TEST_F(Frame, WithoutAKnownLabelItSaysWhereToLook) {
  EXPECT_EQ(framed(spec(), {{flight(9, "a", 1)}}, {}, 8),
            "error: no row has a known label at 2013-01-08T00:00:00Z\n"
            "   hint: look at `target`, `label_time` and --as-of");
  EXPECT_EQ(result_.error().code, ErrorCode::invalid);
  EXPECT_EQ(framed(spec(), {{}}, {}), "error: the table has no rows to train on");
}

class Split : public FrameFixture {
 protected:
  // Ten days with a flight each.
  std::string split(const project::Split& split, std::optional<TimeUs> test_from = std::nullopt) {
    FrameSpec spec = FrameFixture::spec();
    spec.split = split;
    Rows rows;
    for (int day = 1; day <= 10; ++day) rows.push_back(flight(day, "a", day));
    return framed(spec, {rows}, {"distance", "__part"}, 31, test_from);
  }
};

TEST_F(Split, WithoutATestAllRowsAreTraining) {
  split({});
  EXPECT_EQ(result_->int_or("train_rows"), 10);
  EXPECT_EQ(result_->int_or("test_rows"), 0);
}

TEST_F(Split, TheNewestShareIsTheTest) {
  project::Split last_fifth;
  last_fifth.test_share = 0.2;
  EXPECT_TRUE(split(last_fifth).ends_with("8 \"train\"\n9 \"test\"\n10 \"test\"\n"));
  EXPECT_EQ(result_->int_or("train_rows"), 8);
  EXPECT_EQ(result_->int_or("test_rows"), 2);
  EXPECT_EQ(result_->int_or("test_from"), time_of(9));
  EXPECT_EQ(result_->int_or("from"), time_of(1));
  EXPECT_EQ(result_->int_or("to"), time_of(10));
}

TEST_F(Split, TheNewestDaysAreTheTestAndTheGapBeforeThemIsLeftOut) {
  project::Split days;
  days.test_duration = 2 * base::kDayUs;
  days.gap = 2 * base::kDayUs;
  EXPECT_TRUE(split(days).ends_with("6 \"train\"\n9 \"test\"\n10 \"test\"\n"));
  EXPECT_EQ(result_->int_or("rows"), 8);
  EXPECT_EQ(result_->int_or("train_rows"), 6);
}

TEST_F(Split, AGivenMomentWins) {
  project::Split share;
  share.test_share = 0.2;
  EXPECT_TRUE(split(share, time_of(5))
                  .ends_with("4 \"train\"\n5 \"test\"\n6 \"test\"\n7 \"test\"\n8 "
                             "\"test\"\n9 \"test\"\n10 \"test\"\n"));
  EXPECT_EQ(result_->int_or("test_from"), time_of(5));
}

TEST_F(Split, OnlyWhatCameAfterAChangeIsLearntFrom) {
  window_.train_from = time_of(4);
  EXPECT_TRUE(
      split({}, time_of(9))
          .ends_with(
              "4 \"train\"\n5 \"train\"\n6 \"train\"\n7 \"train\"\n8 \"train\"\n9 \"test\"\n10 \"test\"\n"));
  EXPECT_EQ(result_->int_or("from"), time_of(4));
}

TEST_F(Split, SpansThatAreKnownToBeWrongAreLeftOutOfBothParts) {
  window_.left_out = {{time_of(1), time_of(7)}, {time_of(9), time_of(10)}};
  EXPECT_TRUE(split({}, time_of(9)).ends_with("7 \"train\"\n8 \"train\"\n10 \"test\"\n"));
  EXPECT_EQ(result_->int_or("rows"), 3);
}

TEST_F(Split, OneMomentIsNeverOnBothSides) {
  FrameSpec spec = FrameFixture::spec();
  spec.split.test_share = 0.5;
  EXPECT_EQ(framed(spec, {{flight(1, "a", 1), flight(2, "a", 2), flight(2, "a", 3), flight(2, "a", 4)}},
                   {"distance", "__part"}),
            "1 \"train\"\n2 \"test\"\n3 \"test\"\n4 \"test\"\n");
}

TEST_F(Split, WhenNothingIsLeftToTrainOnItSaysSo) {
  project::Split all;
  all.test_duration = 20 * base::kDayUs;
  EXPECT_EQ(split(all),
            "error: no rows are left to train on: the test and its gap take all 10\n"
            "   hint: make `split.test` smaller");
}

TEST_F(Frame, AFillIsFittedOnTheTrainingRowsAlone) {
  FrameSpec spec = Frame::spec();
  spec.split.test_duration = base::kDayUs;
  spec.steps = {fill_step("distance", "median")};
  const std::vector<Rows> rows = {{flight(1, "a", 10), flight(1, "a", 30), flight(1, "a", nullptr),
                                   flight(9, "a", 1000), flight(9, "a", nullptr)}};
  EXPECT_EQ(framed(spec, rows, {"distance"}), "10\n30\n20\n1000\n20\n");
  spec.steps = {fill_step("distance", "mean")};
  EXPECT_EQ(
      framed(spec, {{flight(1, "a", 10), flight(1, "a", 11), flight(1, "a", nullptr), flight(9, "a", 99)}},
             {"distance"}),
      "10\n11\n11\n99\n");
  spec.steps = {fill_step("carrier", "mode")};
  spec.features = {{"carrier", "carrier", {}}};
  EXPECT_EQ(framed(spec,
                   {{flight(1, "it's", 1), flight(1, "it's", 1), flight(1, "b", 1), flight(1, nullptr, 1),
                     flight(9, "b", 1), flight(9, "b", 1)}},
                   {"carrier"}),
            "\"it's\"\n\"it's\"\n\"b\"\n\"it's\"\n\"b\"\n\"b\"\n");
}

TEST_F(Frame, TheFittedConstantIsPartOfTheRecipe) {
  FrameSpec spec = Frame::spec();
  spec.steps = {fill_step("distance", "median")};
  ASSERT_TRUE(frame(spec, {{flight(1, "a", 10), flight(1, "a", nullptr)}}));
  const std::string stages = table::stages_to_json(recipe().stages).dump();
  EXPECT_NE(stages.find(R"(coalesce(\"distance\", 10))"), std::string::npos) << stages;
}

TEST_F(Frame, AFillWithoutAnyValueSaysSo) {
  FrameSpec spec = Frame::spec();
  spec.steps = {fill_step("distance", "median")};
  const std::vector<Rows> rows = {{flight(1, nullptr, nullptr)}};
  EXPECT_EQ(framed(spec, rows, {}),
            "error: 'distance' cannot be filled with its median: no training row has a number");
  spec.steps = {fill_step("carrier", "mode")};
  EXPECT_EQ(framed(spec, rows, {}), "error: 'carrier' has no value to fill with");
}

TEST_F(Frame, OfDuplicatesTheFirstInTimePartAndNumberStays) {
  FrameSpec spec = Frame::spec();
  model::FrameStep drop;
  drop.kind = model::FrameStep::Kind::drop_duplicates;
  drop.by = {"carrier"};
  spec.steps = {drop};
  EXPECT_EQ(framed(spec,
                   {{flight(2, "a", 1), flight(1, nullptr, 2)},
                    {flight(1, "a", 3), flight(1, "a", 4), flight(3, "b", 5), flight(4, nullptr, 6)}},
                   {"distance"}),
            "2\n3\n5\n");
}

TEST_F(Frame, StepsRunInTheirOrder) {
  FrameSpec spec = Frame::spec();
  model::FrameStep derive;
  derive.stage = table::DeriveStage{{{"twice", "distance * 2", {}}}};
  model::FrameStep keep;
  keep.stage = table::FilterStage{{"", "twice > 20", {}}};
  spec.steps = {fill_step("distance", "mean"), derive, keep};
  spec.features = {{"twice", "twice", {}}};
  EXPECT_EQ(framed(spec, {{flight(1, "a", 10), flight(2, "a", 30), flight(3, "a", nullptr)}}, {"twice"}),
            "60\n40\n");
}

TEST_F(Frame, AStepThatSelectsAfterAFittedOneKeepsTheTarget) {
  FrameSpec spec = Frame::spec();
  model::FrameStep select;
  select.stage = table::SelectStage{{"at", "distance"}};
  spec.steps = {fill_step("distance", "mean"), select};
  EXPECT_EQ(framed(spec, {{flight(1, "a", 10)}}, {"distance", "__target"}), "10 1.0\n");
}

TEST_F(Frame, AColumnThatIsGoneIsNamed) {
  FrameSpec spec = Frame::spec();
  model::FrameStep select;
  select.stage = table::SelectStage{{"at", "delay"}};
  spec.steps = {select, fill_step("distance", "mean")};
  EXPECT_EQ(framed(spec, {{flight(1, "a", 10)}}, {}),
            "error: the column 'distance' is gone before a later step needs it");
}

TEST_F(Frame, LevelsAreThoseOfTheTrainingRowsByFallingCount) {
  FrameSpec spec = Frame::spec();
  spec.features = {{"carrier", "carrier", {}}};
  spec.split.test_duration = base::kDayUs;
  ASSERT_TRUE(frame(spec, {{flight(1, "b", 1), flight(1, "c", 1), flight(1, "c", 1), flight(1, "a", 1),
                            flight(1, nullptr, 1), flight(9, "z", 1)}}));
  EXPECT_EQ(recipe().features.front().levels, (std::vector<std::string>{"c", "a", "b"}));
}

TEST_F(Frame, TheRecipeAsksARequestOnlyForWhatItNeeds) {
  FrameSpec spec = Frame::spec();
  spec.per_file = {table::DeriveStage{{{"used", "distance + 1", {}}, {"unused", "delay + 1", {}}}},
                   table::FilterStage{{"", "distance > 0", {}}}};
  spec.table.set({"used", table::ColumnType::integer});
  spec.table = table::Schema({{"at", table::ColumnType::time},
                              {"carrier", table::ColumnType::text},
                              {"distance", table::ColumnType::integer},
                              {"delay", table::ColumnType::real},
                              {"used", table::ColumnType::integer},
                              {"__row", table::ColumnType::integer}});
  spec.features = {{"used", "used", {}}};
  ASSERT_TRUE(frame(spec, {{{day_text(1), "a", 1, 20, 2}}})) << base::render(result_.error());
  EXPECT_EQ(table::shown(recipe().request), "distance: integer");
  EXPECT_EQ(recipe().ignored, (std::vector<std::string>{"at", "carrier", "delay"}));
  EXPECT_EQ(recipe().time_column, "at");
  EXPECT_EQ(
      table::stages_to_json(recipe().stages).dump(),
      R"([{"derive":[{"name":"used","text":"distance + 1"}]},{"derive":[{"name":"used","text":"used"}]},)"
      R"({"select":["used"]}])");
}

TEST_F(Frame, TheSameRowsMakeTheSameBytes) {
  FrameSpec spec = Frame::spec();
  spec.features = {{"carrier", "carrier", {}}, {"distance", "distance", {}}};
  spec.split.test_share = 0.3;
  Rows rows;
  for (int i = 0; i < 7000; ++i) {
    rows.push_back(
        flight(1 + i * 7 % 20, i % 11 == 0 ? Json() : Json("carrier " + std::to_string(i % 5)), i, i % 40));
  }
  ASSERT_TRUE(frame(spec, {rows, rows}));
  const std::string first = bytes_of(output("frame.parquet"));
  const std::string result = result_->dump();
  ASSERT_TRUE(frame(spec, {rows, rows}));
  EXPECT_EQ(bytes_of(output("frame.parquet")), first);
  EXPECT_EQ(result_->dump(), result);
}

TEST_F(Frame, StopsOnRequest) {
  stop_ = true;
  EXPECT_EQ(framed(spec(), {{flight(1, "a", 1)}}, {}), "error: stopped on request");
}

// Whatever the rows and the split: no training row is younger than the gap before the oldest test row, and no
// row is on both sides or lost but for the gap.
TEST_F(Frame, NoTrainingRowReachesIntoTheTestOrItsGap) {
  const bool holds = rc::check([this] {
    const auto days = *rc::gen::nonEmpty(
        rc::gen::resize(15, rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 30))));
    FrameSpec spec = Frame::spec();
    spec.features = {{"day", "isodow(\"at\")", {}}};
    spec.split.test_share = 0.4;
    spec.split.gap = *rc::gen::inRange(0, 3) * base::kDayUs;
    Rows rows;
    for (const int day : days) rows.push_back(flight(day, "a", day));
    const Result<Json> done = frame(spec, {rows});
    if (!done) return;  // Nothing left to train on.
    const TimeUs test_from = done->int_or("test_from");
    std::int64_t train = 0;
    std::int64_t test = 0;
    for (const int day : days) {
      if (time_of(day) >= test_from) ++test;
      if (time_of(day) < test_from - spec.split.gap) ++train;
    }
    RC_ASSERT(done->int_or("train_rows") == train);
    RC_ASSERT(done->int_or("test_rows") == test);
    RC_ASSERT(done->int_or("rows") == train + test);
  });
  EXPECT_TRUE(holds);
}

TEST(FrameSpec, OutlivesTheWayThroughJson) {
  FrameSpec spec;
  spec.source = table::Schema({{"x", table::ColumnType::real}});
  spec.per_file = {table::SelectStage{{"x"}}};
  spec.table = spec.source;
  spec.steps = {fill_step("x", "mean")};
  spec.features = {{"f", "x + 1", {}}};
  spec.target = {"t", "x > 0", {}};
  spec.label_time = {"l", "at", {}};
  spec.time = "at";
  spec.time_zone = "America/New_York";
  spec.slices = {"x"};
  spec.joined = {{2, "weather", spec.source}};
  spec.split.test_share = 0.25;
  spec.split.gap = 7;
  spec.binary = false;
  const auto read = FrameSpec::from_json(*base::parse_json(spec.to_json().dump()));
  ASSERT_TRUE(read) << base::render(read.error());
  EXPECT_EQ(read->to_json().dump(), spec.to_json().dump());
  EXPECT_EQ(read->split.test_share, 0.25);
  EXPECT_EQ(read->split.test_duration, std::nullopt);
  EXPECT_FALSE(read->binary);
}

}  // namespace
}  // namespace trimtab::features
