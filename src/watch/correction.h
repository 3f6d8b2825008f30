// What a little more could be learnt about a version's rows than it knows: a linear correction of its scores.
// A version brings one along, fitted on the rows that it was judged by; healing fits others on recent batches
// and holds them against it.
#pragma once

#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::watch {

// A small correction of a champion's scores, fitted on past rows and judged on later ones. Never served: it
// only asks "is there something left to learn here?".
struct CorrectionRows {
  int width = 0;                     // 0: recalibration only (intercept and slope of the logit).
  std::span<const double> features;  // rows × width; NaN is missing.
  std::span<const double> score;     // The champion's probabilities.
  std::span<const double> truth;
};

// The ridge of a correction by all features: a few hundred rows must not make much of chance.
inline constexpr double kProbeRidge = 20;

// logit(p') = a + b·logit(p) + w·z, z = standardised features (missing = 0, at most ±kFeatureMax), by
// penalised Newton steps: ridge towards "no correction" (a=0, b=1, w=0). Deterministic.
class Correction {
 public:
  static constexpr int kRowsMin = 20;
  static constexpr double kFeatureMax = 4;  // In standard deviations: one wild cell must not carry the fit.

  // Errors: invalid (fewer than 20 rows, one class only).
  static Result<Correction> fit(const CorrectionRows& rows, double ridge);
  // One probability a row. CHECKs that the width is the fitted one. Does not read `truth`.
  void apply(const CorrectionRows& rows, std::vector<double>& out) const;

  int width() const { return static_cast<int>(weights_.size()); }
  double intercept() const { return intercept_; }
  double slope() const { return slope_; }
  const std::vector<double>& weights() const { return weights_; }

  Json to_json() const;  // Exact.
  // Errors: invalid (not what to_json wrote).
  static Result<Correction> from_json(const Json& json);

 private:
  void standardise(const CorrectionRows& rows);
  void design(const CorrectionRows& rows, std::size_t row, std::span<double> out) const;

  std::vector<double> mean_, scale_, weights_;  // width each
  double intercept_ = 0, slope_ = 1;
};

}  // namespace trimtab::watch
