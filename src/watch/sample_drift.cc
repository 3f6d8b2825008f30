#include "watch/sample_drift.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "watch/two_sample.h"

namespace trimtab::watch {
namespace {

constexpr int kDeals = 199;
constexpr double kStrange = 0.01;  // So rare is what is called beyond chance.
constexpr double kFarthest = 1e3;  // Standard deviations; an infinite value lies there.

// The four statistics, in this order wherever they stand in a row.
using FourFigures = std::array<double, 4>;

// Both samples as one rising list; equal values are one group.
class PooledColumn {
 public:
  PooledColumn(const std::vector<double>& reference, const std::vector<double>& current)
      : rows_(static_cast<double>(reference.size())), others_(static_cast<double>(current.size())) {
    std::vector<std::pair<double, bool>> all;
    for (const double value : reference) all.emplace_back(value, true);
    for (const double value : current) all.emplace_back(value, false);
    std::sort(all.begin(), all.end());
    for (const auto& [value, is_reference] : all) {
      values_.push_back(value);
      dealt_.push_back(is_reference);
    }
  }

  void deal_anew(std::mt19937_64& random) { std::shuffle(dealt_.begin(), dealt_.end(), random); }

  // Of the samples as they are dealt now.
  FourFigures figures() const {
    FourFigures sums{};
    double before = 0;  // Rows of the reference and of the other sample that have been passed.
    double others_before = 0;
    double ranks = 0;
    for (std::size_t begin = 0; begin < values_.size();) {
      std::size_t end = begin;
      double here = 0;
      while (end < values_.size() && values_[end] == values_[begin]) here += dealt_[end++];
      const double others_here = static_cast<double>(end - begin) - here;
      const double middle = before + others_before + (here + others_here + 1) / 2;
      ranks += rows_ * squares_to(middle - before, here) +
               others_ * squares_to(middle - others_before, others_here);
      before += here;
      others_before += others_here;
      const double apart = std::abs(before / rows_ - others_before / others_);
      const double width = end < values_.size() ? values_[end] - values_[begin] : 0;
      sums[0] = std::max(sums[0], apart);
      sums[1] += apart * width;
      sums[2] += apart * apart * width;
      begin = end;
    }
    const double pairs = rows_ * others_;
    const double all = rows_ + others_;
    return {sums[0], sums[1], std::sqrt(2 * sums[2]), ranks / (pairs * all) - (4 * pairs - 1) / (6 * all)};
  }

 private:
  // Σ (d - k)² over k from 1 to `count`.
  static double squares_to(double d, double count) {
    return count * d * d - d * count * (count + 1) + count * (count + 1) * (2 * count + 1) / 6;
  }

  double rows_, others_;
  std::vector<double> values_;
  std::vector<char> dealt_;  // 1: to the reference.
};

double standard_deviation(const std::vector<double>& values) {
  double mean = 0;
  double squares = 0;
  double count = 0;
  for (const double value : values) {
    const double delta = value - mean;
    mean += delta / ++count;
    squares += delta * (value - mean);
  }
  return count < 2 ? 0 : std::sqrt(squares / (count - 1));
}

// The figures of the samples as they are, in `unit`s, and what they are when the rows are dealt at random.
void measure_column(const std::vector<double>& reference, const std::vector<double>& current,
                    UnbinnedDrift& drift) {
  const double deviation = standard_deviation(reference);
  const double unit = deviation > 0 ? deviation : 1;
  const FourFigures units = {1, unit, std::sqrt(unit), 1};
  const std::array<Measured*, 4> measured = {&drift.kolmogorov_smirnov, &drift.wasserstein, &drift.energy,
                                             &drift.cramer_von_mises};
  PooledColumn pooled(reference, current);
  const FourFigures found = pooled.figures();
  std::array<std::vector<double>, 4> by_chance;
  std::mt19937_64 random(1);
  for (int deal = 0; deal < kDeals; ++deal) {
    pooled.deal_anew(random);
    const FourFigures figures = pooled.figures();
    for (std::size_t i = 0; i < figures.size(); ++i) by_chance[i].push_back(figures[i] / units[i]);
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::vector<double>& chance = by_chance[i];
    double sum = 0;
    for (const double value : chance) sum += value / kDeals;
    std::sort(chance.begin(), chance.end());
    *measured[i] = {found[i] / units[i], sum,
                    chance[chance.size() - static_cast<std::size_t>(kStrange * (kDeals + 1))]};
  }
  drift.kolmogorov_p = kolmogorov_smirnov(reference, current).p;
}

// At most so many rows, evenly; and their finite numbers of one column.
struct ThinnedRows {
  std::span<const double> values;
  std::size_t width;
  std::size_t step;

  ThinnedRows(std::span<const double> all, std::size_t columns, std::int64_t most)
      : values(all),
        width(columns),
        step((all.size() / columns + static_cast<std::size_t>(most) - 1) / static_cast<std::size_t>(most)) {
    step = std::max<std::size_t>(step, 1);
  }

  std::int64_t size() const { return static_cast<std::int64_t>((values.size() / width + step - 1) / step); }
  double at(std::int64_t row, std::size_t column) const {
    return values[static_cast<std::size_t>(row) * step * width + column];
  }
  std::vector<double> numbers(std::size_t column) const {
    std::vector<double> out;
    for (std::int64_t row = 0; row < size(); ++row) {
      if (std::isfinite(at(row, column))) out.push_back(at(row, column));
    }
    return out;
  }
};

// One column of both samples as numbers that can be compared with those of any other column. A text is its
// frequency; of missing values there are two kinds, told apart by their bits.
std::vector<double> comparable(std::vector<double> values, bool is_text) {
  if (is_text) {
    std::map<std::uint64_t, double> counts;
    const auto bits = [](double value) {
      std::uint64_t out = 0;
      std::memcpy(&out, &value, sizeof out);
      return out;
    };
    for (const double value : values) ++counts[bits(value)];
    for (double& value : values) value = counts[bits(value)] / static_cast<double>(values.size());
  }
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  const double deviation = standard_deviation(finite);
  double mean = 0;
  for (const double value : finite) mean += value / static_cast<double>(finite.size());
  for (double& value : values) {
    if (std::isnan(value) || !(deviation > 0)) {
      value = 0;
    } else {
      value = std::clamp((value - mean) / deviation, -kFarthest, kFarthest);
    }
  }
  return values;
}

Discrepancy discrepancy_of(const RowPair& rows) {
  const std::size_t width = rows.names.size();
  const ThinnedRows reference(rows.reference, width, kPairedRowsMax);
  const ThinnedRows current(rows.current, width, kPairedRowsMax);
  Discrepancy found;
  found.reference_rows = reference.size();
  found.rows = current.size();
  if (std::min(found.reference_rows, found.rows) < kSampleRowsMin) return found;
  const auto count = static_cast<std::size_t>(found.reference_rows + found.rows);
  std::vector<double> all(count * width);
  for (std::size_t column = 0; column < width; ++column) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < found.reference_rows; ++i) values.push_back(reference.at(i, column));
    for (std::int64_t i = 0; i < found.rows; ++i) values.push_back(current.at(i, column));
    const bool is_text = std::ranges::count(rows.categorical, static_cast<int>(column)) > 0;
    values = comparable(std::move(values), is_text);
    for (std::size_t i = 0; i < count; ++i) all[i * width + column] = values[i];
  }
  const std::span<const double> whole(all);
  const std::size_t split = static_cast<std::size_t>(found.reference_rows) * width;
  const TestResult test = mean_discrepancy({whole.first(split), static_cast<int>(width)},
                                           {whole.subspan(split), static_cast<int>(width)}, kDeals);
  found.value = test.statistic;
  found.p = test.p;
  found.is_beyond_chance = test.p <= kStrange;
  return found;
}

}  // namespace

SampleDrift compare_samples(const RowPair& rows) {
  const std::size_t width = rows.names.size();
  CHECK(width > 0);
  SampleDrift drift;
  const ThinnedRows reference(rows.reference, width, kSampleRowsMax);
  const ThinnedRows current(rows.current, width, kSampleRowsMax);
  for (std::size_t column = 0; column < width; ++column) {
    if (std::ranges::count(rows.categorical, static_cast<int>(column)) > 0) continue;
    const std::vector<double> before = reference.numbers(column);
    const std::vector<double> now = current.numbers(column);
    if (std::min(std::ssize(before), std::ssize(now)) < kSampleRowsMin) continue;
    UnbinnedDrift& one = drift.columns.emplace_back();
    one.name = rows.names[column];
    one.reference_rows = std::ssize(before);
    one.rows = std::ssize(now);
    measure_column(before, now, one);
  }
  drift.discrepancy = discrepancy_of(rows);
  return drift;
}

Json SampleDrift::to_json() const {
  Json list = Json::array();
  for (const UnbinnedDrift& column : columns) {
    Json json = Json::object({{"name", column.name}, {"rows", column.rows}});
    json.set("reference_rows", column.reference_rows);
    json.set("kolmogorov_smirnov", column.kolmogorov_smirnov.to_json().set("p", column.kolmogorov_p));
    json.set("wasserstein", column.wasserstein.to_json()).set("energy", column.energy.to_json());
    list.push(json.set("cramer_von_mises", column.cramer_von_mises.to_json()));
  }
  Json whole = Json::object({{"mmd", discrepancy.value}, {"p", discrepancy.p}});
  whole.set("verdict", discrepancy.is_beyond_chance ? "apart" : "same").set("rows", discrepancy.rows);
  whole.set("reference_rows", discrepancy.reference_rows);
  return Json::object({{"columns", std::move(list)}, {"whole_rows", std::move(whole)}});
}

}  // namespace trimtab::watch
