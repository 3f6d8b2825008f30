#include "model/level.h"

#include <algorithm>
#include <cmath>

namespace trimtab::model {
namespace {
constexpr double kScoreMin = 1e-6;
}

double log_odds(double probability) {
  const double inside = std::clamp(probability, kScoreMin, 1 - kScoreMin);
  return std::log(inside / (1 - inside));
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double at_level(double score, double level) {
  return level == 0 || std::isnan(score) ? score : sigmoid(log_odds(score) + level);
}

}  // namespace trimtab::model
