// How good predictions were, once the truth is known. Definitions as scikit-learn has them; every figure that
// cannot be computed says why instead of being a number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::judge {

// A figure with a 95 % interval where one is defined. `value` empty: see `reason`.
struct Measure {
  std::optional<double> value;
  std::optional<double> low, high;
  std::string reason;

  Json to_json() const;
  static Result<Measure> from_json(const Json& json);
};

// Rows where truth is NaN are left out by the caller. Binary truth is 0 or 1, scores are probabilities.
// Names: auc (Mann-Whitney; interval by Hanley & McNeil 1982), log_loss (natural; clipped at 1e-15), brier,
// ece (10 bins of equal width, weighted |mean score - rate|), accuracy (1 from 0.5 on), rate (mean truth),
// mean_score; regression: rmse, mae, bias (mean score - truth). Intervals of means: ±1.96 standard errors; of
// rmse: the roots of the mean's.
// Errors: invalid (unknown name: did you mean). Fewer rows than needed, scores that are no numbers: a Measure
// without value.
Result<Measure> measure(std::string_view name, std::span<const double> truth, std::span<const double> score);
const std::vector<std::string>& metric_names(bool binary);

// Mean of a - b over paired rows with its standard error: for losses of two versions on the same rows.
struct PairedDifference {
  std::int64_t rows = 0;
  double mean = 0;
  double standard_error = 0;  // Infinite for one row, which says nothing about the spread.
};
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b);

// The per-row loss that health and healing use: Brier (squared error of the probability), or squared error.
void row_losses(std::span<const double> truth, std::span<const double> score, std::vector<double>& out);

}  // namespace trimtab::judge
