#include "train/trainer.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "table/parquet.h"

namespace trimtab::train {
namespace {

using model::TrainingData;
using table::Batch;
using table::ColumnType;

constexpr const char* kSplitHint =
    "look at `split` of the model: a shorter `test` or `gap` leaves more to learn from";
constexpr const char* kTargetHint =
    "look at `target` of the model, and at whether the rows cover a time in which both cases happen";

// The columns that are read, in the order in which the encoder and the reader below expect them.
std::vector<std::string> columns_read(const std::vector<model::Feature>& features) {
  std::vector<std::string> names;
  for (const model::Feature& feature : features) names.push_back(feature.name);
  names.emplace_back(kTargetColumn);
  names.emplace_back(kPartColumn);
  names.emplace_back(kTimeColumn);
  return names;
}

Status check_schema(const table::Schema& frame, const std::vector<model::Feature>& features) {
  table::Schema wanted;
  for (const model::Feature& feature : features) {
    if (feature.name.starts_with("__")) {
      return fail(ErrorCode::invalid, "a feature may not be called '" + feature.name + "'",
                  "names that begin with __ belong to the training frame");
    }
    wanted.add({feature.name, feature.type});
  }
  wanted.add({kTargetColumn, ColumnType::real});
  wanted.add({kPartColumn, ColumnType::text});
  wanted.add({kTimeColumn, ColumnType::time});
  for (const table::Column& column : wanted.columns()) {
    const std::optional<int> found = frame.find(column.name);
    if (!found) return fail(ErrorCode::invalid, "the training frame has no column '" + column.name + "'");
    if (frame.at(*found).type != column.type) {
      return fail(ErrorCode::invalid, "the training frame's column '" + column.name + "' is " +
                                          std::string(table::type_name(frame.at(*found).type)) + ", not " +
                                          std::string(table::type_name(column.type)));
    }
  }
  return {};
}

// Deals the rows of a frame out to the two parts.
class FrameReader {
 public:
  explicit FrameReader(const std::vector<model::Feature>& features) : encoder_(features) {
    for (TrainingData* part : {&data_.train, &data_.test}) {
      part->width = encoder_.width();
      part->categorical = encoder_.categorical();
      for (const model::Feature& feature : features) part->feature_names.push_back(feature.name);
    }
  }

  Status take(const Batch& rows) {
    const auto width = static_cast<std::size_t>(encoder_.width());
    encoded_.resize(static_cast<std::size_t>(rows.rows()) * width);
    encoder_.encode(rows, encoded_.data());
    const int target = encoder_.width();
    const int part = target + 1, time = target + 2;
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.is_null(target, row) || rows.is_null(part, row)) {
        return fail(ErrorCode::invalid, "a row of the training frame has no target or no part");
      }
      TrainingData* to = part_named(rows.text(part, row));
      if (to == nullptr) {
        return fail(ErrorCode::invalid, "the training frame has a part '" +
                                            std::string(rows.text(part, row)) +
                                            "', but only train and test are known");
      }
      const auto first =
          encoded_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(row) * width);
      to->values.insert(to->values.end(), first, first + static_cast<std::ptrdiff_t>(width));
      to->targets.push_back(static_cast<float>(rows.real(target, row)));
      if (to != &data_.train) continue;
      const bool has_time = !rows.is_null(time, row);
      data_.train_times.push_back(has_time ? rows.time(time, row) : std::numeric_limits<TimeUs>::min());
    }
    return {};
  }

  FrameData finish() { return std::move(data_); }

 private:
  TrainingData* part_named(std::string_view name) {
    return name == "train" ? &data_.train : name == "test" ? &data_.test : nullptr;
  }

  model::FeatureEncoder encoder_;
  FrameData data_;
  std::vector<double> encoded_;
};

// Both learners refuse alike, so that a user does not learn of a broken target by changing the learner.
Status check_learnable(const TrainingData& train, project::Task task) {
  if (train.rows() == 0) return fail(ErrorCode::invalid, "there are no training rows", kSplitHint);
  const float first = train.targets.front();
  if (task == project::Task::binary && std::all_of(train.targets.begin(), train.targets.end(),
                                                   [&](float target) { return target == first; })) {
    return fail(ErrorCode::invalid,
                "the target is " + std::string(first == 0 ? "false" : "true") + " in all " +
                    std::to_string(train.rows()) + " training rows",
                kTargetHint);
  }
  return {};
}

model::BoosterOptions booster_options(const project::LightgbmLearner& learner, project::Task task,
                                      int threads) {
  model::BoosterOptions options;
  options.binary = task == project::Task::binary;
  options.rounds = learner.rounds;
  options.leaves = learner.leaves;
  options.learning_rate = learner.learning_rate;
  options.min_data_in_leaf = learner.min_data_in_leaf;
  options.feature_fraction = learner.feature_fraction;
  options.bagging_fraction = learner.bagging_fraction;
  options.lambda_l2 = learner.lambda_l2;
  options.seed = learner.seed;
  options.threads = threads;
  return options;
}

std::string mean_as_text(const std::vector<float>& targets) {
  double sum = 0;
  for (const float target : targets) sum += target;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, sum / static_cast<double>(targets.size())).ptr;
  return std::string(text, end);
}

}  // namespace

Result<FrameData> read_frame(table::Engine& engine, const std::filesystem::path& frame,
                             const std::vector<model::Feature>& features) {
  TRY(check_schema(TRY(table::parquet_schema(engine, frame)), features));
  FrameReader reader(features);
  TRY(table::read_parquet(engine, {frame}, columns_read(features),
                          [&](const Batch& rows) { return reader.take(rows); }));
  return reader.finish();
}

Result<TrainReport> fit(const FrameData& data, const project::Learner& learner, project::Task task,
                        int threads,
                        const std::function<bool(std::int64_t done, std::int64_t total)>& on_progress,
                        std::span<const TimeUs> changes) {
  TRY(check_learnable(data.train, task));
  TrainReport report;
  report.train_rows = data.train.rows();
  report.test_rows = data.test.rows();
  const auto* lightgbm = std::get_if<project::LightgbmLearner>(&learner);
  if (lightgbm == nullptr) {
    report.learner = "baseline";
    report.model_text = mean_as_text(data.train.targets);
    return report;
  }
  const model::BoosterOptions options = booster_options(*lightgbm, task, threads);
  model::TrainingData weighed;
  const TimedRows timed{data.train, data.train_times};
  if (!changes.empty()) {
    report.older = TRY(weigh_older_rows(timed, changes, options, on_progress));
    weighed = with_older_rows(*report.older, timed);
  }
  // The test rows are only watched: stopping by them would make every figure on them too good.
  const model::TrainingData& learnt = report.older ? weighed : data.train;
  auto trained = TRY(model::train_booster(learnt, &data.test, options, [&](std::int64_t round) {
    return !on_progress || on_progress(round, options.rounds);
  }));
  report.learner = "lightgbm";
  report.model_text = std::move(trained.text);
  report.rounds = trained.rounds;
  report.valid_loss = std::move(trained.valid_loss);
  return report;
}

}  // namespace trimtab::train
