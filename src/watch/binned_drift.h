// How far two sets of counts on the same bins lie apart, and how far apart they would lie if nothing had
// changed. Pure functions.
//
// The floor. Two samples of n and m rows from one distribution differ by chance alone; with k bins,
// Σ(q-p)²/p is (1/n + 1/m) times a chi-square variable of k-1 degrees, and PSI, Jensen-Shannon and Hellinger
// are that same sum to second order (times 1, 1/8 and 1/8). So their mean and their quantile under "no
// change" are known. The others (KS, W1, L-infinity, total variation, Cramér-von Mises) are functions of the
// Gaussian vector that q-p then is; their floor comes from kDraws draws of it with a fixed seed. Bins
// in which fewer than kExpectedMin rows are expected are first joined with a neighbour (Cochran 1954), so
// that the limit holds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "watch/column_bins.h"

namespace trimtab::watch {

inline constexpr int kDraws = 2000;
inline constexpr double kExpectedMin = 5;
inline constexpr double kFloorTail = 0.01;  // A floor is passed by chance in one of a hundred windows.

// One statistic, what it would be on average by chance alone, and what chance exceeds only once in a hundred.
struct Measured {
  double value = 0;
  double expected = 0;
  double floor = 0;

  Json to_json() const;
};

// p: shares of the reference, q: of the current rows.
struct BinnedDrift {
  std::int64_t reference_rows = 0, current_rows = 0;
  int bins = 0;         // Compared, after joining rare ones. Below 2 nothing can be said, and all else is 0.
  Measured chi_square;  // Of the 2 × k table (Pearson 1900); `log_p` is its tail.
  double log_p = 0;
  Measured psi;              // Σ(q-p)·ln(q/p), half a row added to each bin.
  Measured jensen_shannon;   // Distance: the square root of the divergence, natural logarithm (as scipy).
  Measured hellinger;        // sqrt(½Σ(√p-√q)²)
  Measured l_infinity;       // max|p-q|
  Measured total_variation;  // ½Σ|p-q|
  // Of ordered bins alone, over the rows that have a number.
  std::optional<Measured> kolmogorov_smirnov;  // max|F-G| at the edges.
  std::optional<Measured>
      wasserstein;  // ∫|F-G| between the least and greatest value of training, over `scale`.
  std::optional<Measured> cramer_von_mises;  // Σ(F-G)²·pooled share

  Json to_json() const;
};

// `reference` and `current` have bins.size() counts each. `scale`: the reference's standard deviation.
BinnedDrift binned_drift(const ColumnBins& bins, std::span<const std::int64_t> reference,
                         std::span<const std::int64_t> current, double scale);

// Of these, what is quickly had: chi_square, log_p, psi, jensen_shannon and hellinger.
BinnedDrift quadratic_drift(std::span<const std::int64_t> reference, std::span<const std::int64_t> current);

}  // namespace trimtab::watch
