#include "judge/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/diagnostics.h"

namespace trimtab::judge {
namespace {

constexpr double kStandardErrors = 1.96;  // Of a 95 % interval of the normal distribution.
constexpr double kLogLossClip = 1e-15;
constexpr int kEceBins = 10;

using Numbers = std::span<const double>;

Measure no_value(std::string reason) {
  Measure measure;
  measure.reason = std::move(reason);
  return measure;
}

struct MeanAndError {
  double mean = 0;
  double standard_error = 0;  // Infinite below two rows, where nothing is known about the spread.
};

// Two passes: the sum of squares of one pass loses the spread of large values that are nearly equal.
template <class ValueAt>
MeanAndError mean_and_error(std::size_t rows, const ValueAt& value_at) {
  MeanAndError result;
  for (std::size_t i = 0; i < rows; ++i) result.mean += value_at(i);
  result.mean /= static_cast<double>(rows);
  double squares = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double away = value_at(i) - result.mean;
    squares += away * away;
  }
  const auto count = static_cast<double>(rows);
  result.standard_error =
      rows < 2 ? std::numeric_limits<double>::infinity() : std::sqrt(squares / (count - 1) / count);
  return result;
}

template <class ValueAt>
Measure measure_of_mean(std::size_t rows, const ValueAt& value_at) {
  const MeanAndError found = mean_and_error(rows, value_at);
  Measure measure;
  measure.value = found.mean;
  if (rows >= 2) {
    measure.low = found.mean - kStandardErrors * found.standard_error;
    measure.high = found.mean + kStandardErrors * found.standard_error;
  }
  return measure;
}

// Rows that are 1, and the sum of their ranks by score, where equal scores share the middle of their ranks.
struct Ranks {
  double positives = 0;
  double sum = 0;
};

Ranks rank_positives(Numbers truth, Numbers score) {
  std::vector<std::uint32_t> order(truth.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return score[a] < score[b]; });
  Ranks ranks;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t past = first;
    double positives = 0;
    while (past < order.size() && score[order[past]] == score[order[first]])
      positives += truth[order[past++]];
    ranks.positives += positives;
    ranks.sum += positives * (static_cast<double>(first + past) + 1) / 2;
    first = past;
  }
  return ranks;
}

Measure measure_auc(Numbers truth, Numbers score) {
  const Ranks ranks = rank_positives(truth, score);
  const double positives = ranks.positives;
  const double negatives = static_cast<double>(truth.size()) - positives;
  if (positives == 0 || negatives == 0) {
    return no_value("all " + std::to_string(truth.size()) + " rows are of one class");
  }
  const double area = (ranks.sum - positives * (positives + 1) / 2) / (positives * negatives);
  const double q1 = area / (2 - area);
  const double q2 = 2 * area * area / (1 + area);
  const double variance =
      (area * (1 - area) + (positives - 1) * (q1 - area * area) + (negatives - 1) * (q2 - area * area)) /
      (positives * negatives);
  const double reach = kStandardErrors * std::sqrt(std::max(0.0, variance));
  Measure measure;
  measure.value = area;
  measure.low = std::max(0.0, area - reach);
  measure.high = std::min(1.0, area + reach);
  return measure;
}

Measure measure_log_loss(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(), [&](std::size_t i) {
    const double chance = std::clamp(score[i], kLogLossClip, 1 - kLogLossClip);
    return truth[i] == 1 ? -std::log(chance) : -std::log1p(-chance);
  });
}

Measure measure_squared_error(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(), [&](std::size_t i) {
    const double off = score[i] - truth[i];
    return off * off;
  });
}

Measure measure_ece(Numbers truth, Numbers score) {
  std::array<double, kEceBins> scores{};
  std::array<double, kEceBins> truths{};
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const auto bin = static_cast<std::size_t>(std::clamp(score[i] * kEceBins, 0.0, kEceBins - 1.0));
    scores[bin] += score[i];
    truths[bin] += truth[i];
  }
  double sum = 0;  // n_bin / n · |mean score - rate| = |sum of scores - sum of truths| / n
  for (std::size_t bin = 0; bin < kEceBins; ++bin) sum += std::abs(scores[bin] - truths[bin]);
  Measure measure;
  measure.value = sum / static_cast<double>(truth.size());
  return measure;
}

Measure measure_accuracy(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(),
                         [&](std::size_t i) { return (score[i] >= 0.5) == (truth[i] == 1) ? 1.0 : 0.0; });
}

Measure measure_rate(Numbers truth, Numbers) {
  return measure_of_mean(truth.size(), [&](std::size_t i) { return truth[i]; });
}

Measure measure_mean_score(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(), [&](std::size_t i) { return score[i]; });
}

// The root keeps the order, so the interval's ends are the roots of the ends.
Measure measure_rmse(Numbers truth, Numbers score) {
  Measure measure = measure_squared_error(truth, score);
  for (std::optional<double>* each : {&measure.value, &measure.low, &measure.high}) {
    if (*each) *each = std::sqrt(std::max(0.0, **each));
  }
  return measure;
}

Measure measure_mae(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(), [&](std::size_t i) { return std::abs(score[i] - truth[i]); });
}

Measure measure_bias(Numbers truth, Numbers score) {
  return measure_of_mean(truth.size(), [&](std::size_t i) { return score[i] - truth[i]; });
}

struct Metric {
  std::string_view name;
  bool binary;
  Measure (*measure)(Numbers truth, Numbers score);
};

constexpr Metric kMetrics[] = {
    {"auc", true, measure_auc},
    {"log_loss", true, measure_log_loss},
    {"brier", true, measure_squared_error},
    {"ece", true, measure_ece},
    {"accuracy", true, measure_accuracy},
    {"rate", true, measure_rate},
    {"mean_score", true, measure_mean_score},
    {"rmse", false, measure_rmse},
    {"mae", false, measure_mae},
    {"bias", false, measure_bias},
};

std::vector<std::string> names_of(bool binary) {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) {
    if (metric.binary == binary) names.emplace_back(metric.name);
  }
  return names;
}

Error unknown_metric(std::string_view name) {
  std::vector<std::string> all = metric_names(true);
  all.insert(all.end(), metric_names(false).begin(), metric_names(false).end());
  std::string hint = base::did_you_mean(name, all);
  if (hint.empty()) {
    hint = "metrics are ";
    for (const std::string& each : all) hint += (&each == &all.front() ? "" : ", ") + each;
  }
  return Error{ErrorCode::invalid, "there is no metric '" + std::string(name) + "'", hint, std::nullopt,
               nullptr};
}

// Why no figure can come from these rows; "" when one can.
std::string unusable(const Metric& metric, Numbers truth, Numbers score) {
  if (truth.empty()) return "no rows";
  std::size_t broken = 0;
  std::size_t strange = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    if (!std::isfinite(score[i])) ++broken;
    if (metric.binary ? truth[i] != 0 && truth[i] != 1 : !std::isfinite(truth[i])) ++strange;
  }
  const std::string of_rows = " of " + std::to_string(truth.size()) + " rows have a ";
  if (broken > 0) return std::to_string(broken) + of_rows + "score that is no number";
  if (strange > 0)
    return std::to_string(strange) + of_rows + "truth that is " +
           (metric.binary ? "neither 0 nor 1" : "no number");
  return "";
}

}  // namespace

Json Measure::to_json() const {
  Json json = Json::object();
  if (value) json.set("value", *value);
  if (low) json.set("low", *low);
  if (high) json.set("high", *high);
  if (!reason.empty()) json.set("reason", reason);
  return json;
}

Result<Measure> Measure::from_json(const Json& json) {
  if (!json.is_object()) return fail(ErrorCode::invalid, "a measure is an object");
  Measure measure;
  const auto number = [&](std::string_view name, std::optional<double>& to) {
    const Json* found = json.find(name);
    if (found != nullptr && found->is_number()) to = found->as_double();
  };
  number("value", measure.value);
  number("low", measure.low);
  number("high", measure.high);
  measure.reason = json.text_or("reason");
  return measure;
}

Result<Measure> measure(std::string_view name, std::span<const double> truth, std::span<const double> score) {
  CHECK(truth.size() == score.size());
  for (const Metric& metric : kMetrics) {
    if (metric.name != name) continue;
    std::string reason = unusable(metric, truth, score);
    return reason.empty() ? metric.measure(truth, score) : no_value(std::move(reason));
  }
  return fail(unknown_metric(name));
}

const std::vector<std::string>& metric_names(bool binary) {
  static const std::vector<std::string> binary_names = names_of(true);
  static const std::vector<std::string> regression_names = names_of(false);
  return binary ? binary_names : regression_names;
}

PairedDifference paired_difference(std::span<const double> a, std::span<const double> b) {
  CHECK(a.size() == b.size());
  PairedDifference difference;
  if (a.empty()) return difference;
  const MeanAndError found = mean_and_error(a.size(), [&](std::size_t i) { return a[i] - b[i]; });
  difference.rows = static_cast<std::int64_t>(a.size());
  difference.mean = found.mean;
  difference.standard_error = found.standard_error;
  return difference;
}

void row_losses(std::span<const double> truth, std::span<const double> score, std::vector<double>& out) {
  CHECK(truth.size() == score.size());
  out.resize(truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double off = score[i] - truth[i];
    out[i] = off * off;
  }
}

}  // namespace trimtab::judge
