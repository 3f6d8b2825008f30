// How a version is probably doing before any label has come, from the counts of its answers alone. Estimates
// are told as such: they see when the rows change, and are blind to a change of the relation between a row
// and its truth. Nothing may be decided on them alone. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "watch/baseline.h"

namespace trimtab::watch {

// A figure with a 95 % interval; `value` empty: see `reason`.
struct Figure {
  std::optional<double> value;
  double low = 0, high = 0;
  std::string reason;

  Json to_json() const;
};

// How often an answer in each bin of the prediction comes true: the test rows' rates, made to rise by pooling
// adjacent violators (Ayer et al. 1955); a bin without test rows takes its neighbour's.
std::vector<double> calibrated(const Baseline& baseline);

// Area under the ROC curve from positives and rows per bin of rising scores; a pair within a bin counts half,
// so some 40 bins of equal weight lose less than 0.001. Interval: Hanley & McNeil (1982).
Figure binned_auc(std::span<const double> positives, std::span<const double> rows);

// CBPE (NannyML): what accuracy, AUC, Brier score and share of positives are to be expected of these answers
// when each comes true as often as on the test rows.
struct ExpectedPerformance {
  Figure auc, accuracy, brier, rate;
};
// `counts`: rows in each bin of the prediction.
ExpectedPerformance expect_binary(const Baseline& baseline, std::span<const std::int64_t> counts);

// DLE (NannyML), additive: the mean of |truth - answer| to be expected of rows with these counts in the bins
// of all columns (RowCounts::bins).
Figure expect_error(const Baseline& baseline, std::span<const std::uint32_t> bins, std::int64_t rows);

// BBSE (Lipton, Wang & Smola 2018) for two classes: answers are cut at the score where the test rows' true
// and false positive rates lie farthest apart, and the share of positives follows from how many lie above.
// Right if only the share of the classes has changed. Skipped when the rates are closer than kRatesApart: the
// system is then too badly conditioned.
struct LabelShift {
  static constexpr double kRatesApart = 0.1;

  double reference = 0;           // Share of positives among the test rows.
  Figure rate;                    // The share that the answers speak of now.
  bool is_beyond_chance = false;  // The reference lies outside of the interval.

  Json to_json() const;
};
LabelShift label_shift(const Baseline& baseline, std::span<const std::int64_t> counts);

}  // namespace trimtab::watch
