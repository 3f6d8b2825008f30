// How far two samples of numbers lie apart, unbinned: for rows at hand, where binned_drift.h is for counters.
// Pure functions; NaN is passed over; values as scipy 1.x computes them (two_sample_test.cc holds them to
// it).
#pragma once

#include <span>

namespace trimtab::watch {

struct TestResult {
  double statistic = 0;
  double p = 1;  // Probability of at least this much by chance alone.
};

// max|F-G|; p by Kolmogorov's limit (scipy: ks_2samp(method="asymp") without its one-sided refinements).
TestResult kolmogorov_smirnov(std::span<const double> a, std::span<const double> b);
// ∫|F-G| dx, in the unit of the column (scipy: wasserstein_distance).
double wasserstein(std::span<const double> a, std::span<const double> b);
// sqrt(2 ∫(F-G)² dx) (scipy: energy_distance).
double energy_distance(std::span<const double> a, std::span<const double> b);
// Anderson's T (1962) with midranks (scipy: cramervonmises_2samp); no p: see binned_drift.h for a floor.
double cramer_von_mises(std::span<const double> a, std::span<const double> b);
// P(a < b) + P(a = b)/2 with its z-test (Mann & Whitney 1947, corrected for ties).
TestResult mann_whitney_auc(std::span<const double> a, std::span<const double> b);

// The unbiased squared maximum mean discrepancy with a Gaussian kernel whose width is the median distance
// (Gretton et al. 2012), p by `permutations` seeded shuffles. Rows × width; cost (rows of a + rows of b)².
struct SampleRows {
  std::span<const double> values;
  int width = 0;
};
TestResult mean_discrepancy(const SampleRows& a, const SampleRows& b, int permutations);

}  // namespace trimtab::watch
