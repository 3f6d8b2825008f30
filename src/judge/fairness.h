// How differently a version treats groups of rows. A score from 0.5 on counts as positive. Names as Fairlearn
// has them; of more than two groups the two that lie farthest apart are compared.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "judge/metrics.h"

namespace trimtab::judge {

// The measure, and which groups it is about: "A 0.31 against B 0.52".
struct GroupMeasure {
  Measure measure;
  std::string groups;
};

// demographic_parity_ratio (smallest by largest rate of positives; four fifths is 0.8),
// demographic_parity_difference, equal_opportunity (difference of the rates of true positives) and
// equalized_odds (the larger of that and the difference of the rates of false positives). Intervals: 95 %, of
// the two groups that are compared, as independent samples. Groups with fewer than `rows_min` rows, or rows
// of the class that a rate is about, are left out; with fewer than two left there is no value. CHECKs the
// name.
GroupMeasure measure_groups(std::string_view name, std::span<const double> truth,
                            std::span<const double> score, const std::vector<std::string>& groups,
                            int rows_min);

}  // namespace trimtab::judge
