#include "watch/binned_drift.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <utility>

#include "base/result.h"
#include "watch/chances.h"

namespace trimtab::watch {
namespace {

using Counts = std::vector<double>;

double total(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), 0.0); }

// Counts of both sides on bins that are all frequent enough.
struct Joined {
  Counts reference, current;
};

// Of a bin with so many rows in both together, the smaller side can expect so many.
double expected_min(double both, double n, double m) { return both * std::min(n, m) / (n + m); }

// Neighbours become one until enough can be expected of it; what is left over at the end joins the last.
Joined join_rare(const Counts& reference, const Counts& current) {
  const double m = total(reference);
  const double n = total(current);
  Joined joined;
  double p = 0;
  double q = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    p += reference[i];
    q += current[i];
    if (expected_min(p + q, n, m) < kExpectedMin) continue;
    joined.reference.push_back(std::exchange(p, 0));
    joined.current.push_back(std::exchange(q, 0));
  }
  if (p + q > 0 && !joined.reference.empty()) {
    joined.reference.back() += p;
    joined.current.back() += q;
  }
  return joined;
}

// Standard normal numbers, the same for every column: what is compared must not hang on the order of columns.
const std::vector<double>& noise(std::size_t width) {
  static constexpr std::size_t kWidthMax = ColumnBins::kLevelsMax + 2;
  CHECK(width <= kWidthMax);
  static const std::vector<double> numbers = [] {
    std::mt19937_64 random(20130401);
    std::normal_distribution<double> normal;
    std::vector<double> drawn(kWidthMax * kDraws);
    for (double& number : drawn) number = normal(random);
    return drawn;
  }();
  return numbers;
}

// A statistic of the difference of two vectors of shares that is homogeneous: f(c·d) = c^power·f(d).
struct Shape {
  std::function<double(std::span<const double> difference)> of;
  double power = 1;
};

// What `shape` is of differences that chance alone makes, for samples of n and m rows of the shares `pooled`.
Measured under_chance(const Shape& shape, const Counts& pooled, double n, double m) {
  const std::vector<double>& numbers = noise(pooled.size());
  const std::size_t width = pooled.size();
  std::vector<double> roots(width);
  for (std::size_t i = 0; i < width; ++i) roots[i] = std::sqrt(pooled[i]);
  std::vector<double> drawn(kDraws);
  std::vector<double> difference(width);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += roots[i] * numbers[draw * width + i];
    for (std::size_t i = 0; i < width; ++i)
      difference[i] = roots[i] * numbers[draw * width + i] - pooled[i] * sum;
    drawn[draw] = shape.of(difference);
  }
  const double scale = std::pow(1 / n + 1 / m, shape.power / 2);
  Measured chance;
  chance.expected = scale * std::accumulate(drawn.begin(), drawn.end(), 0.0) / kDraws;
  const auto at = drawn.begin() + static_cast<std::ptrdiff_t>((1 - kFloorTail) * kDraws);
  std::nth_element(drawn.begin(), at, drawn.end());
  chance.floor = scale * *at;
  return chance;
}

Measured measure(const Shape& shape, const Counts& p, const Counts& q, const Counts& pooled, double n,
                 double m) {
  Measured measured = under_chance(shape, pooled, n, m);
  std::vector<double> difference(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) difference[i] = q[i] - p[i];
  measured.value = shape.of(difference);
  return measured;
}

Counts shares(const Counts& counts, double added) {
  const double all = total(counts) + added * static_cast<double>(counts.size());
  Counts out;
  for (const double count : counts) out.push_back((count + added) / all);
  return out;
}

double chi_square_of(const Counts& reference, const Counts& current) {
  const double m = total(reference);
  const double n = total(current);
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double both = reference[i] + current[i];
    const double p = both * m / (n + m);
    const double q = both * n / (n + m);
    sum += (reference[i] - p) * (reference[i] - p) / p + (current[i] - q) * (current[i] - q) / q;
  }
  return sum;
}

double psi_of(const Counts& p, const Counts& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += (q[i] - p[i]) * std::log(q[i] / p[i]);
  return sum;
}

double jensen_shannon_of(const Counts& p, const Counts& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double middle = (p[i] + q[i]) / 2;
    if (p[i] > 0) sum += p[i] * std::log(p[i] / middle) / 2;
    if (q[i] > 0) sum += q[i] * std::log(q[i] / middle) / 2;
  }
  return std::sqrt(std::max(0.0, sum));
}

double hellinger_of(const Counts& p, const Counts& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double root = std::sqrt(p[i]) - std::sqrt(q[i]);
    sum += root * root / 2;
  }
  return std::sqrt(sum);
}

double largest(std::span<const double> difference) {
  double most = 0;
  for (const double d : difference) most = std::max(most, std::abs(d));
  return most;
}

double half_sum(std::span<const double> difference) {
  double sum = 0;
  for (const double d : difference) sum += std::abs(d) / 2;
  return sum;
}

// max|F-G| at the edges.
double largest_of_sums(std::span<const double> difference) {
  double at = 0;
  double most = 0;
  for (const double d : difference) most = std::max(most, std::abs(at += d));
  return most;
}

// ∫|a + (b-a)t| dt over a stretch of this width.
double area(double a, double b, double width) {
  if ((a < 0) == (b < 0) || a == b) return width * std::abs(a + b) / 2;
  return width * (a * a + b * b) / (2 * std::abs(a - b));
}

// Columns of whole numbers, flags among them, show it by their bins: they begin at whole numbers, and so does
// what the last one ends with.
bool holds_whole_numbers(std::span<const double> edges) {
  const double greatest = std::nextafter(edges.back(), -INFINITY);
  return greatest == std::floor(greatest) &&
         std::all_of(edges.begin(), edges.end() - 1, [](double edge) { return edge == std::floor(edge); });
}

// ∫|F-G| over one bin, where F-G grows from `at` by `by`. Rows lie evenly within a bin: on every point of it,
// or on its whole numbers, where F-G is a stair whose first step is at the bin's beginning. Nothing is left
// of the last bin behind its greatest number.
double area_of_bin(double at, double by, double width, bool is_whole, bool is_last) {
  if (!is_whole) return area(at, at + by, width);
  const double steps = is_last ? std::round(width) : width;
  const double numbers = is_last ? steps + 1 : steps;
  const double half = by / numbers / 2;
  if (steps == 1) return std::abs(at + 2 * half);
  return area(at + half, at + half + by * steps / numbers, steps);
}

void measure_quadratic(BinnedDrift& drift, const Joined& joined, double n, double m) {
  const double degrees = drift.bins - 1;
  const double quantile = chi_square_quantile(kFloorTail, degrees);
  const double scale = 1 / n + 1 / m;
  drift.chi_square = {chi_square_of(joined.reference, joined.current), degrees, quantile};
  drift.log_p = log_chi_square_tail(drift.chi_square.value, degrees);
  const Counts p = shares(joined.reference, 0);
  const Counts q = shares(joined.current, 0);
  drift.psi = {psi_of(shares(joined.reference, 0.5), shares(joined.current, 0.5)), scale * degrees,
               scale * quantile};
  const Measured eighth{0, std::sqrt(scale / 8) * chi_mean(degrees), std::sqrt(scale * quantile / 8)};
  drift.jensen_shannon = {jensen_shannon_of(p, q), eighth.expected, eighth.floor};
  drift.hellinger = {hellinger_of(p, q), eighth.expected, eighth.floor};
}

// Of the rows that have a number, on all ordinary bins: sums over bins need no frequent ones.
void measure_ordered(BinnedDrift& drift, const ColumnBins& bins, const Counts& reference,
                     const Counts& current, double spread) {
  const double m = total(reference);
  const double n = total(current);
  if (m <= 0 || n <= 0 || bins.edges().size() < 2) return;
  const Counts p = shares(reference, 0);
  const Counts q = shares(current, 0);
  Counts pooled;
  for (std::size_t i = 0; i < p.size(); ++i) pooled.push_back((reference[i] + current[i]) / (m + n));
  drift.kolmogorov_smirnov = measure({largest_of_sums, 1}, p, q, pooled, n, m);
  const auto squares = [&pooled](std::span<const double> difference) {
    double at = 0;
    double sum = 0;
    for (std::size_t i = 0; i < difference.size(); ++i) {
      at += difference[i];
      sum += at * at * pooled[i];
    }
    return sum;
  };
  drift.cramer_von_mises = measure({squares, 2}, p, q, pooled, n, m);
  if (!(spread > 0)) return;
  const bool is_whole = holds_whole_numbers(bins.edges());
  const auto areas = [&bins, spread, is_whole](std::span<const double> difference) {
    const std::span<const double> edges = bins.edges();
    double at = difference[0];
    double sum = 0;
    for (std::size_t i = 1; i < edges.size(); ++i) {
      sum += area_of_bin(at, difference[i], edges[i] - edges[i - 1], is_whole, i + 1 == edges.size());
      at += difference[i];
    }
    return sum / spread;
  };
  drift.wasserstein = measure({areas, 1}, p, q, pooled, n, m);
}

}  // namespace

namespace {

// Both sides on frequent bins, with what is measured of them at once. Fewer than two bins: nothing is.
Joined begin(BinnedDrift& drift, std::span<const std::int64_t> reference,
             std::span<const std::int64_t> current) {
  CHECK(reference.size() == current.size());
  const Counts all_reference(reference.begin(), reference.end());
  const Counts all_current(current.begin(), current.end());
  drift.reference_rows = static_cast<std::int64_t>(total(all_reference));
  drift.current_rows = static_cast<std::int64_t>(total(all_current));
  if (drift.reference_rows == 0 || drift.current_rows == 0) return {};
  Joined joined = join_rare(all_reference, all_current);
  drift.bins = static_cast<int>(joined.reference.size());
  if (drift.bins >= 2) measure_quadratic(drift, joined, total(all_current), total(all_reference));
  return joined;
}

}  // namespace

BinnedDrift quadratic_drift(std::span<const std::int64_t> reference, std::span<const std::int64_t> current) {
  BinnedDrift drift;
  begin(drift, reference, current);
  return drift;
}

BinnedDrift binned_drift(const ColumnBins& bins, std::span<const std::int64_t> reference,
                         std::span<const std::int64_t> current, double scale) {
  CHECK(reference.size() == static_cast<std::size_t>(bins.size()));
  BinnedDrift drift;
  const Joined joined = begin(drift, reference, current);
  if (drift.bins < 2) return drift;
  const double m = total(joined.reference);
  const double n = total(joined.current);
  const Counts p = shares(joined.reference, 0);
  const Counts q = shares(joined.current, 0);
  Counts pooled;
  for (std::size_t i = 0; i < p.size(); ++i)
    pooled.push_back((joined.reference[i] + joined.current[i]) / (m + n));
  drift.l_infinity = measure({largest, 1}, p, q, pooled, n, m);
  drift.total_variation = measure({half_sum, 1}, p, q, pooled, n, m);
  if (!bins.is_ordered()) return drift;
  const auto ordinary = static_cast<std::size_t>(bins.ordinary());
  const auto numbers = [ordinary](std::span<const std::int64_t> counts) {
    const std::span<const std::int64_t> of_numbers = counts.first(ordinary);
    return Counts(of_numbers.begin(), of_numbers.end());
  };
  measure_ordered(drift, bins, numbers(reference), numbers(current), scale);
  return drift;
}

Json Measured::to_json() const {
  return Json::object({{"value", value}, {"expected", expected}, {"floor", floor}});
}

Json BinnedDrift::to_json() const {
  Json json = Json::object({{"psi", psi.to_json()}, {"jensen_shannon", jensen_shannon.to_json()}});
  json.set("hellinger", hellinger.to_json()).set("chi_square", chi_square.to_json());
  json.set("l_infinity", l_infinity.to_json()).set("total_variation", total_variation.to_json());
  if (kolmogorov_smirnov) json.set("kolmogorov_smirnov", kolmogorov_smirnov->to_json());
  if (wasserstein) json.set("wasserstein", wasserstein->to_json());
  if (cramer_von_mises) json.set("cramer_von_mises", cramer_von_mises->to_json());
  return json;
}

}  // namespace trimtab::watch
