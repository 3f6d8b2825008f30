// What can only be seen with the rows at hand, not on counters: whether a classifier can tell two samples of
// rows apart, and whether a model looks at other features than it did. For rows at rest: a sample of the
// prediction log, or of files. Both come with what chance alone would make of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "watch/estimates.h"

namespace trimtab::watch {

// Two samples of rows as a learner sees them: rows × names.size() numbers, NaN is missing.
struct RowPair {
  std::span<const double> reference, current;
  std::vector<std::string> names;
  std::vector<int> categorical;  // Positions.
};

// The domain classifier (C2ST: Lopez-Paz & Oquab 2017): boosted trees learn on a random half of the rows from
// which sample a row comes, and are asked about the other half. If the samples are alike, the scores of rows
// that it has not learnt from are in random order, whatever it learnt: their AUC is Mann & Whitney's, with
// mean 1/2 and variance (n+m+1)/(12nm). So the floor needs no permutations and no folklore margin.
struct DomainVerdict {
  Figure auc;          // Of the held-out rows; 95 % by Hanley & McNeil (1982). No value: see its reason.
  double floor = 0.5;  // What chance exceeds once in a hundred times.
  double p = 1;        // One-sided.
  bool is_beyond_chance = false;
  std::int64_t reference_rows = 0, current_rows = 0;  // Held out.
  std::vector<std::pair<std::string, double>>
      told_by;  // Columns with their shares of mean |SHAP|, largest first.

  Json to_json() const;
};
inline constexpr std::int64_t kTellRowsMin = 100;  // Of each sample; with fewer there is no verdict.
// The same rows give the same verdict. Errors: invalid (what LightGBM says).
Result<DomainVerdict> tell_apart(const RowPair& rows);

// Normalised discounted cumulative gain of the current order of features, by the reference's attributions (as
// SageMaker Clarify has it): Σ a(f_i)/log2(i+1) over the features by falling current attribution, divided by
// the same sum in the reference's own order. 1: the same order.
double attribution_ndcg(std::span<const double> reference, std::span<const double> current);

// Attributions are each row's |SHAP| of every feature. The floor is the hundredth part of random splits of
// all rows into two such samples.
struct AttributionDrift {
  std::vector<double> reference, current;  // Means of |SHAP|, a feature each.
  double ndcg = 1;
  double floor = 1;
  double p = 1;  // Share of the random splits (this one among them) that lie as low.
  bool is_beyond_chance = false;

  Json to_json(const std::vector<std::string>& names) const;
};
// Rows × (width + 1), as model::Booster::contributions writes them. CHECKs that there are rows in both.
AttributionDrift compare_attributions(std::span<const double> reference, std::span<const double> current,
                                      int width);

}  // namespace trimtab::watch
