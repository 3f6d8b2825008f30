// Evidence that something better than the champion could be learnt, gathered so that it may be looked at after every
// batch: a CUSUM of betting e-values on paired loss differences. Seasons cancel in the pair, no baseline is needed, and
// the chance of a false alarm is bounded however often one looks (Ville's inequality; e-detectors: Shin, Ramdas,
// Rinaldo 2022).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::heal {

// S ← max(0, S) + ln e, where e is the mean over λ ∈ {0.3, 0.9} of Π(1 + λ d) over the rows' differences d ∈ [-1, 1].
// Alarm at S > ln 1000.
class EvidenceCusum {
 public:
  // One batch of paired differences (positive: the alternative was better). `batch` numbers it.
  void push(std::span<const double> differences, std::int64_t batch);
  double value() const { return value_; }
  bool alarms() const;
  // The batch before the evidence last rose from 0: the change is no older than that.
  std::int64_t since() const { return since_; }
  void reset();
  Json to_json() const;
  static EvidenceCusum from_json(const Json& json);

 private:
  double value_ = 0;
  std::int64_t since_ = 0;
  std::int64_t last_ = 0;
};

inline constexpr double kAlarmLog = 6.907755278982137;  // ln 1000

// A small correction of a champion's scores, fitted on past rows and judged on later ones. Never served: it only asks
// "is there something left to learn here?".
struct CorrectionRows {
  int width = 0;                        // 0: recalibration only (intercept and slope of the logit).
  std::span<const double> features;     // rows × width; NaN is missing.
  std::span<const double> score;        // The champion's probabilities.
  std::span<const double> truth;
};

// logit(p') = a + b·logit(p) + w·z, z = standardised features (missing = 0), by penalised Newton steps: ridge
// towards "no correction" (a=0, b=1, w=0). Deterministic.
class Correction {
 public:
  // Errors: invalid (fewer than 20 rows, one class only).
  static Result<Correction> fit(const CorrectionRows& rows, double ridge);
  void apply(const CorrectionRows& rows, std::vector<double>& out) const;

 private:
  std::vector<double> mean_, scale_, weights_;  // width each
  double intercept_ = 0, slope_ = 1;
};

}  // namespace trimtab::heal
