#include "heal/label_doubt.h"

#include <gtest/gtest.h>

#include "heal/stream_test.h"

namespace trimtab::heal {
namespace {

std::optional<LabelDoubt> doubt_of(const watch::LabelledBatch& batch) {
  return doubt_labels({batch.width, batch.features, batch.plain, batch.truth});
}

double cell(const watch::LabelledBatch& batch, std::size_t row, std::size_t feature) {
  return batch.features[row * 2 + feature];
}

TEST(LabelDoubt, AWorldThatChangesLeavesChanceItsPart) {
  Stream stream(5);
  int doubted = 0;
  for (int day = 0; day < 400; ++day) {
    const Concept concept_of_day = day % 2 == 0 ? Concept::first : Concept::second;
    if (doubt_of(stream.day(day, concept_of_day, 1, Concept::first, 500))) ++doubted;
  }
  EXPECT_EQ(doubted, 0);
}

TEST(LabelDoubt, SeesHalfAColumnThatIsAlwaysToldTheSame) {
  Stream stream(6);
  watch::LabelledBatch batch = stream.day(1, Concept::first, 1, Concept::first, 500);
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    if (cell(batch, row, 1) > 0) batch.truth[row] = 1;
  }
  const std::optional<LabelDoubt> doubt = doubt_of(batch);
  ASSERT_TRUE(doubt);
  EXPECT_EQ(doubt->label, 1);
  EXPECT_GE(doubt->rows, 180);
  EXPECT_GT(doubt->surprise, kDoubtSurprise);
  ASSERT_TRUE(doubt->group.first);
  EXPECT_EQ(doubt->group.first->feature, 1);
  EXPECT_EQ(doubt->group.first->bound, RowGroup::Bound::at_least);
  EXPECT_NEAR(doubt->group.first->value, 0.1, 0.15);
  EXPECT_EQ(where_text(doubt->to_json()["where"], {{"x"}, {"y"}}).substr(0, 6), "y >= 0");
}

TEST(LabelDoubt, SeesASourceThatIsAlwaysToldTheSame) {
  Stream stream(7);
  watch::LabelledBatch batch = stream.day(1, Concept::first, 1, Concept::first, 500);
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    double& source = batch.features[row * 2 + 1];
    source = static_cast<double>(row % 4);
    if (source == 2) batch.truth[row] = 0;
  }
  const std::optional<LabelDoubt> doubt = doubt_of(batch);
  ASSERT_TRUE(doubt);
  EXPECT_EQ(doubt->label, 0);
  EXPECT_EQ(doubt->rows, 125);
  ASSERT_TRUE(doubt->group.first);
  EXPECT_EQ(doubt->group.first->bound, RowGroup::Bound::equal);
  EXPECT_EQ(doubt->group.first->value, 2);
  const Json where = doubt->to_json()["where"];
  EXPECT_EQ(where_text(where, {}), "feature 1 = 2.0");
  const model::Feature text{"site", table::ColumnType::text, {"north", "east", "south"}};
  EXPECT_EQ(where_text(where, {{"x"}, text}), "site = south");
}

TEST(LabelDoubt, SeesLabelsThatAreAllAlike) {
  Stream stream(8);
  watch::LabelledBatch batch = stream.day(1, Concept::first, 1, Concept::first, 500);
  batch.truth.assign(500, 1);
  const std::optional<LabelDoubt> doubt = doubt_of(batch);
  ASSERT_TRUE(doubt);
  EXPECT_EQ(doubt->rows, 500);
  EXPECT_FALSE(doubt->group.first);
  EXPECT_EQ(where_text(doubt->to_json()["where"], {}), "all rows");
}

TEST(LabelDoubt, OfAFewRowsThereIsNone) {
  Stream stream(9);
  watch::LabelledBatch batch = stream.day(1, Concept::first, 1, Concept::first, kDoubtRowsMin - 1);
  batch.truth.assign(batch.truth.size(), 1);
  EXPECT_FALSE(doubt_of(batch));
  EXPECT_FALSE(doubt_labels({}));
}

TEST(LabelDoubt, WhatTheChampionExpectedIsNoDoubt) {
  Stream stream(10);
  watch::LabelledBatch batch = stream.day(1, Concept::first, 1, Concept::first, 500);
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    if (cell(batch, row, 1) <= 0) continue;
    batch.truth[row] = 1;
    batch.plain[row] = 0.99;
  }
  EXPECT_FALSE(doubt_of(batch));
}

}  // namespace
}  // namespace trimtab::heal
