#include "heal/rescore.h"

#include <cmath>
#include <gtest/gtest.h>

namespace trimtab::heal {
namespace {

using table::ColumnType;

std::shared_ptr<model::Artifact> constant(const std::string& answer, std::vector<model::Feature> features) {
  auto made = std::make_shared<model::Artifact>();
  made->recipe.features = std::move(features);
  made->learner = "baseline";
  made->model_text = answer;
  return made;
}

// Says how often a row's carrier was "b".
std::shared_ptr<model::Artifact> knows_b(const std::vector<std::string>& levels) {
  model::TrainingData data;
  data.width = 1;
  data.categorical = {0};
  data.feature_names = {"carrier"};
  const auto b = static_cast<double>(std::find(levels.begin(), levels.end(), "b") - levels.begin());
  for (int i = 0; i < 400; ++i) {
    data.values.push_back(i % 2);
    data.targets.push_back(static_cast<double>(i % 2) == b && i % 10 != 0 && i % 10 != 1 ? 1 : 0);
  }
  auto made = std::make_shared<model::Artifact>();
  made->recipe.features = {{"carrier", ColumnType::text, levels}};
  made->learner = "lightgbm";
  made->model_text =
      model::train_booster(data, nullptr, {.rounds = 20}, [](std::int64_t) { return true; })->text;
  return made;
}

watch::LabelledBatch answered_by_one() {
  watch::LabelledBatch batch;
  batch.served_version = 1;
  batch.width = 2;
  batch.truth = {1, 0, 1};
  batch.features = {7, 0, 7, 1, 7, std::nan("")};  // distance, carrier
  batch.scores[1] = {0.5, 0.5, 0.5};
  return batch;
}

class RescorerTest : public testing::Test {
 protected:
  RescorerTest() {
    made_[1] =
        constant("0.5", {{"distance", ColumnType::real, {}}, {"carrier", ColumnType::text, {"a", "b"}}});
    made_[2] = constant("0.25", {{"distance", ColumnType::real, {}}});
    made_[3] = knows_b({"a", "b"});
    made_[4] = knows_b({"b", "a"});
    made_[5] = constant("0.5", {{"speed", ColumnType::real, {}}});
  }
  std::map<std::int64_t, std::shared_ptr<const model::Artifact>> made_;
  Rescorer rescorer_{[this](std::int64_t version) -> Result<std::shared_ptr<const model::Artifact>> {
    if (made_.contains(version)) return made_.at(version);
    return fail(ErrorCode::not_found, "there is no such version");
  }};
};

TEST_F(RescorerTest, AVersionIsAskedAboutRowsThatItNeverSaw) {
  EXPECT_EQ(rescorer_.score(2, answered_by_one()).value(), (std::vector<double>{0.25, 0.25, 0.25}));
}

TEST_F(RescorerTest, LevelsAreReadBackAndEncodedAsTheVersionKnowsThem) {
  const std::vector<double> same = rescorer_.score(3, answered_by_one()).value();
  const std::vector<double> other = rescorer_.score(4, answered_by_one()).value();
  EXPECT_LT(same[0], 0.2);
  EXPECT_GT(same[1], 0.6);
  EXPECT_LT(other[0], 0.2);
  EXPECT_GT(other[1], 0.6);
}

TEST_F(RescorerTest, RowsOfAThirdVersionStayUnknown) {
  watch::LabelledBatch batch = answered_by_one();
  batch.scores[1][1] = std::nan("");
  const std::vector<double> scores = rescorer_.score(2, batch).value();
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_EQ(scores[2], 0.25);
}

TEST_F(RescorerTest, WhatCannotBeAskedIsSaid) {
  EXPECT_EQ(rescorer_.score(5, answered_by_one()).error().message,
            "it reads 'speed', which past answers do not hold");
  EXPECT_EQ(rescorer_.score(9, answered_by_one()).error().message, "there is no such version");
  watch::LabelledBatch narrow = answered_by_one();
  narrow.width = 1;
  EXPECT_EQ(rescorer_.score(2, narrow).error().message,
            "the features of past answers are not those of their version");
}

}  // namespace
}  // namespace trimtab::heal
