#include "watch/estimates.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/result.h"

namespace trimtab::watch {
namespace {

constexpr double kZ95 = 1.959963984540054;

Figure nothing(std::string reason) {
  Figure figure;
  figure.reason = std::move(reason);
  return figure;
}

Figure with_error(double value, double standard_error, double least, double most) {
  return {value, std::max(least, value - kZ95 * standard_error),
          std::min(most, value + kZ95 * standard_error), ""};
}

double sum(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// Whether an answer in this bin says yes: more than half, where the bin lies on both sides by its middle.
bool says_yes(const ColumnBins& bins, std::size_t bin) {
  const std::span<const double> edges = bins.edges();
  if (edges.empty()) return false;
  if (bin == 0) return edges.front() > 0.5;
  if (bin >= edges.size()) return edges.back() >= 0.5;
  return (edges[bin - 1] + edges[bin]) / 2 >= 0.5;
}

// Neighbouring values that fall are replaced by their mean until none does.
void pool_violators(std::vector<double>& values, const std::vector<double>& weights) {
  struct Block {
    double value, weight;
    std::size_t size;
  };
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < values.size(); ++i) {
    blocks.push_back({values[i], weights[i], 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].value > blocks.back().value) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& before = blocks.back();
      const double weight = before.weight + last.weight;
      before.value = (before.value * before.weight + last.value * last.weight) / weight;
      before.weight = weight;
      before.size += last.size;
    }
  }
  std::size_t at = 0;
  for (const Block& block : blocks) {
    for (std::size_t i = 0; i < block.size; ++i) values[at++] = block.value;
  }
}

}  // namespace

std::vector<double> calibrated(const Baseline& baseline) {
  const WatchedColumn& prediction = baseline.prediction();
  std::vector<double> values;
  std::vector<double> weights;
  std::vector<std::size_t> known;
  for (std::size_t bin = 0; bin < static_cast<std::size_t>(prediction.bins.ordinary()); ++bin) {
    const auto rows = static_cast<double>(prediction.reference[bin]);
    if (rows == 0) continue;
    known.push_back(bin);
    values.push_back(baseline.truth_sums[bin] / rows);
    weights.push_back(rows);
  }
  std::vector<double> out(prediction.reference.size(), 0.5);
  if (known.empty()) return out;
  pool_violators(values, weights);
  std::size_t next = 0;
  for (std::size_t bin = 0; bin < static_cast<std::size_t>(prediction.bins.ordinary()); ++bin) {
    while (next + 1 < known.size() && known[next] < bin) ++next;
    out[bin] = values[next];
  }
  return out;
}

Figure binned_auc(std::span<const double> positives, std::span<const double> rows) {
  const double all_positives = sum(positives);
  const double all_negatives = sum(rows) - all_positives;
  if (all_positives < 1 || all_negatives < 1) return nothing("needs rows of both classes");
  double negatives_below = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double negatives = rows[i] - positives[i];
    pairs += positives[i] * (negatives_below + negatives / 2);
    negatives_below += negatives;
  }
  const double auc = pairs / (all_positives * all_negatives);
  const double q1 = auc / (2 - auc);
  const double q2 = 2 * auc * auc / (1 + auc);
  const double variance =
      (auc * (1 - auc) + (all_positives - 1) * (q1 - auc * auc) + (all_negatives - 1) * (q2 - auc * auc)) /
      (all_positives * all_negatives);
  return with_error(auc, std::sqrt(std::max(0.0, variance)), 0, 1);
}

ExpectedPerformance expect_binary(const Baseline& baseline, std::span<const std::int64_t> counts) {
  const std::vector<double> rates = calibrated(baseline);
  const auto ordinary = static_cast<std::size_t>(baseline.prediction().bins.ordinary());
  std::vector<double> rows(ordinary);
  std::vector<double> positives(ordinary);
  double right = 0;
  double brier = 0;
  double spread = 0;
  for (std::size_t bin = 0; bin < ordinary; ++bin) {
    rows[bin] = static_cast<double>(counts[bin]);
    positives[bin] = rows[bin] * rates[bin];
    right += rows[bin] * (says_yes(baseline.prediction().bins, bin) ? rates[bin] : 1 - rates[bin]);
    brier += rows[bin] * rates[bin] * (1 - rates[bin]);
    spread += rows[bin] * std::pow(rates[bin] * (1 - rates[bin]), 2);
  }
  const double all = sum(rows);
  if (all < 1) {
    const Figure none = nothing("no answers");
    return {none, none, none, none};
  }
  const auto share = [all](double hits) {
    return with_error(hits / all, std::sqrt(hits / all * (1 - hits / all) / all), 0, 1);
  };
  const double mean = brier / all;
  return {binned_auc(positives, rows), share(right),
          with_error(mean, std::sqrt(std::max(0.0, spread / all - mean * mean) / all), 0, 1),
          share(sum(positives))};
}

Figure expect_error(const Baseline& baseline, std::span<const std::uint32_t> bins, std::int64_t rows) {
  if (rows < 1 || bins.empty()) return nothing("no answers");
  if (baseline.is_any_withheld()) return nothing("columns that it is made of are kept out of the log");
  const auto all = static_cast<double>(rows);
  double value = baseline.error_mean;
  for (std::size_t i = 0; i < baseline.error_parts.size(); ++i)
    value += baseline.error_parts[i] * static_cast<double>(bins[i]) / all;
  value = std::max(0.0, value);
  // The spread of an absolute error is at least as large as its mean, for all that is known of it here.
  return with_error(value, value / std::sqrt(all), 0, INFINITY);
}

LabelShift label_shift(const Baseline& baseline, std::span<const std::int64_t> counts) {
  const WatchedColumn& prediction = baseline.prediction();
  const auto ordinary = static_cast<std::size_t>(prediction.bins.ordinary());
  double positives = 0;
  double test_rows = 0;
  double rows = 0;
  for (std::size_t bin = 0; bin < ordinary; ++bin) {
    positives += baseline.truth_sums[bin];
    test_rows += static_cast<double>(prediction.reference[bin]);
    rows += static_cast<double>(counts[bin]);
  }
  LabelShift shift;
  const double negatives = test_rows - positives;
  if (positives < 1 || negatives < 1) {
    shift.rate = nothing("the test rows were of one class");
    return shift;
  }
  shift.reference = positives / test_rows;
  if (rows < 1) {
    shift.rate = nothing("no answers");
    return shift;
  }
  double true_above = positives;
  double false_above = negatives;
  double above = rows;
  double apart = 0;
  double true_rate = 1;
  double false_rate = 1;
  double share = 1;
  for (std::size_t bin = 0; bin < ordinary; ++bin) {
    true_above -= baseline.truth_sums[bin];
    false_above -= static_cast<double>(prediction.reference[bin]) - baseline.truth_sums[bin];
    above -= static_cast<double>(counts[bin]);
    if (true_above / positives - false_above / negatives <= apart) continue;
    true_rate = true_above / positives;
    false_rate = false_above / negatives;
    apart = true_rate - false_rate;
    share = above / rows;
  }
  if (apart < LabelShift::kRatesApart) {
    shift.rate = nothing("the answers do not tell the classes apart well enough");
    return shift;
  }
  const double rate = std::clamp((share - false_rate) / apart, 0.0, 1.0);
  // Delta method: of the share above, and of the two rates, each a share of a sample.
  const double variance = share * (1 - share) / rows + rate * rate * true_rate * (1 - true_rate) / positives +
                          (1 - rate) * (1 - rate) * false_rate * (1 - false_rate) / negatives;
  shift.rate = with_error(rate, std::sqrt(variance) / apart, 0, 1);
  shift.is_beyond_chance = shift.reference < shift.rate.low || shift.reference > shift.rate.high;
  return shift;
}

Json Figure::to_json() const {
  if (!value) return Json::object({{"value", nullptr}, {"reason", reason}});
  return Json::object({{"value", *value}, {"low", low}, {"high", high}});
}

Json LabelShift::to_json() const {
  Json json = Json::object({{"reference", reference}, {"rate", rate.to_json()}});
  return json.set("beyond_chance", is_beyond_chance);
}

}  // namespace trimtab::watch
