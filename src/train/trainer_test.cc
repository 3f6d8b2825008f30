#include "train/trainer.h"

#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>
#include <limits>

#include "base/file.h"
#include "base/id.h"
#include "table/parquet.h"

namespace trimtab::train {
namespace {

using model::Feature;
using table::Batch;
using table::ColumnType;
using table::Schema;

const std::vector<Feature> kFeatures = {
    {"word", ColumnType::text, {"b", "a"}}, {"x", ColumnType::real, {}}, {"yes", ColumnType::boolean, {}}};

const Schema kFrame({{"word", ColumnType::text},
                     {"x", ColumnType::real},
                     {"yes", ColumnType::boolean},
                     {"__target", ColumnType::real},
                     {"__time", ColumnType::time},
                     {"__part", ColumnType::text},
                     {"__row", ColumnType::integer}});

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    folder_ = std::filesystem::temp_directory_path() / ("trainer_test_" + base::random_id());
    CHECK(base::make_folders(folder_).has_value());
    table::EngineOptions options;
    options.folders_allowed = {folder_.string()};
    engine_ = table::Engine::open(options).value();
  }
  ~TrainerTest() override { static_cast<void>(base::remove_tree(folder_)); }

  // Rows of a frame; cells as JSON in the order of `schema`.
  std::filesystem::path frame(const Schema& schema, const std::vector<std::vector<Json>>& rows) {
    const std::filesystem::path path = folder_ / "frame.parquet";
    auto writer = table::ParquetWriter::create(*engine_, path, schema).value();
    for (std::size_t first = 0; first < rows.size(); first += 2048) {
      Batch batch(schema);
      batch.reset(static_cast<int>(std::min<std::size_t>(2048, rows.size() - first)));
      for (int row = 0; row < batch.rows(); ++row) {
        for (int column = 0; column < schema.size(); ++column) {
          const Json& cell = rows[first + static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
          CHECK(batch.set_cell_json(column, row, cell).has_value());
        }
      }
      CHECK(writer->append(batch).has_value());
    }
    CHECK(writer->finish().has_value());
    return path;
  }

  // The word and the number decide; the last fifth is the test.
  std::filesystem::path learnable_frame(int rows) {
    std::vector<std::vector<Json>> cells;
    for (int row = 0; row < rows; ++row) {
      const bool good = (row * 7919 % 13 < 6) == (row % 2 == 0);
      cells.push_back({row % 2 == 0 ? "a" : "b", row * 7919 % 13 / 2.0, row % 3 == 0, good ? 1 : 0,
                       "2013-01-01", row < rows * 4 / 5 ? "train" : "test", row});
    }
    return frame(kFrame, cells);
  }

  std::string refusal(const std::filesystem::path& path, const std::vector<Feature>& features = kFeatures) {
    const Result<FrameData> data = read_frame(*engine_, path, features);
    return data ? std::string() : data.error().message;
  }

  std::filesystem::path folder_;
  std::unique_ptr<table::Engine> engine_;
};

TEST_F(TrainerTest, ReadsAFrameIntoItsTwoParts) {
  const std::filesystem::path path = frame(kFrame, {{"a", 0.5, true, 1, "2013-01-01", "train", 0},
                                                    {"c", nullptr, false, 0, "2013-01-02", "test", 1},
                                                    {"b", -2, nullptr, 0, "2013-01-03", "train", 2}});
  Result<FrameData> data = read_frame(*engine_, path, kFeatures);
  ASSERT_TRUE(data) << base::render(data.error());
  EXPECT_EQ(data->train.width, 3);
  EXPECT_EQ(data->train.categorical, std::vector<int>{0});
  EXPECT_EQ(data->train.feature_names, (std::vector<std::string>{"word", "x", "yes"}));
  EXPECT_EQ(data->train.targets, (std::vector<float>{1, 0}));
  ASSERT_EQ(data->train.values.size(), 6U);
  EXPECT_TRUE(std::isnan(data->train.values[5]));
  data->train.values[5] = 9;
  EXPECT_EQ(data->train.values, (std::vector<double>{1, 0.5, 1, 0, -2, 9}));
  EXPECT_EQ(data->test.targets, std::vector<float>{0});
  EXPECT_TRUE(std::isnan(data->test.values[0]) && std::isnan(data->test.values[1]));
  EXPECT_EQ(data->test.values[2], 0);
}

TEST_F(TrainerTest, RowsFromBeforeAChangeWeighLess) {
  const std::filesystem::path path = frame(kFrame, {{"a", 0.5, true, 1, "2013-01-01", "train", 0},
                                                    {"b", -2, nullptr, 0, "2013-01-03", "train", 1},
                                                    {"b", -2, nullptr, 0, "2013-01-04", "test", 2}});
  const Weighing weighing{.since = *base::parse_time("2013-01-02"), .before = 0.25};
  const FrameData data = read_frame(*engine_, path, kFeatures, weighing).value();
  EXPECT_EQ(data.train.weights, (std::vector<float>{0.25F, 1}));
  EXPECT_TRUE(data.test.weights.empty()) << "what is judged is judged as it is";
  EXPECT_TRUE(read_frame(*engine_, path, kFeatures)->train.weights.empty());
}

TEST_F(TrainerTest, KeepsTheOrderOfManyRows) {
  std::vector<std::vector<Json>> cells;
  for (int row = 0; row < 5000; ++row) {
    cells.push_back({"a", row, true, row % 2, "2013-01-01", row % 5 == 4 ? "test" : "train", row});
  }
  const FrameData data = read_frame(*engine_, frame(kFrame, cells), kFeatures).value();
  ASSERT_EQ(data.train.rows(), 4000);
  ASSERT_EQ(data.test.rows(), 1000);
  for (int row = 0; row < 1000; ++row)
    EXPECT_EQ(data.test.values[static_cast<std::size_t>(row) * 3 + 1], row * 5 + 4);
}

TEST_F(TrainerTest, RefusesAFrameThatIsNotOne) {
  const std::filesystem::path good = learnable_frame(10);
  EXPECT_EQ(refusal(good, {{"y", ColumnType::real, {}}}), "the training frame has no column 'y'");
  EXPECT_EQ(refusal(good, {{"x", ColumnType::integer, {}}}),
            "the training frame's column 'x' is real, not integer");
  EXPECT_EQ(refusal(good, {{"__row", ColumnType::integer, {}}}), "a feature may not be called '__row'");
  EXPECT_EQ(refusal(frame(kFrame, {{"a", 1, true, nullptr, "2013-01-01", "train", 0}})),
            "a row of the training frame has no target or no part");
  EXPECT_EQ(refusal(frame(kFrame, {{"a", 1, true, 1, "2013-01-01", "gap", 0}})),
            "the training frame has a part 'gap', but only train and test are known");
  EXPECT_FALSE(read_frame(*engine_, folder_ / "none.parquet", kFeatures));
}

TEST_F(TrainerTest, FitsLightgbmAndReportsEachRound) {
  const FrameData data = read_frame(*engine_, learnable_frame(5000), kFeatures).value();
  project::LightgbmLearner learner;
  learner.rounds = 40;
  learner.learning_rate = 0.2;
  std::vector<std::int64_t> seen;
  const auto on_progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 40);
    seen.push_back(done);
    return true;
  };
  const TrainReport report = fit(data, learner, project::Task::binary, 1, on_progress).value();
  EXPECT_EQ(report.learner, "lightgbm");
  EXPECT_EQ(report.rounds, 40);
  EXPECT_EQ(report.train_rows, 4000);
  EXPECT_EQ(report.test_rows, 1000);
  ASSERT_EQ(report.valid_loss.size(), 40U);
  EXPECT_LT(report.valid_loss.back(), 0.1);
  ASSERT_EQ(seen.size(), 40U);
  EXPECT_EQ(seen.front(), 1);
  EXPECT_EQ(seen.back(), 40);
  EXPECT_EQ(fit(data, learner, project::Task::binary, 1, nullptr)->model_text, report.model_text);
}

TEST_F(TrainerTest, TestRowsDoNotChangeTheModel) {
  FrameData data = read_frame(*engine_, learnable_frame(2000), kFeatures).value();
  const std::string text =
      fit(data, project::LightgbmLearner{}, project::Task::binary, 1, nullptr)->model_text;
  for (float& target : data.test.targets) target = 1 - target;
  EXPECT_EQ(fit(data, project::LightgbmLearner{}, project::Task::binary, 1, nullptr)->model_text, text);
  data.test = model::TrainingData{};
  EXPECT_EQ(fit(data, project::LightgbmLearner{}, project::Task::binary, 1, nullptr)->model_text, text);
}

TEST_F(TrainerTest, TheBaselineIsTheMeanOfTheTrainingRows) {
  FrameData data;
  data.train.width = 1;
  data.train.values = {1, 2, 3, 4};
  data.train.targets = {1, 0, 0, 0};
  const TrainReport report = fit(data, project::BaselineLearner{}, project::Task::binary, 1, nullptr).value();
  EXPECT_EQ(report.learner, "baseline");
  EXPECT_EQ(report.model_text, "0.25");
  EXPECT_EQ(report.rounds, 0);
  data.train.targets = {3, 3, 3, 3};
  EXPECT_EQ(fit(data, project::BaselineLearner{}, project::Task::regression, 1, nullptr)->model_text, "3");
}

TEST_F(TrainerTest, SaysWhatToLookAtWhenNothingCanBeLearnt) {
  FrameData data;
  data.train.width = 1;
  for (const project::Learner& learner :
       {project::Learner(project::LightgbmLearner{}), project::Learner(project::BaselineLearner{})}) {
    data.train.values.clear();
    data.train.targets.clear();
    const Error none = fit(data, learner, project::Task::binary, 1, nullptr).error();
    EXPECT_EQ(none.code, ErrorCode::invalid);
    EXPECT_EQ(none.message, "there are no training rows");
    EXPECT_EQ(none.hint, "look at `split` of the model: a shorter `test` or `gap` leaves more to learn from");
    data.train.values = {1, 2};
    data.train.targets = {0, 0};
    const Error one = fit(data, learner, project::Task::binary, 1, nullptr).error();
    EXPECT_EQ(one.message, "the target is false in all 2 training rows");
    EXPECT_EQ(
        one.hint,
        "look at `target` of the model, and at whether the rows cover a time in which both cases happen");
  }
}

TEST_F(TrainerTest, IsCancelled) {
  const FrameData data = read_frame(*engine_, learnable_frame(500), kFeatures).value();
  const auto result = fit(data, project::LightgbmLearner{}, project::Task::binary, 1,
                          [](std::int64_t done, std::int64_t) { return done < 3; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace trimtab::train
