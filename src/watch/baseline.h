// What a version's columns, answers and errors were like when it was trained: what its days in service are
// held against. Made once from the training frame, kept in the artifact (baseline.json, "watch"), never
// changed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/recipe.h"
#include "watch/column_bins.h"
#include "watch/correction.h"
#include "watch/reconstruction.h"

namespace trimtab::watch {

// feature: as the learner sees it. prediction: what is answered. unusualness: Reconstruction::error of a row.
enum class ColumnKind : std::uint8_t { feature, prediction, unusualness };

struct WatchedColumn {
  std::string name;
  ColumnKind kind = ColumnKind::feature;
  ColumnBins bins;
  std::vector<std::string> levels;      // Of a text: the names of its first bins.
  std::vector<std::int64_t> reference;  // bins.size(): rows of training (prediction: of the test rows).
  double mean = 0, scale = 0;           // Of the reference's numbers; scale: their standard deviation.
  bool is_withheld = false;             // Its values are kept out of the log: nothing is known of them.
};

// A feature's bins and counts of its encoded values; of a text the values are only counted.
WatchedColumn column_of(const model::Feature& feature, const std::vector<double>& values);

// The encoded rows that a version was trained on and those it was judged by.
struct BaselineRows {
  std::span<const double> train;   // rows × width
  std::span<const double> test;    // rows × width
  std::span<const double> scores;  // Of the test rows.
  std::span<const double> truth;
};

// A regular value; reading is thread-safe.
struct Baseline {
  bool binary = true;
  int width = 0;                       // Features; columns has two more behind them.
  std::vector<WatchedColumn> columns;  // Features in order, prediction, unusualness.
  Reconstruction reconstruction;
  // Of each bin of the prediction, on the test rows: the sum of the truth. With its reference counts, how
  // often what was said came true.
  std::vector<double> truth_sums;
  // Of a regression: what each bin of each column adds to the expected |truth - answer|, as a table in the
  // order of the columns' bins (unusualness left out), and the mean it adds to. Empty: binary.
  std::vector<double> error_parts;
  double error_mean = 0;
  // Of a binary one: what a correction could have learnt from the test rows that the version did not know.
  // Nothing: too few rows.
  std::optional<Correction> correction;

  static Baseline make(const std::vector<model::Feature>& features, bool binary, const BaselineRows& rows);
  const WatchedColumn& prediction() const { return columns[static_cast<std::size_t>(width)]; }
  int prediction_index() const { return width; }
  // Of all columns together.
  int bins() const;
  // Some feature is: what is made of all of them (unusualness, the expected error) is not known either.
  bool is_any_withheld() const;

  Json to_json() const;
  // Errors: invalid (not what to_json wrote).
  static Result<Baseline> from_json(const Json& json);
};

}  // namespace trimtab::watch
