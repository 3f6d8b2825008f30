// For tests: rows of a number and a text, scores that follow the number, truths that follow the scores.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "model/prediction.h"
#include "model/recipe.h"
#include "model/unseen.h"
#include "watch/baseline.h"

namespace trimtab::watch {

inline constexpr double kNull = model::kMissing;
inline constexpr double kUnseenText = model::kUnseen;

inline std::vector<model::Feature> watched_features() {
  return {{"x", table::ColumnType::real, {}}, {"place", table::ColumnType::text, {"JFK", "LGA", "EWR"}}};
}

// Two features, a score and a truth.
struct WatchedRows {
  std::vector<double> features, scores, truth;

  std::size_t rows() const { return scores.size(); }
};

// x is normal around `shift`; the score rises with it from 0 to 1; the truth is drawn by score + `off`. With
// `binary` false the truth is the score plus noise.
inline WatchedRows watched_rows(int count, std::uint64_t seed, double shift = 0, double off = 0,
                                bool binary = true) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1);
  std::discrete_distribution<int> place({5, 3, 2});
  WatchedRows rows;
  for (int i = 0; i < count; ++i) {
    const double x = normal(random) + shift;
    const double score = 1 / (1 + std::exp(-x));
    rows.features.insert(rows.features.end(), {x, static_cast<double>(place(random))});
    rows.scores.push_back(score);
    const double noise = normal(random);
    rows.truth.push_back(binary ? (uniform(random) < score + off ? 1 : 0) : score + 0.2 * noise + off);
  }
  return rows;
}

inline std::shared_ptr<const Baseline> watched_baseline(bool binary = true) {
  const WatchedRows train = watched_rows(8000, 1, 0, 0, binary);
  const WatchedRows test = watched_rows(4000, 2, 0, 0, binary);
  return std::make_shared<const Baseline>(
      Baseline::make(watched_features(), binary, {train.features, test.features, test.scores, test.truth}));
}

inline model::Prediction prediction_of(const WatchedRows& rows, std::size_t row, TimeUs received,
                                       std::int64_t version = 1) {
  model::Prediction prediction;
  prediction.id = std::to_string(received) + "-" + std::to_string(row);
  prediction.endpoint = "late";
  prediction.received = prediction.event_time = received;
  prediction.scores = {{version, model::Role::served, rows.scores[row]}};
  prediction.features = {rows.features[2 * row], rows.features[2 * row + 1]};
  return prediction;
}

}  // namespace trimtab::watch
