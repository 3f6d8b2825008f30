#include "watch/two_sample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "base/result.h"
#include "watch/chances.h"

namespace trimtab::watch {
namespace {

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> out;
  for (const double value : values) {
    if (!std::isnan(value)) out.push_back(value);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Walks over the different values of both samples together: visit(value, next value, F, G) with the
// distribution functions from `value` on.
template <class Visit>
void walk(const std::vector<double>& a, const std::vector<double>& b, const Visit& visit) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const double value = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    while (i < a.size() && a[i] == value) ++i;
    while (j < b.size() && b[j] == value) ++j;
    double next = value;
    if (i < a.size()) next = a[i];
    if (j < b.size() && (i == a.size() || b[j] < next)) next = b[j];
    visit(value, next, static_cast<double>(i) / static_cast<double>(a.size()),
          static_cast<double>(j) / static_cast<double>(b.size()));
  }
}

// Midranks, from 1, of the sorted union; and the sum of t³-t over groups of equals.
struct Ranks {
  std::vector<double> of_a, of_b;
  double ties = 0;
};

Ranks rank(const std::vector<double>& a, const std::vector<double>& b) {
  Ranks ranks;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const double value = j == b.size() || (i < a.size() && a[i] <= b[j]) ? a[i] : b[j];
    const std::size_t before = i + j;
    std::size_t in_a = 0;
    std::size_t in_b = 0;
    while (i < a.size() && a[i] == value) ++i, ++in_a;
    while (j < b.size() && b[j] == value) ++j, ++in_b;
    const auto group = static_cast<double>(in_a + in_b);
    const double middle = static_cast<double>(before) + (group + 1) / 2;
    ranks.of_a.insert(ranks.of_a.end(), in_a, middle);
    ranks.of_b.insert(ranks.of_b.end(), in_b, middle);
    ranks.ties += group * group * group - group;
  }
  return ranks;
}

double distance(const double* a, const double* b, int width) {
  double sum = 0;
  for (int i = 0; i < width; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// Gaussian kernel of every pair, the width by the median of the distances.
std::vector<double> kernel_of(const std::vector<double>& rows, std::size_t count, int width) {
  std::vector<double> squares(count * count);
  std::vector<double> distances;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      const double square = distance(&rows[i * static_cast<std::size_t>(width)],
                                     &rows[j * static_cast<std::size_t>(width)], width);
      squares[i * count + j] = squares[j * count + i] = square;
      distances.push_back(square);
    }
  }
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  const double median = *middle > 0 ? *middle : 1;
  for (double& square : squares) square = std::exp(-square / (2 * median));
  return squares;
}

// MMD²u when the first `m` rows of `order` are one sample and the rest the other.
double discrepancy(const std::vector<double>& kernel, const std::vector<std::size_t>& order, std::size_t m) {
  const std::size_t count = order.size();
  const std::size_t n = count - m;
  double within_a = 0;
  double within_b = 0;
  double between = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) {
      const double value = kernel[order[i] * count + order[j]];
      (j < m ? within_a : i >= m ? within_b : between) += value;
    }
  }
  const auto pairs = [](std::size_t size) { return static_cast<double>(size * (size - 1)) / 2; };
  return within_a / pairs(m) + within_b / pairs(n) - 2 * between / static_cast<double>(m * n);
}

}  // namespace

TestResult kolmogorov_smirnov(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = sorted(a);
  const std::vector<double> y = sorted(b);
  if (x.empty() || y.empty()) return {};
  double most = 0;
  walk(x, y, [&most](double, double, double f, double g) { most = std::max(most, std::abs(f - g)); });
  const double rows = static_cast<double>(x.size()) * static_cast<double>(y.size()) /
                      static_cast<double>(x.size() + y.size());
  return {most, kolmogorov_tail(std::sqrt(rows) * most)};
}

double wasserstein(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = sorted(a);
  const std::vector<double> y = sorted(b);
  if (x.empty() || y.empty()) return 0;
  double sum = 0;
  walk(x, y, [&sum](double at, double next, double f, double g) { sum += std::abs(f - g) * (next - at); });
  return sum;
}

double energy_distance(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = sorted(a);
  const std::vector<double> y = sorted(b);
  if (x.empty() || y.empty()) return 0;
  double sum = 0;
  walk(x, y, [&sum](double at, double next, double f, double g) { sum += (f - g) * (f - g) * (next - at); });
  return std::sqrt(2 * sum);
}

double cramer_von_mises(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = sorted(a);
  const std::vector<double> y = sorted(b);
  if (x.empty() || y.empty()) return 0;
  const Ranks ranks = rank(x, y);
  const auto n = static_cast<double>(x.size());
  const auto m = static_cast<double>(y.size());
  double u = 0;
  for (std::size_t i = 0; i < ranks.of_a.size(); ++i) {
    const double off = ranks.of_a[i] - static_cast<double>(i + 1);
    u += n * off * off;
  }
  for (std::size_t j = 0; j < ranks.of_b.size(); ++j) {
    const double off = ranks.of_b[j] - static_cast<double>(j + 1);
    u += m * off * off;
  }
  const double k = n * m;
  return u / (k * (n + m)) - (4 * k - 1) / (6 * (n + m));
}

TestResult mann_whitney_auc(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> x = sorted(a);
  const std::vector<double> y = sorted(b);
  if (x.empty() || y.empty()) return {0.5, 1};
  const Ranks ranks = rank(x, y);
  const auto n = static_cast<double>(x.size());
  const auto m = static_cast<double>(y.size());
  const double sum = std::accumulate(ranks.of_b.begin(), ranks.of_b.end(), 0.0);
  const double u = sum - m * (m + 1) / 2;
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ranks.ties / (all * (all - 1)));
  if (variance <= 0) return {0.5, 1};
  const double z = std::abs(u - n * m / 2) / std::sqrt(variance);
  return {u / (n * m), std::min(1.0, 2 * std::exp(log_normal_tail(z)))};
}

TestResult mean_discrepancy(const SampleRows& a, const SampleRows& b, int permutations) {
  CHECK(a.width == b.width && a.width > 0);
  const auto width = static_cast<std::size_t>(a.width);
  const std::size_t m = a.values.size() / width;
  const std::size_t n = b.values.size() / width;
  if (m < 2 || n < 2) return {};
  std::vector<double> rows(a.values.begin(), a.values.end());
  rows.insert(rows.end(), b.values.begin(), b.values.end());
  const std::vector<double> kernel = kernel_of(rows, m + n, a.width);
  std::vector<std::size_t> order(m + n);
  std::iota(order.begin(), order.end(), 0);
  TestResult result;
  result.statistic = discrepancy(kernel, order, m);
  std::mt19937_64 random(1);
  int as_large = 1;
  for (int i = 0; i < permutations; ++i) {
    std::shuffle(order.begin(), order.end(), random);
    if (discrepancy(kernel, order, m) >= result.statistic) ++as_large;
  }
  result.p = static_cast<double>(as_large) / (permutations + 1);
  return result;
}

}  // namespace trimtab::watch
