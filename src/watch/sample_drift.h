// What the unbinned statistics say of two samples of rows: each number column by itself, and the rows as a
// whole. What chance would make of them is asked of the rows: they are dealt out anew, at random, to samples
// of the same sizes (a permutation test: Fisher 1935), so no distribution is assumed and ties do no harm.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "watch/binned_drift.h"
#include "watch/row_drift.h"

namespace trimtab::watch {

// Values as two_sample.h computes them, of the numbers of one column. W1 and energy distance are in standard
// deviations of the reference (energy: the root of it has that unit's root), so that no threshold depends on
// the column's unit.
struct UnbinnedDrift {
  std::string name;
  std::int64_t reference_rows = 0, rows = 0;
  Measured kolmogorov_smirnov, wasserstein, energy, cramer_von_mises;
  double kolmogorov_p = 1;
};

// The maximum mean discrepancy of whole rows. Numbers in standard deviations, a missing one as the mean; a
// text as the share of rows that have it.
struct Discrepancy {
  double value = 0;  // MMD², unbiased, so that by chance it is 0 on average, and may lie below.
  double p = 1;
  bool is_beyond_chance = false;
  std::int64_t reference_rows = 0, rows = 0;
};

struct SampleDrift {
  std::vector<UnbinnedDrift> columns;  // Of numbers that both sides have kSampleRowsMin of.
  Discrepancy discrepancy;

  Json to_json() const;
};

inline constexpr std::int64_t kSampleRowsMin = 30;
inline constexpr std::int64_t kSampleRowsMax = 2'000;  // Of each side; of more, every so many-th.
inline constexpr std::int64_t kPairedRowsMax = 300;    // The same for the discrepancy, which pairs all rows.

// The same rows give the same figures. Fewer than kSampleRowsMin rows on a side: nothing, and p 1.
SampleDrift compare_samples(const RowPair& rows);

}  // namespace trimtab::watch
