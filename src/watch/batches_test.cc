#include "watch/batches.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <malloc.h>
#include <rapidcheck/gtest.h>

#include "watch/batch_replay.h"

namespace trimtab::watch {
namespace {

using model::Role;

constexpr TimeUs kDay = base::kDayUs;
constexpr TimeUs kDelay = 3 * base::kDayUs;

model::Prediction answer(const std::string& id, TimeUs time, double score = 0.5, std::int64_t version = 1) {
  model::Prediction prediction;
  prediction.id = id;
  prediction.event_time = prediction.received = time;
  prediction.scores = {{version, Role::served, score}};
  prediction.features = {score, static_cast<double>(version)};
  return prediction;
}

class BatchesTest : public testing::Test {
 protected:
  Batches batches_{BatchRule{kDay, kDelay, 0.95}};
};

TEST_F(BatchesTest, WithAllItsLabelsABatchClosesWhenItsDayIsOver) {
  batches_.add(answer("b", 20, 0.25));
  batches_.add(answer("a", 10, 0.75));
  batches_.add(Label{"a", 1, 30});
  EXPECT_EQ(batches_.next_due(), kDay + kDelay) << "half of its labels are missing";
  batches_.add(Label{"b", 0, 30});
  EXPECT_EQ(batches_.next_due(), kDay);
  EXPECT_TRUE(batches_.close(kDay - 1).empty());
  const std::vector<LabelledBatch> closed = batches_.close(kDay);
  ASSERT_EQ(closed.size(), 1u);
  const LabelledBatch& batch = closed[0];
  EXPECT_EQ(batch.number, 0);
  EXPECT_EQ(batch.end, kDay);
  EXPECT_EQ(batch.ids, (std::vector<std::string>{"a", "b"})) << "in order of time, not of arrival";
  EXPECT_EQ(batch.times, (std::vector<TimeUs>{10, 20}));
  EXPECT_EQ(batch.truth, (std::vector<double>{1, 0}));
  EXPECT_EQ(batch.served, (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(batch.scores.at(1), batch.served);
  EXPECT_EQ(batch.width, 2);
  EXPECT_EQ(batch.features, (std::vector<double>{0.75, 1, 0.25, 1}));
  EXPECT_TRUE(batches_.close(kDay * 100).empty()) << "a batch is handed out once";
}

TEST_F(BatchesTest, RowsThatWereRepairedAreCountedAndKept) {
  for (const char* id : {"a", "b", "c"}) {
    model::Prediction prediction = answer(id, 10);
    prediction.damaged = *id != 'a';
    batches_.add(prediction);
  }
  batches_.add(Label{"a", 1, 30});
  batches_.add(Label{"b", 0, 30});
  const std::vector<LabelledBatch> closed = batches_.close(kDay + kDelay);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].rows(), 2);
  EXPECT_EQ(closed[0].damaged, 1) << "of the rows with a label";
  EXPECT_EQ(closed[0].features, (std::vector<double>{0.5, 1, 0.5, 1}));
}

TEST_F(BatchesTest, WithoutLabelsItWaitsForTheDelayAndNoLonger) {
  for (int i = 0; i < 20; ++i) batches_.add(answer(std::to_string(i), i));
  for (int i = 0; i < 18; ++i) batches_.add(Label{std::to_string(i), 1, 30});
  EXPECT_EQ(batches_.next_due(), kDay + kDelay);
  batches_.add(Label{"18", 1, 30});
  EXPECT_EQ(batches_.next_due(), kDay) << "19 of 20 are 95 %";
  const std::vector<LabelledBatch> closed = batches_.close(kDay);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].rows(), 19);
  EXPECT_EQ(closed[0].predictions, 20);
  batches_.add(Label{"19", 1, 30});
  EXPECT_EQ(batches_.counters().late_labels, 1);
}

TEST_F(BatchesTest, ABatchThatNobodyLabelledSaysNothing) {
  batches_.add(answer("a", 10));
  const std::vector<LabelledBatch> closed = batches_.close(kDay + kDelay);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].rows(), 0);
  EXPECT_EQ(closed[0].predictions, 1);
}

TEST_F(BatchesTest, BatchesAreClosedInOrderOfTime) {
  batches_.add(answer("late", 10));
  batches_.add(answer("early", kDay + 10));
  batches_.add(Label{"early", 1, kDay + 20});
  EXPECT_TRUE(batches_.close(2 * kDay).empty()) << "yesterday's is still waiting";
  const std::vector<LabelledBatch> closed = batches_.close(kDay + kDelay);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].number, 0);
  EXPECT_EQ(closed[1].number, kDay);
}

TEST_F(BatchesTest, ABatchIsThereUntilItHasBeenDecidedOn) {
  batches_.add(answer("a", 10));
  batches_.add(answer("b", kDay + 10));
  EXPECT_EQ(batches_.undecided(kDay), nullptr);
  ASSERT_NE(batches_.undecided(5 * kDay), nullptr);
  EXPECT_EQ(batches_.undecided(5 * kDay)->number, 0) << "the decision could not be written";
  batches_.decided();
  EXPECT_EQ(batches_.undecided(5 * kDay)->number, kDay);
  batches_.decided();
  EXPECT_EQ(batches_.undecided(5 * kDay), nullptr);
}

TEST_F(BatchesTest, ALabelMayComeBeforeItsPrediction) {
  batches_.add(Label{"a", 1, 5});
  EXPECT_EQ(batches_.counters().waiting_labels, 1);
  batches_.add(answer("a", 10));
  EXPECT_EQ(batches_.counters().waiting_labels, 0);
  EXPECT_EQ(batches_.close(kDay)[0].truth, std::vector<double>{1});
}

TEST_F(BatchesTest, TheLatestOfSeveralLabelsCounts) {
  batches_.add(Label{"b", 0, 5});
  batches_.add(Label{"b", 1, 6});
  batches_.add(answer("a", 10));
  batches_.add(answer("b", 11));
  batches_.add(Label{"a", 1, 20});
  batches_.add(Label{"a", 0, 30});
  EXPECT_EQ(batches_.close(kDay)[0].truth, (std::vector<double>{0, 1}));
}

TEST_F(BatchesTest, TheFirstPredictionOfAnIdCounts) {
  batches_.add(answer("a", 10, 0.25));
  batches_.add(answer("a", 11, 0.75));
  batches_.add(answer("a", kDay + 11, 0.75));
  batches_.add(Label{"a", 1, 20});
  const std::vector<LabelledBatch> closed = batches_.close(5 * kDay);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].served, std::vector<double>{0.25});
}

TEST_F(BatchesTest, WhatComesForAClosedBatchIsCountedAndLeftOut) {
  batches_.add(answer("a", 10));
  batches_.add(Label{"a", 1, 20});
  ASSERT_EQ(batches_.close(kDay).size(), 1u);
  batches_.add(answer("b", 11));
  EXPECT_EQ(batches_.counters().late_predictions, 1);
  EXPECT_FALSE(batches_.next_due());
  batches_.add(answer("a", 10));
  EXPECT_EQ(batches_.counters().late_predictions, 1) << "a row that is known already is not late";
}

TEST_F(BatchesTest, ATimeBeyondAllTimesIsNotTaken) {
  batches_.add(answer("a", INT64_MAX));
  EXPECT_EQ(batches_.counters().late_predictions, 1);
  EXPECT_FALSE(batches_.next_due());
}

TEST_F(BatchesTest, TimesBefore1970FallIntoTheirDay) {
  batches_.add(answer("a", -1));
  batches_.add(Label{"a", 1, 20});
  EXPECT_EQ(batches_.close(0)[0].number, -kDay);
}

TEST_F(BatchesTest, ASwapWithinADayLeavesTwoVersionsSideBySide) {
  model::Prediction first = answer("a", 10, 0.1, 1);
  model::Prediction second = answer("b", 20, 0.2, 2), third = answer("c", 30, 0.3, 2);
  second.scores.push_back({1, Role::previous, 0.15});
  third.scores.push_back({1, Role::previous, 0.16});
  for (const auto& prediction : {third, first, second}) batches_.add(prediction);
  for (const char* id : {"a", "b", "c"}) batches_.add(Label{id, 1, 40});
  const LabelledBatch batch = batches_.close(kDay)[0];
  EXPECT_EQ(batch.served_version, 2);
  EXPECT_EQ(batch.served, (std::vector<double>{0.1, 0.2, 0.3})) << "what was answered, whoever did";
  EXPECT_EQ(batch.scores.at(1), (std::vector<double>{0.1, 0.15, 0.16}));
  EXPECT_TRUE(std::isnan(batch.scores.at(2)[0]));
  EXPECT_EQ(batch.scores.at(2)[1], 0.2);
  EXPECT_TRUE(std::isnan(batch.features[0])) << "another version's features are not the served one's";
  EXPECT_EQ(batch.features[2], 0.2);
  EXPECT_EQ(batch.roles.at(1), Role::previous) << "the role at the end of the day";
  EXPECT_EQ(batch.roles.at(2), Role::served);
}

RC_GTEST_PROP(Batches, TheOrderOfArrivalLeavesNoTrace, ()) {
  const int rows = *rc::gen::inRange(1, 30);
  std::vector<int> order;
  for (int i = 0; i < 2 * rows; ++i) order.push_back(i);
  const auto feed = [rows](const std::vector<int>& sequence) {
    Batches batches(BatchRule{kDay, kDelay, 0.95});
    for (const int step : sequence) {
      const int row = step / 2;
      if (step % 2 == 0)
        batches.add(answer(std::to_string(row), row % 7 * kDay / 3, row / 100.0, 1 + row % 2));
      if (step % 2 == 1) batches.add(Label{std::to_string(row), static_cast<double>(row % 2), 0});
    }
    std::string text;
    for (const LabelledBatch& batch : batches.close(100 * kDay)) {
      text += std::to_string(batch.number) + ":" + std::to_string(batch.served_version);
      for (std::size_t i = 0; i < batch.ids.size(); ++i) {
        text +=
            " " + batch.ids[i] + "=" + std::to_string(batch.truth[i]) + "/" + std::to_string(batch.served[i]);
      }
    }
    return text;
  };
  const std::string sorted = feed(order);
  const auto keys = *rc::gen::container<std::vector<int>>(order.size(), rc::gen::arbitrary<int>());
  std::stable_sort(order.begin(), order.end(), [&keys](int a, int b) {
    return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
  });
  RC_ASSERT(feed(order) == sorted);
}

TEST(BatchReplay, ARevisionAfterTheClosingIsNotPutIntoTheBatch) {
  Batches batches(BatchRule{kDay, kDelay, 0.95});
  BatchReplay replay(batches, {{0, 2 * kDay}},
                     {{{"a", 1, 5}, kDay}, {{"b", 1, 5}, kDay}, {{"a", 0, 6}, 2 * kDay + 1}});
  replay.add(answer("a", 10));
  replay.add(answer("b", 20));
  const std::vector<LabelledBatch> closed = replay.finish();
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].truth, (std::vector<double>{1, 1})) << "as it was when it was decided on";
  EXPECT_EQ(batches.counters().late_labels, 1);
}

TEST(BatchReplay, ARowThatCameAfterTheClosingStaysOutside) {
  Batches batches(BatchRule{kDay, kDelay, 0.95});
  BatchReplay replay(batches, {{0, 2 * kDay}}, {{{"a", 1, 5}, kDay}, {{"b", 1, 5}, 3 * kDay}});
  replay.add(answer("a", 10));
  model::Prediction late = answer("b", 20);
  late.received = 3 * kDay;
  replay.add(late);
  EXPECT_EQ(replay.finish()[0].ids, std::vector<std::string>{"a"});
  EXPECT_EQ(batches.counters().late_predictions, 1);
}

TEST(BatchReplay, WhatWasOpenIsOpenAgain) {
  Batches batches(BatchRule{kDay, kDelay, 0.95});
  BatchReplay replay(batches, {{0, kDay}}, {{{"a", 1, 5}, 50}, {{"b", 0, 5}, kDay + 50}});
  replay.add(answer("a", 10));
  replay.add(answer("b", kDay + 10));
  EXPECT_EQ(replay.finish().size(), 1u);
  EXPECT_EQ(batches.next_due(), 2 * kDay);
  EXPECT_EQ(batches.close(2 * kDay)[0].truth, std::vector<double>{0});
}

TEST(BatchReplay, ABatchThatWasClosedWithoutALabelIsNotDecidedOnAfterwards) {
  Batches batches(BatchRule{kDay, kDelay, 0.95});
  // The first day was closed without labels and so without a record; then its label came after all.
  BatchReplay replay(batches, {{kDay, 5 * kDay}}, {{{"b", 1, 5}, kDay}, {{"a", 1, 5}, 4 * kDay + 5}});
  replay.add(answer("a", 10));
  replay.add(answer("b", kDay + 10));
  const std::vector<LabelledBatch> closed = replay.finish();
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].number, kDay);
  EXPECT_TRUE(batches.close(100 * kDay).empty());
}

// What the allocator has given out. 0 under sanitizers, which have allocators of their own.
double held_mb() {
  const auto counts = ::mallinfo2();
  return static_cast<double>(counts.uordblks + counts.hblkhd) / 1e6;
}

TEST_F(BatchesTest, AHundredThousandRowsTakeFewBytesBesideTheirNumbers) {
  constexpr int kRows = 100'000;
  constexpr std::size_t kFeatures = 20;
  const double before = held_mb();
  for (int i = 0; i < kRows; ++i) {
    model::Prediction prediction = answer("0123456789abcdef-" + std::to_string(i), i);
    prediction.features.assign(kFeatures, 0.5);
    batches_.add(prediction);
  }
  const double features = kRows * kFeatures * sizeof(double) / 1e6;
  EXPECT_LT(held_mb() - before - features, 18) << "room for growth included";
  EXPECT_EQ(batches_.close(kDay + kDelay).at(0).predictions, kRows);
}

}  // namespace
}  // namespace trimtab::watch
