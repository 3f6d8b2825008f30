#include "flow/given_figures.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <unordered_set>

#include "flow/learn.h"
#include "train/trainer.h"

namespace trimtab::flow {
namespace {

constexpr double kMegabyte = 1'000'000;

judge::Measure figure(double value, std::string reason = "") {
  return judge::Measure{value, std::nullopt, std::nullopt, std::move(reason)};
}

judge::Measure no_figure(std::string reason) {
  return judge::Measure{std::nullopt, std::nullopt, std::nullopt, std::move(reason)};
}

// A row's bytes: rows are alike when each of their values is.
template <typename Values, typename Targets>
std::string bytes_of(const Values& values, const Targets& targets, std::size_t row, std::size_t width) {
  std::string bytes(reinterpret_cast<const char*>(values.data() + row * width),
                    width * sizeof(*values.data()));
  bytes.append(reinterpret_cast<const char*>(targets.data() + row), sizeof(*targets.data()));
  return bytes;
}

judge::Measure leakage(const train::FrameData& data, std::size_t width) {
  std::unordered_set<std::string> learnt;
  for (std::size_t row = 0; row < data.train.targets.size(); ++row) {
    learnt.insert(bytes_of(data.train.values, data.train.targets, row, width));
  }
  const std::size_t rows = data.test.targets.size();
  std::size_t known = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    known += learnt.contains(bytes_of(data.test.values, data.test.targets, row, width)) ? 1 : 0;
  }
  if (rows == 0) return no_figure("there are no test rows");
  return figure(static_cast<double>(known) / static_cast<double>(rows));
}

// Every file of the candidate, its manifest among them.
Result<judge::Measure> size_mb(const table::OperationRun& run) {
  std::uint64_t bytes = 0;
  for (const auto& [name, paths] : run.inputs) {
    if (!name.starts_with("candidate/")) continue;
    for (const std::filesystem::path& path : paths) {
      std::error_code absent;
      const std::uint64_t size = std::filesystem::file_size(path, absent);
      if (absent) return fail(ErrorCode::storage_broken, "the artifact has lost its file '" + name + "'");
      bytes += size;
    }
  }
  return figure(static_cast<double>(bytes) / kMegabyte);
}

Result<double> loss_of(const model::Artifact& artifact, const std::vector<double>& values,
                       const std::vector<double>& truth) {
  const std::vector<double> scores = TRY(score_frame(artifact, values, truth.size()));
  if (artifact.binary) return TRY(judge::measure("log_loss", truth, scores)).value.value_or(0);
  const double rmse = TRY(judge::measure("rmse", truth, scores)).value.value_or(0);
  return rmse * rmse;
}

Result<judge::Measure> robustness(const train::FrameData& data, const model::Artifact& artifact) {
  const std::size_t width = artifact.recipe.features.size();
  const std::vector<double> truth(data.test.targets.begin(), data.test.targets.end());
  if (truth.empty() || width == 0) return no_figure("there are no test rows");
  const std::vector<double> whole(data.test.values.begin(), data.test.values.end());
  const double before = TRY(loss_of(artifact, whole, truth));
  double most = 0;
  std::string of_feature = "none";
  for (std::size_t feature = 0; feature < width; ++feature) {
    std::vector<double> values = whole;
    for (std::size_t row = 0; row < truth.size(); ++row) {
      values[row * width + feature] = std::numeric_limits<double>::quiet_NaN();
    }
    double rise = TRY(loss_of(artifact, values, truth)) - before;
    if (!artifact.binary) rise = before > 0 ? rise / before : 0;
    if (rise <= most) continue;
    most = rise;
    of_feature = artifact.recipe.features[feature].name;
  }
  return figure(most, "without " + of_feature);
}

}  // namespace

Result<std::map<std::string, judge::Measure>> given_figures(const table::OperationRun& run,
                                                            const std::vector<project::Gate>& gates,
                                                            const model::Artifact& artifact) {
  std::map<std::string, judge::Measure> given;
  const auto is_asked = [&gates](std::string_view name) {
    return std::any_of(gates.begin(), gates.end(),
                       [name](const project::Gate& gate) { return gate.metric == name; });
  };
  if (is_asked("quarantined")) given["quarantined"] = figure(run.params.double_or("quarantined"));
  if (is_asked("size_mb")) given["size_mb"] = TRY(size_mb(run));
  if (!is_asked("leakage") && !is_asked("robustness")) return given;
  const train::FrameData data =
      TRY(train::read_frame(run.engine, run.file("frame"), artifact.recipe.features));
  const std::size_t width = artifact.recipe.features.size();
  if (is_asked("leakage")) given["leakage"] = leakage(data, width);
  if (is_asked("robustness")) given["robustness"] = TRY(robustness(data, artifact));
  return given;
}

}  // namespace trimtab::flow
