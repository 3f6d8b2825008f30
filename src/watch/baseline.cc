#include "watch/baseline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

namespace trimtab::watch {
namespace {

constexpr std::size_t kRowsForDirections = 20'000;  // Evenly picked; covariances need no more.
constexpr int kScoreQuantiles = 40;
constexpr int kErrorPasses = 10;
constexpr double kErrorRidge = 20;  // Rows' worth of "this bin adds nothing".
constexpr const char* kPrediction = "prediction";
constexpr const char* kUnusualness = "unusualness";

// Every so-many-th row, at most `count` of them.
std::vector<double> some_rows(std::span<const double> rows, std::size_t width, std::size_t count) {
  const std::size_t all = width == 0 ? 0 : rows.size() / width;
  const std::size_t step = std::max<std::size_t>(1, (all + count - 1) / count);
  std::vector<double> picked;
  for (std::size_t row = 0; row < all; row += step) {
    const auto first = rows.begin() + static_cast<std::ptrdiff_t>(row * width);
    picked.insert(picked.end(), first, first + static_cast<std::ptrdiff_t>(width));
  }
  return picked;
}

std::vector<double> values_of(std::span<const double> rows, std::size_t width, std::size_t column) {
  std::vector<double> values;
  for (std::size_t at = column; at < rows.size(); at += width) values.push_back(rows[at]);
  return values;
}

void count_reference(WatchedColumn& column, const std::vector<double>& values) {
  column.reference.assign(static_cast<std::size_t>(column.bins.size()), 0);
  double count = 0;
  double squares = 0;
  for (const double value : values) {
    ++column.reference[static_cast<std::size_t>(column.bins.find(value))];
    if (!std::isfinite(value)) continue;
    ++count;
    const double delta = value - column.mean;
    column.mean += delta / count;
    squares += delta * (value - column.mean);
  }
  column.scale = count < 2 ? 0 : std::sqrt(squares / (count - 1));
}

WatchedColumn number_column(const char* name, ColumnKind kind, const std::vector<double>& values,
                            int quantiles) {
  WatchedColumn column;
  column.name = name;
  column.kind = kind;
  column.bins = ColumnBins::of_numbers(values, quantiles);
  count_reference(column, values);
  return column;
}

std::vector<double> unusualness_of(const Reconstruction& reconstruction, std::span<const double> rows,
                                   std::size_t width) {
  std::vector<double> errors;
  for (std::size_t at = 0; at + width <= rows.size() && width > 0; at += width)
    errors.push_back(reconstruction.error(rows.subspan(at, width)));
  return errors;
}

// Fits |truth - answer| of the test rows as a sum over the columns of what their bins add: backfitting
// (Friedman & Stuetzle 1981) with a ridge. Sums over bins can later be taken from counters alone.
void fit_errors(Baseline& baseline, const BaselineRows& rows) {
  const auto columns = static_cast<std::size_t>(baseline.width) + 1;
  std::vector<std::size_t> offsets;
  std::size_t size = 0;
  for (std::size_t i = 0; i < columns; ++i) {
    offsets.push_back(size);
    size += static_cast<std::size_t>(baseline.columns[i].bins.size());
  }
  const std::size_t count = rows.truth.size();
  std::vector<std::uint32_t> places(count * columns);
  std::vector<double> rest(count);
  double mean = 0;
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t i = 0; i < columns; ++i) {
      const double value = i + 1 < columns ? rows.test[row * (columns - 1) + i] : rows.scores[row];
      places[row * columns + i] = static_cast<std::uint32_t>(offsets[i]) +
                                  static_cast<std::uint32_t>(baseline.columns[i].bins.find(value));
    }
    rest[row] = std::abs(rows.truth[row] - rows.scores[row]);
    mean += rest[row] / static_cast<double>(count);
  }
  for (double& value : rest) value -= mean;
  baseline.error_mean = mean;
  baseline.error_parts.assign(size, 0);
  std::vector<double> sums(size);
  std::vector<double> counts(size);
  for (int pass = 0; pass < kErrorPasses; ++pass) {
    for (std::size_t i = 0; i < columns; ++i) {
      std::fill(sums.begin(), sums.end(), 0);
      std::fill(counts.begin(), counts.end(), 0);
      for (std::size_t row = 0; row < count; ++row) {
        const std::uint32_t at = places[row * columns + i];
        sums[at] += rest[row] + baseline.error_parts[at];
        ++counts[at];
      }
      const std::size_t end = i + 1 < columns ? offsets[i + 1] : size;
      std::vector<double> change(end - offsets[i]);
      for (std::size_t at = offsets[i]; at < end; ++at) {
        const double part = sums[at] / (counts[at] + kErrorRidge);
        change[at - offsets[i]] = part - baseline.error_parts[at];
        baseline.error_parts[at] = part;
      }
      for (std::size_t row = 0; row < count; ++row)
        rest[row] -= change[places[row * columns + i] - offsets[i]];
    }
  }
}

template <class Number>
Json list_json(const std::vector<Number>& values) {
  Json list = Json::array();
  for (const Number& value : values) list.push(value);
  return list;
}

tl::unexpected<Error> broken(const std::string& what) {
  return fail(ErrorCode::invalid, "a version's baseline is broken: " + what);
}

Result<std::vector<double>> numbers(const Json& json, const std::string& what) {
  std::vector<double> values;
  if (!json.is_array()) return broken(what);
  for (const Json& value : json.as_array()) {
    if (!value.is_number()) return broken(what);
    values.push_back(value.as_double());
  }
  return values;
}

Json column_json(const WatchedColumn& column) {
  Json json = Json::object({{"name", column.name}, {"bins", column.bins.to_json()}});
  json.set("reference", list_json(column.reference)).set("mean", column.mean).set("scale", column.scale);
  if (!column.levels.empty()) json.set("levels", list_json(column.levels));
  return json;
}

Result<WatchedColumn> read_column(const Json& json) {
  WatchedColumn column;
  column.name = json.text_or("name");
  column.bins = TRY(ColumnBins::from_json(json["bins"]));
  for (const double count : TRY(numbers(json["reference"], "the counts of '" + column.name + "'")))
    column.reference.push_back(static_cast<std::int64_t>(count));
  if (column.reference.size() != static_cast<std::size_t>(column.bins.size()))
    return broken("the counts of '" + column.name + "' are too few or too many");
  column.mean = json.double_or("mean");
  column.scale = json.double_or("scale");
  if (json["levels"].is_array()) {
    for (const Json& level : json["levels"].as_array())
      column.levels.push_back(level.is_string() ? level.as_string() : "");
  }
  return column;
}

}  // namespace

WatchedColumn column_of(const model::Feature& feature, const std::vector<double>& values) {
  WatchedColumn column;
  column.name = feature.name;
  if (feature.type == table::ColumnType::text) {
    column.bins = ColumnBins::of_levels(static_cast<int>(feature.levels.size()));
    const bool all_named = feature.levels.size() <= static_cast<std::size_t>(ColumnBins::kLevelsMax);
    const std::size_t named = all_named ? feature.levels.size() : ColumnBins::kLevelsMax - 1;
    column.levels.assign(feature.levels.begin(), feature.levels.begin() + static_cast<std::ptrdiff_t>(named));
  } else {
    column.bins = ColumnBins::of_numbers(values);
  }
  count_reference(column, values);
  return column;
}

Baseline Baseline::make(const std::vector<model::Feature>& features, bool binary, const BaselineRows& rows) {
  Baseline baseline;
  baseline.binary = binary;
  baseline.width = static_cast<int>(features.size());
  const std::size_t width = features.size();
  for (std::size_t i = 0; i < width; ++i)
    baseline.columns.push_back(column_of(features[i], values_of(rows.train, width, i)));
  baseline.columns.push_back(number_column(kPrediction, ColumnKind::prediction,
                                           {rows.scores.begin(), rows.scores.end()}, kScoreQuantiles));
  const std::vector<double> picked = some_rows(rows.train, width, kRowsForDirections);
  baseline.reconstruction = Reconstruction::fit(picked, baseline.width);
  baseline.columns.push_back(number_column(kUnusualness, ColumnKind::unusualness,
                                           unusualness_of(baseline.reconstruction, picked, width),
                                           ColumnBins::kQuantileBins));
  const WatchedColumn& prediction = baseline.prediction();
  baseline.truth_sums.assign(static_cast<std::size_t>(prediction.bins.size()), 0);
  for (std::size_t row = 0; row < rows.scores.size(); ++row)
    baseline.truth_sums[static_cast<std::size_t>(prediction.bins.find(rows.scores[row]))] += rows.truth[row];
  if (!binary) {
    fit_errors(baseline, rows);
    return baseline;
  }
  Result<Correction> correction =
      Correction::fit({baseline.width, rows.test, rows.scores, rows.truth}, kProbeRidge);
  if (correction) baseline.correction = std::move(*correction);
  return baseline;
}

bool Baseline::is_any_withheld() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const WatchedColumn& column) { return column.is_withheld; });
}

int Baseline::bins() const {
  int sum = 0;
  for (const WatchedColumn& column : columns) sum += column.bins.size();
  return sum;
}

Json Baseline::to_json() const {
  Json list = Json::array();
  for (const WatchedColumn& column : columns) list.push(column_json(column));
  Json json = Json::object({{"binary", binary}, {"columns", std::move(list)}});
  json.set("reconstruction", reconstruction.to_json()).set("truth_sums", list_json(truth_sums));
  if (correction) json.set("correction", correction->to_json());
  if (!binary) json.set("error_parts", list_json(error_parts)).set("error_mean", error_mean);
  return json;
}

Result<Baseline> Baseline::from_json(const Json& json) {
  Baseline baseline;
  if (!json["columns"].is_array() || json["columns"].as_array().size() < 2) return broken("no columns");
  baseline.binary = json.bool_or("binary");
  for (const Json& column : json["columns"].as_array()) baseline.columns.push_back(TRY(read_column(column)));
  baseline.width = static_cast<int>(baseline.columns.size()) - 2;
  baseline.columns[baseline.columns.size() - 2].kind = ColumnKind::prediction;
  baseline.columns.back().kind = ColumnKind::unusualness;
  baseline.reconstruction = TRY(Reconstruction::from_json(json["reconstruction"]));
  if (baseline.reconstruction.width() != baseline.width)
    return broken("its reconstruction has another width");
  baseline.truth_sums = TRY(numbers(json["truth_sums"], "truth_sums"));
  if (baseline.truth_sums.size() != baseline.prediction().reference.size()) return broken("truth_sums");
  if (!json["correction"].is_null()) baseline.correction = TRY(Correction::from_json(json["correction"]));
  if (baseline.correction && baseline.correction->width() != baseline.width)
    return broken("its correction has another width");
  if (baseline.binary) return baseline;
  baseline.error_mean = json.double_or("error_mean");
  baseline.error_parts = TRY(numbers(json["error_parts"], "error_parts"));
  const int parts = baseline.bins() - baseline.columns.back().bins.size();
  if (baseline.error_parts.size() != static_cast<std::size_t>(parts)) return broken("error_parts");
  return baseline;
}

}  // namespace trimtab::watch
