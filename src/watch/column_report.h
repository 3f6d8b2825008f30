// The part of a watch report that tells how columns moved: statistics with their floors, what is usual for
// windows of this length, one verdict a column, and the audit of what came in.
#pragma once

#include <vector>

#include "base/json.h"
#include "watch/served_counts.h"

namespace trimtab::watch {

// A window and what it is held against: counts of every column of the baseline.
struct Compared {
  RowCounts current;
  std::vector<std::vector<std::int64_t>> reference;  // Of each column.
};

// Verdicts: "too_few" (fewer than kRowsMin rows on either side, or too few outside of one bin), "same" (no
// more than chance, all columns taken together by e-BH; or a constant then and now), "usual" (more than
// chance, but no farther than earlier windows of this length lay), "moved", "withheld" (its values are kept
// out of the log).
inline constexpr std::int64_t kRowsMin = 30;
// So many earlier windows are asked for, and so many at least must be there before "usual" is said.
inline constexpr int kEarlierWindows = 28;
inline constexpr int kEarlierWindowsMin = 8;

// {"columns":[{"name","verdict","p","statistics":{…},"usual":{"windows","median","highest"}|null,"mean"?,
// "reference_mean"?,"largest":{…}}],"audit":[…]}; the columns in the baseline's order, prediction and
// unusualness last. `earlier`: earlier windows held against their own references.
Json report_columns(const Baseline& baseline, const Compared& now, const std::vector<Compared>& earlier);

}  // namespace trimtab::watch
