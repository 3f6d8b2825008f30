// The door to LightGBM: train a booster, read one back, predict. Deterministic: the same data, parameters and
// thread count make the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace trimtab::model {

// Row-major numbers as FeatureEncoder makes them, with what is to be learnt.
struct TrainingData {
  int width = 0;
  std::vector<double> values;              // rows × width; NaN is missing.
  std::vector<float> targets;              // rows
  std::vector<float> weights;              // rows, or empty: all 1.
  std::vector<int> categorical;            // Positions.
  std::vector<std::string> feature_names;  // width

  std::int64_t rows() const { return static_cast<std::int64_t>(targets.size()); }
};

struct BoosterOptions {
  bool binary = true;  // Else regression (L2).
  std::int64_t rounds = 200;
  std::int64_t leaves = 31;
  double learning_rate = 0.05;
  std::int64_t min_data_in_leaf = 20;
  double feature_fraction = 1.0;
  double bagging_fraction = 1.0;
  double lambda_l2 = 0.0;
  std::int64_t seed = 1;
  int threads = 1;   // Part of the result: sums are formed per thread.
  int patience = 0;  // Rounds without gain on `valid` before stopping; 0: never stop early.
};

struct TrainedBooster {
  std::string text;                // LightGBM's model text.
  std::int64_t rounds = 0;         // Used (the best round when stopped early).
  std::vector<double> valid_loss;  // Of each round on `valid` (log loss or L2); empty without `valid`.
};

// `on_round(round)`, from 1 after each round, returns false to cancel (errors: cancelled). Errors: invalid
// (no rows, one class only, a column that LightGBM refuses).
Result<TrainedBooster> train_booster(const TrainingData& train, const TrainingData* valid,
                                     const BoosterOptions& options,
                                     const std::function<bool(std::int64_t round)>& on_round);

// A booster for one thread: predictions reuse its buffers.
class Booster {
 public:
  // Errors: invalid (text that is no model, or one of another width than `width`). A text that was cut off is
  // refused; one that was forged is not, so check its hash first.
  static Result<std::unique_ptr<Booster>> load(const std::string& text, int width);
  ~Booster();
  // `values`: rows × width. Probability of the positive class (binary) or the value (regression), one a row.
  // Many rows give the same bits as one by one, and the same as LightGBM's own call for a matrix. A row takes
  // about a microsecond for 200 trees of 31 leaves (model/forest.h).
  void predict(std::span<const double> values, double* out);
  // Log-odds (binary) or the value.
  void predict_raw(std::span<const double> values, double* out);
  // What each feature adds to the raw prediction of a row, and what is predicted without any, last: width + 1
  // numbers a row whose sum is predict_raw's (TreeSHAP: Lundberg, Erion, Lee 2018). Some hundred times slower
  // than predict.
  void contributions(std::span<const double> values, double* out);

 private:
  struct State;
  explicit Booster(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

std::string booster_version();  // e.g. "4.5.0"; part of a training step's key.

}  // namespace trimtab::model
