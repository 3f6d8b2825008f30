#include "heal/rescore.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>

namespace trimtab::heal {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLoadedMax = 8;

// How one feature of a recipe is read from the features of another.
struct Reading {
  std::size_t from = 0;
  bool is_text = false;
  std::vector<double> code_of;  // Of a text feature: the other's code → ours.

  double operator()(double value) const {
    if (!is_text || std::isnan(value)) return value;
    const auto code = static_cast<std::size_t>(value);
    return code < code_of.size() ? code_of[code] : kMissing;
  }
};

Result<Reading> reading_of(const model::Feature& wanted, const model::Recipe& recipe) {
  const auto found =
      std::find_if(recipe.features.begin(), recipe.features.end(), [&wanted](const model::Feature& feature) {
        return feature.name == wanted.name && feature.type == wanted.type;
      });
  if (found == recipe.features.end())
    return fail(ErrorCode::invalid, "it reads '" + wanted.name + "', which past answers do not hold");
  Reading reading{static_cast<std::size_t>(found - recipe.features.begin()), false, {}};
  reading.is_text = wanted.type == table::ColumnType::text;
  for (const std::string& level : found->levels) {
    const auto ours = std::find(wanted.levels.begin(), wanted.levels.end(), level);
    const bool is_known = ours != wanted.levels.end();
    reading.code_of.push_back(is_known ? static_cast<double>(ours - wanted.levels.begin()) : kMissing);
  }
  return reading;
}

}  // namespace

Result<Rescorer::Loaded*> Rescorer::loaded(std::int64_t version) {
  const auto known = known_.find(version);
  if (known != known_.end()) return &known->second;
  Loaded made{TRY(load_(version)), nullptr};
  if (made.artifact->learner != "baseline") {
    const auto width = static_cast<int>(made.artifact->recipe.features.size());
    made.booster = TRY(model::Booster::load(made.artifact->model_text, width));
  }
  if (known_.size() >= kLoadedMax) known_.erase(known_.begin());
  return &(known_[version] = std::move(made));
}

Result<std::vector<double>> Rescorer::score(std::int64_t version, const watch::LabelledBatch& batch) {
  const std::shared_ptr<const model::Artifact> answered = TRY(loaded(batch.served_version))->artifact;
  const Loaded& asked = *TRY(loaded(version));
  std::vector<Reading> readings;
  for (const model::Feature& feature : asked.artifact->recipe.features) {
    readings.push_back(TRY(reading_of(feature, answered->recipe)));
  }
  const auto width = static_cast<std::size_t>(batch.width);
  if (width != answered->recipe.features.size())
    return fail(ErrorCode::invalid, "the features of past answers are not those of their version");
  std::vector<double> scores(batch.truth.size(), kMissing);
  const std::vector<double>& theirs = batch.scores.at(batch.served_version);
  std::vector<double> values(readings.size());
  for (std::size_t row = 0; row < scores.size(); ++row) {
    if (std::isnan(theirs[row])) continue;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      values[i] = readings[i](batch.features[row * width + readings[i].from]);
    }
    if (asked.booster == nullptr) {
      scores[row] = std::strtod(asked.artifact->model_text.c_str(), nullptr);
    } else {
      asked.booster->predict(values, &scores[row]);
    }
  }
  return scores;
}

}  // namespace trimtab::heal
