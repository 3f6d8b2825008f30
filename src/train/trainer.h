// Fits the declared learner on a training frame. A frame is a Parquet file with the encoded-to-be feature
// columns and three more: target (real), time (time), part ("train" or "test").
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/artifact.h"
#include "model/booster.h"
#include "project/project.h"
#include "table/engine.h"
#include "train/older_rows.h"

namespace trimtab::train {

// Names of the frame's columns beside the features; features may not be called so.
inline constexpr const char* kTargetColumn = "__target";
inline constexpr const char* kTimeColumn = "__time";
inline constexpr const char* kPartColumn = "__part";

struct FrameData {
  model::TrainingData train;
  std::vector<TimeUs> train_times;  // Of each training row; one that has none is older than all.
  model::TrainingData test;
};

// Reads a frame and encodes its features. Errors: invalid, storage_broken.
Result<FrameData> read_frame(table::Engine& engine, const std::filesystem::path& frame,
                             const std::vector<model::Feature>& features);

struct TrainReport {
  std::string learner;
  std::string model_text;
  std::int64_t rounds = 0;
  std::int64_t train_rows = 0;
  std::int64_t test_rows = 0;
  std::vector<double> valid_loss;
  std::optional<OlderRows> older;  // How rows from before a change were learnt from, if one was told.
};

// `changes`: when the world has changed, ascending; rows from before weigh as much as helps to foretell those
// since (train/older_rows.h). `on_progress(done, total)` returns false to cancel. Errors: invalid (no
// training rows, one class only) with a hint that names the split or the target; cancelled.
Result<TrainReport> fit(const FrameData& data, const project::Learner& learner, project::Task task,
                        int threads,
                        const std::function<bool(std::int64_t done, std::int64_t total)>& on_progress,
                        std::span<const TimeUs> changes = {});

}  // namespace trimtab::train
