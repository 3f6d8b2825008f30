#include "heal/batch_contract.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <utility>

namespace trimtab::heal {
namespace {

constexpr double kMove = 0.15;             // Of the reference towards a clean batch …
constexpr double kCorrelationMove = 0.05;  // … and of how columns go together.
constexpr double kScaleRatioLog = 0.7;     // A column twice as wide, or half.
constexpr double kJump = 8;                // In standard deviations of rows: units, not seasons.
constexpr double kMissingMore = 0.25;      // Share of the rows.
constexpr double kCommonestMore = 0.03;
constexpr double kContinuousMax = 0.02;    // A column whose commonest value is rarer than that is continuous.
constexpr double kCorrelationBreach = 90;  // n·Σ Δr² of a column.

double quantile(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// The rows whose features are known: those that the served version answered.
std::vector<std::size_t> rows_of(const watch::LabelledBatch& batch) {
  std::vector<std::size_t> rows;
  const auto scored = batch.scores.find(batch.served_version);
  for (std::size_t row = 0; row < batch.truth.size() && scored != batch.scores.end(); ++row) {
    if (!std::isnan(scored->second[row])) rows.push_back(row);
  }
  return rows;
}

std::vector<double> column_of(const watch::LabelledBatch& batch, const std::vector<std::size_t>& rows,
                              std::size_t column) {
  std::vector<double> values;
  const auto width = static_cast<std::size_t>(batch.width);
  for (const std::size_t row : rows) {
    const double value = batch.features[row * width + column];
    if (std::isfinite(value)) values.push_back(value);
  }
  return values;
}

double commonest_share(const std::vector<double>& sorted, double rows) {
  std::size_t best = 0, run = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    run = i > 0 && sorted[i] == sorted[i - 1] ? run + 1 : 1;
    best = std::max(best, run);
  }
  return static_cast<double>(best) / rows;
}

// The same rows give the same number, in whatever order they came. Labels and times are not part of it.
std::int64_t hash_of(const watch::LabelledBatch& batch, const std::vector<std::size_t>& rows) {
  const auto width = static_cast<std::size_t>(batch.width);
  std::uint64_t sum = rows.size();
  for (const std::size_t row : rows) {
    std::uint64_t hash = 1469598103934665603U;
    for (std::size_t i = 0; i < width; ++i) {
      hash = (hash ^ std::bit_cast<std::uint64_t>(batch.features[row * width + i])) * 1099511628211U;
      hash ^= hash >> 29;
    }
    sum += hash * 0x9E3779B97F4A7C15U;
  }
  return static_cast<std::int64_t>(sum);
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
  return text;
}

Json numbers_json(const std::vector<double>& numbers) {
  Json json = Json::array();
  for (const double number : numbers) json.push(number);
  return json;
}

std::vector<double> numbers_from(const Json& json) {
  std::vector<double> numbers;
  if (!json.is_array()) return numbers;
  for (const Json& number : json.as_array()) numbers.push_back(number.as_double());
  return numbers;
}

}  // namespace

Json Breach::to_json() const {
  Json list = Json::array();
  for (const std::string& reason : reasons) list.push(reason);
  return Json::object({{"repeated", repeated}, {"reasons", std::move(list)}});
}

// Correlations of the columns clipped to their middle, so that one wild cell is not a relation.
Contract::Picture Contract::picture_of(const watch::LabelledBatch& batch,
                                       const std::vector<std::size_t>& rows) {
  Picture picture;
  const auto width = static_cast<std::size_t>(batch.width);
  const auto count = static_cast<double>(rows.size());
  std::vector<double> standard(batch.truth.size() * width, 0);
  for (std::size_t column = 0; column < width; ++column) {
    std::vector<double> values = column_of(batch, rows, column);
    std::sort(values.begin(), values.end());
    Column seen;
    seen.location = quantile(values, 0.5);
    seen.scale = (quantile(values, 0.75) - quantile(values, 0.25)) / 1.349;
    seen.missing = 1 - static_cast<double>(values.size()) / count;
    seen.commonest = commonest_share(values, count);
    for (const std::size_t row : rows) {
      const double value = batch.features[row * width + column];
      if (seen.scale > 0 && std::isfinite(value)) {
        standard[row * width + column] = std::clamp((value - seen.location) / seen.scale, -3.0, 3.0);
      }
    }
    picture.columns.push_back(seen);
  }
  std::vector<double> squares(width, 0);
  picture.correlation.assign(width * width, 0);
  for (const std::size_t row : rows) {
    for (std::size_t i = 0; i < width; ++i) {
      const double value = standard[row * width + i];
      squares[i] += value * value;
      for (std::size_t j = 0; j < i; ++j)
        picture.correlation[i * width + j] += value * standard[row * width + j];
    }
  }
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double norm = std::sqrt(squares[i] * squares[j]);
      const double together = norm > 0 ? picture.correlation[i * width + j] / norm : 0;
      picture.correlation[i * width + j] = picture.correlation[j * width + i] = together;
    }
  }
  return picture;
}

void Contract::compare(const Picture& now, double rows, Breach& breach) const {
  const std::size_t width = now.columns.size();
  for (std::size_t i = 0; i < width; ++i) {
    const Column &was = reference_.columns[i], &is = now.columns[i];
    const std::string name = "feature " + std::to_string(i + 1) + ": ";
    if (is.missing > was.missing + kMissingMore)
      breach.reasons.push_back(name + percent(is.missing) + " of the rows have no value, else " +
                               percent(was.missing));
    // Few values: what moves there is for the evidence to judge.
    if (was.commonest > kContinuousMax) continue;
    if (is.commonest > was.commonest + kCommonestMore)
      breach.reasons.push_back(name + "one value in " + percent(is.commonest) + " of the rows");
    if (was.scale <= 0) continue;
    if (is.scale <= 0 || std::abs(std::log(is.scale / was.scale)) > kScaleRatioLog ||
        std::abs(is.location - was.location) > kJump * was.scale) {
      breach.reasons.push_back(name + "other units: its middle and spread are " + Json(is.location).dump() +
                               " and " + Json(is.scale).dump() + ", else " + Json(was.location).dump() +
                               " and " + Json(was.scale).dump());
    }
    double moved = 0;
    for (std::size_t j = 0; j < width; ++j) {
      const double change = now.correlation[i * width + j] - reference_.correlation[i * width + j];
      moved += rows * change * change;
    }
    if (moved > kCorrelationBreach)
      breach.reasons.push_back(name + "it no longer goes with the other columns as before");
  }
}

void Contract::move(const Picture& now) {
  if (clean_ == 0 || reference_.columns.size() != now.columns.size()) {
    reference_ = now;
    clean_ = 1;
    return;
  }
  // The first ones count alike, later ones by kMove.
  const double share = std::max(kMove, 1 / static_cast<double>(clean_ + 1));
  const double of_correlation = std::max(kCorrelationMove, 1 / static_cast<double>(clean_ + 1));
  const auto towards = [](double& was, double is, double by) { was += by * (is - was); };
  for (std::size_t i = 0; i < now.columns.size(); ++i) {
    Column& was = reference_.columns[i];
    towards(was.location, now.columns[i].location, share);
    towards(was.scale, now.columns[i].scale, share);
    towards(was.missing, now.columns[i].missing, share);
    towards(was.commonest, now.columns[i].commonest, share);
  }
  for (std::size_t i = 0; i < now.correlation.size(); ++i) {
    towards(reference_.correlation[i], now.correlation[i], of_correlation);
  }
  ++clean_;
}

Breach Contract::look(const watch::LabelledBatch& batch) {
  Breach breach;
  const std::vector<std::size_t> rows = rows_of(batch);
  if (batch.width == 0 || rows.empty()) return breach;
  const std::int64_t hash = hash_of(batch, rows);
  breach.repeated = std::find(hashes_.begin(), hashes_.end(), hash) != hashes_.end();
  if (breach.repeated) {
    breach.reasons.push_back("the rows of an earlier batch have come again");
    return breach;
  }
  hashes_.push_back(hash);
  if (hashes_.size() > kHashesMax) hashes_.pop_front();
  if (rows.size() < kRowsMin) return breach;
  const Picture now = picture_of(batch, rows);
  const bool is_same_shape = reference_.columns.size() == now.columns.size();
  if (is_same_shape && clean_ >= kBatchesMin) compare(now, static_cast<double>(rows.size()), breach);
  if (!is_same_shape || (breach.is_broken() && ++broken_ > kBrokenMax)) {
    clean_ = 0;
    breach = {};
  }
  if (breach.is_broken()) return breach;
  broken_ = 0;
  move(now);
  return breach;
}

Json Contract::to_json() const {
  Json columns = Json::array();
  for (const Column& column : reference_.columns) {
    columns.push(numbers_json({column.location, column.scale, column.missing, column.commonest}));
  }
  Json hashes = Json::array();
  for (const std::int64_t hash : hashes_) hashes.push(hash);
  Json json = Json::object({{"columns", std::move(columns)}, {"hashes", std::move(hashes)}});
  json.set("correlation", numbers_json(reference_.correlation));
  return json.set("clean", static_cast<std::int64_t>(clean_)).set("broken", broken_);
}

Contract Contract::from_json(const Json& json) {
  Contract contract;
  if (!json["columns"].is_array()) return contract;
  for (const Json& column : json["columns"].as_array()) {
    const std::vector<double> of = numbers_from(column);
    contract.reference_.columns.push_back({of.at(0), of.at(1), of.at(2), of.at(3)});
  }
  contract.reference_.correlation = numbers_from(json["correlation"]);
  for (const Json& hash : json["hashes"].as_array()) contract.hashes_.push_back(hash.as_int());
  contract.clean_ = static_cast<std::size_t>(json.int_or("clean"));
  contract.broken_ = static_cast<int>(json.int_or("broken"));
  return contract;
}

}  // namespace trimtab::heal
