// How likely something is if nothing has changed: the distribution functions that the statistics' floors and
// verdicts rest on. Tails are given as natural logarithms, because those of large samples are too small for
// a double.
#pragma once

#include <cstdint>

namespace trimtab::watch {

// ln P(X > x) of a chi-square distribution. By the incomplete gamma function: series below the mean,
// continued fraction above (Abramowitz & Stegun 6.5.29, 6.5.31). `degrees` > 0; x <= 0 gives 0.
double log_chi_square_tail(double x, double degrees);
// The x with P(X > x) = tail; 0 < tail < 1.
double chi_square_quantile(double tail, double degrees);
// Mean of the square root of a chi-square variable: sqrt(2) Γ((k+1)/2) / Γ(k/2).
double chi_mean(double degrees);

// ln P(Z > z) of the standard normal distribution.
double log_normal_tail(double z);
// The z with P(Z > z) = tail; 0 < tail < 1.
double normal_quantile(double tail);

// P(K > x) of Kolmogorov's distribution, the limit of sqrt(nm/(n+m))·D: 2 Σ (-1)^(k-1) exp(-2k²x²).
double kolmogorov_tail(double x);

struct Interval {
  double low = 0, high = 0;
};
// Of a share, at 95 %: Wilson (1927). `of` > 0.
Interval wilson(double hits, double of);

}  // namespace trimtab::watch
