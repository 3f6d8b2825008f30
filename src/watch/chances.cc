#include "watch/chances.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"

namespace trimtab::watch {
namespace {

constexpr int kTermsMax = 10'000;
constexpr double kTiny = 1e-300;
constexpr double kZ95 = 1.959963984540054;

// ln of x^a e^-x / Γ(a).
double log_density(double a, double x) { return a * std::log(x) - x - std::lgamma(a); }

// P(a, x) by its series; for x < a + 1.
double lower_gamma(double a, double x) {
  double term = 1 / a;
  double sum = term;
  for (int i = 1; i < kTermsMax && term > sum * 1e-17; ++i) {
    term *= x / (a + i);
    sum += term;
  }
  return sum * std::exp(log_density(a, x));
}

// ln Q(a, x) by Lentz's continued fraction; for x >= a + 1.
double log_upper_gamma(double a, double x) {
  double b = x + 1 - a;
  double c = 1 / kTiny;
  double d = 1 / b;
  double product = d;
  for (int i = 1; i < kTermsMax; ++i) {
    const double factor = -i * (i - a);
    b += 2;
    d = factor * d + b;
    if (std::abs(d) < kTiny) d = kTiny;
    c = b + factor / c;
    if (std::abs(c) < kTiny) c = kTiny;
    d = 1 / d;
    const double step = d * c;
    product *= step;
    if (std::abs(step - 1) < 1e-15) break;
  }
  return std::log(product) + log_density(a, x);
}

// The x at which the falling function `log_tail` reaches `wanted`, between the bounds.
template <class LogTail>
double where(double wanted, double low, double high, const LogTail& log_tail) {
  for (int i = 0; i < 200 && high - low > 1e-13 * std::max(1.0, std::abs(low)); ++i) {
    const double middle = (low + high) / 2;
    (log_tail(middle) > wanted ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double log_chi_square_tail(double x, double degrees) {
  CHECK(degrees > 0);
  if (!(x > 0)) return 0;
  const double a = degrees / 2;
  const double half = x / 2;
  return half < a + 1 ? std::log1p(-lower_gamma(a, half)) : log_upper_gamma(a, half);
}

double chi_square_quantile(double tail, double degrees) {
  CHECK(tail > 0 && tail < 1);
  const auto log_tail = [degrees](double x) { return log_chi_square_tail(x, degrees); };
  const double wanted = std::log(tail);
  double high = degrees + 1;
  while (log_tail(high) > wanted) high *= 2;
  return where(wanted, 0, high, log_tail);
}

double chi_mean(double degrees) {
  return std::sqrt(2.0) * std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2));
}

double log_normal_tail(double z) {
  if (z < 5) return std::log(std::erfc(z / std::sqrt(2.0)) / 2);
  // Z² is chi-square with one degree, and half of it is the tail.
  return log_chi_square_tail(z * z, 1) - std::log(2.0);
}

double normal_quantile(double tail) {
  CHECK(tail > 0 && tail < 1);
  if (tail > 0.5) return -normal_quantile(1 - tail);
  return where(std::log(tail), 0, 40, [](double z) { return log_normal_tail(z); });
}

double kolmogorov_tail(double x) {
  if (x < 0.2) return 1;
  double sum = 0;
  for (int k = 1; k <= 100; ++k) {
    const double term = std::exp(-2.0 * k * k * x * x);
    sum += k % 2 == 1 ? term : -term;
    if (term < 1e-18) break;
  }
  return std::clamp(2 * sum, 0.0, 1.0);
}

Interval wilson(double hits, double of) {
  CHECK(of > 0);
  const double share = hits / of;
  const double spread = kZ95 * kZ95 / of;
  const double centre = (share + spread / 2) / (1 + spread);
  const double half = kZ95 / (1 + spread) * std::sqrt(share * (1 - share) / of + spread / (4 * of));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace trimtab::watch
