#include "heal/level.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"

namespace trimtab::heal {
namespace {

constexpr double kLevelRidge = 5;        // Rows' worth of belief that a batch has no level.
constexpr double kMeanRidge = 20;        // Batches' worth of belief that levels vary around 0 …
constexpr double kPersistenceRidge = 1;  // … and, in squared log odds, that they do not persist.
constexpr double kPersistenceMax = 0.95;
constexpr double kScoreMin = 1e-6;
constexpr int kNewtonSteps = 12;
constexpr double kSmallStep = 1e-9;

double logit(double probability) {
  const double inside = std::clamp(probability, kScoreMin, 1 - kScoreMin);
  return std::log(inside / (1 - inside));
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

}  // namespace

double fit_level(std::span<const double> score, std::span<const double> truth) {
  CHECK(score.size() == truth.size());
  double level = 0;
  for (int step = 0; step < kNewtonSteps; ++step) {
    double gradient = kLevelRidge * level, curvature = kLevelRidge;
    for (std::size_t row = 0; row < score.size(); ++row) {
      if (std::isnan(score[row])) continue;
      const double probability = sigmoid(logit(score[row]) + level);
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

double at_level(double score, double level) { return level == 0 ? score : sigmoid(logit(score) + level); }

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

double LevelForecast::persistence() const {
  const double centre = mean();
  double together = 0, alone = kPersistenceRidge;
  for (std::size_t i = 1; i < levels_.size(); ++i) {
    const double before = levels_[i - 1] - centre;
    together += (levels_[i] - centre) * before;
    alone += before * before;
  }
  return std::clamp(together / alone, 0.0, kPersistenceMax);
}

double LevelForecast::next() const {
  if (!newest_known_ || levels_.empty()) return 0;
  const double centre = mean();
  return std::clamp(centre + persistence() * (levels_.back() - centre), -kForecastMax, kForecastMax);
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

}  // namespace trimtab::heal
