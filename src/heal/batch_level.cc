#include "heal/batch_level.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/result.h"
#include "model/level.h"

namespace trimtab::heal {
namespace {

constexpr double kLevelRidge = 5;        // Rows' worth of belief that a batch has no level.
constexpr double kMeanRidge = 20;        // Batches' worth of belief that levels vary around 0 …
constexpr double kPersistenceRidge = 1;  // … and, in squared log odds, that they do not persist.
constexpr double kPersistenceMax = 0.95;
constexpr int kNewtonSteps = 12;
constexpr double kSmallStep = 1e-9;
constexpr double kBatchSays = kAlarmLog / 2;
constexpr double kMargin = 0.001;  // Of Brier loss: less is not worth a treatment.

double brier(double score, double truth) { return (score - truth) * (score - truth); }

// By how much the loss of `other` was above that of `one`, of each row that has both.
std::vector<double> gains(const watch::LabelledBatch& batch, const std::vector<double>& one,
                          const std::vector<double>& other) {
  std::vector<double> difference;
  for (std::size_t row = 0; row < batch.truth.size(); ++row) {
    if (std::isnan(one[row]) || std::isnan(other[row])) continue;
    difference.push_back(brier(other[row], batch.truth[row]) - brier(one[row], batch.truth[row]) - kMargin);
  }
  return difference;
}

// One batch's ln e that the mean gain is above 0. The rows of a batch share its level and are one observation
// of it rather than many, so that no batch says more than kBatchSays.
double log_evidence(const std::vector<double>& of_rows) {
  EvidenceCusum one;
  if (!of_rows.empty()) one.push(std::span<const double>(of_rows), 0);
  return std::clamp(one.newest(), -kBatchSays, kBatchSays);
}

}  // namespace

double fit_level(std::span<const double> score, std::span<const double> truth) {
  CHECK(score.size() == truth.size());
  double level = 0;
  for (int step = 0; step < kNewtonSteps; ++step) {
    double gradient = kLevelRidge * level, curvature = kLevelRidge;
    for (std::size_t row = 0; row < score.size(); ++row) {
      if (std::isnan(score[row])) continue;
      const double probability = model::sigmoid(model::log_odds(score[row]) + level);
      gradient += probability - truth[row];
      curvature += probability * (1 - probability);
    }
    // The loss is convex, but a step from far outside can overshoot.
    const double move = std::clamp(-gradient / curvature, -1.0, 1.0);
    level += move;
    if (std::abs(move) < kSmallStep) break;
  }
  return level;
}

void LevelForecast::push(double level) {
  levels_.push_back(level);
  if (levels_.size() > kLevelsMax) levels_.pop_front();
  newest_known_ = true;
}

double LevelForecast::mean() const {
  double sum = 0;
  for (const double level : levels_) sum += level;
  return sum / (static_cast<double>(levels_.size()) + kMeanRidge);
}

double LevelForecast::persistence(int ahead) const {
  const double centre = mean();
  double together = 0, alone = kPersistenceRidge;
  for (std::size_t i = 1; i < levels_.size(); ++i) {
    const double before = levels_[i - 1] - centre;
    together += (levels_[i] - centre) * before;
    alone += before * before;
  }
  return std::pow(std::clamp(together / alone, 0.0, kPersistenceMax), ahead);
}

double LevelForecast::next(int ahead) const {
  if (!newest_known_ || levels_.empty()) return 0;
  const double centre = mean();
  return std::clamp(centre + persistence(ahead) * (levels_.back() - centre), -kForecastMax, kForecastMax);
}

void LevelForecast::forget_newest() { newest_known_ = false; }

Json LevelForecast::to_json() const {
  Json levels = Json::array();
  for (const double level : levels_) levels.push(level);
  return Json::object({{"levels", std::move(levels)}, {"newest_known", newest_known_}});
}

LevelForecast LevelForecast::from_json(const Json& json) {
  LevelForecast forecast;
  const Json& levels = json["levels"];
  if (!levels.is_array()) return forecast;
  for (const Json& level : levels.as_array()) forecast.levels_.push_back(level.as_double());
  forecast.newest_known_ = json.bool_or("newest_known");
  return forecast;
}

void LevelState::learn(const watch::LabelledBatch& batch, int poison_budget, int batches_ahead,
                       Json& evidence) {
  ahead = std::clamp(batches_ahead, 1, kAheadMax);
  expected.push_back(forecast.next(ahead));
  while (std::ssize(expected) > ahead) expected.pop_front();
  const double was_expected = expected.front();
  std::vector<double> moved = batch.plain;
  for (double& score : moved) score = model::at_level(score, was_expected);
  if (followed) {
    credit -= log_evidence(gains(batch, batch.plain, batch.served));
    credit = std::min(credit, kCreditMax);
  } else if (was_expected != 0) {
    better.add(log_evidence(gains(batch, moved, batch.plain)), batch.number);
  }
  const double level = fit_level(batch.plain, batch.truth);
  forecast.push(level);
  evidence.set("level", level).set("level_expected", was_expected).set("level_next", forecast.next(ahead));
  evidence.set("persistence", forecast.persistence(ahead)).set("alarm_at", kAlarmLog);
  if (followed) {
    evidence.set("credit", credit);
  } else {
    evidence.set("S", better.value()).set("batches", better.length());
    evidence.set("S_without_budget", better.without_strongest(poison_budget));
  }
}

bool LevelState::should_follow(int poison_budget) const {
  return !followed && better.alarms() && better.length() > poison_budget && better.newest() > 0 &&
         better.without_strongest(poison_budget) > 0;
}

void LevelState::follow(bool follows) {
  followed = follows;
  credit = follows ? std::min(better.value(), kCreditMax) : 0;
  better.reset();
}

Json LevelState::to_json() const {
  Json json = Json::object({{"forecast", forecast.to_json()}, {"followed", followed}});
  Json ahead_of_us = Json::array();
  for (const double level : expected) ahead_of_us.push(level);
  json.set("ahead", ahead).set("expected", std::move(ahead_of_us));
  return json.set("better", better.to_json()).set("credit", credit);
}

LevelState LevelState::from_json(const Json& json) {
  LevelState state;
  state.forecast = LevelForecast::from_json(json["forecast"]);
  state.better = EvidenceCusum::from_json(json["better"]);
  state.credit = json.double_or("credit");
  state.followed = json.bool_or("followed");
  state.ahead = static_cast<int>(json.int_or("ahead", 1));
  if (json["expected"].is_array()) {
    for (const Json& level : json["expected"].as_array()) state.expected.push_back(level.as_double());
  }
  return state;
}

}  // namespace trimtab::heal
