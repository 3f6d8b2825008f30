#include "model/booster.h"

#include <LightGBM/c_api.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <set>

#include "base/log.h"
#include "model/forest.h"

// Training must run with OMP_WAIT_POLICY=passive: OpenMP's threads otherwise spin while they wait, and on
// cores that others use too a training may take a hundred times longer. OpenMP reads it from the environment
// before main(), so it cannot be set here; the executor starts `trimtab worker` with it.
namespace trimtab::model {
namespace {

// LightGBM keeps its number of threads once for the process and sizes buffers by it, so whoever changes or
// relies on it holds this. Predictions need no lock: they take the path that has no parallel region.
std::mutex process_threads_mutex;

struct FreeDataset {
  void operator()(void* handle) const { LGBM_DatasetFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { LGBM_BoosterFree(handle); }
};
struct FreeFastConfig {
  void operator()(void* handle) const { LGBM_FastConfigFree(handle); }
};
using DatasetPointer = std::unique_ptr<void, FreeDataset>;
using BoosterPointer = std::unique_ptr<void, FreeBooster>;
using FastConfigPointer = std::unique_ptr<void, FreeFastConfig>;

// LightGBM hands over its lines in pieces. What is fatal it prints on standard error as well; that cannot be
// turned off, and the message returns as an Error too.
void collect_log(const char* piece) {
  thread_local std::string line;
  if (std::strcmp(piece, "\n") != 0) {
    line += piece;
    return;
  }
  base::log(base::LogLevel::debug, "model", line);
  line.clear();
}

// LightGBM keeps the callback for each thread by itself, those of its parallel regions included; a thread
// without one prints on standard output, which belongs to the worker's own words.
void route_log(int threads) {
#pragma omp parallel num_threads(threads)
  LGBM_RegisterLogCallback(collect_log);
}

Status ok_or_refused(int code, const char* doing) {
  if (code == 0) return {};
  // A failed check of its own ends in the place of its source code, which tells our user nothing.
  std::string reason = LGBM_GetLastError();
  reason.resize(std::min(reason.size(), reason.find(" at /")));
  return fail(ErrorCode::invalid, std::string("LightGBM refused ") + doing + ": " + reason);
}

std::string number_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

// The names as LightGBM takes them: without blanks and the signs of JSON, and each once. They only label
// columns; nothing finds a column by them.
std::vector<std::string> plain_names(const std::vector<std::string>& names) {
  std::set<std::string> taken;
  std::vector<std::string> plain;
  for (std::string name : names) {
    for (char& letter : name) {
      const auto code = static_cast<unsigned char>(letter);
      if (code <= ' ' || code == 0x7f || std::strchr("\",:[]{}=", letter) != nullptr) letter = '_';
    }
    if (name.empty()) name = "_";
    while (!taken.insert(name).second) name += '_';
    plain.push_back(std::move(name));
  }
  return plain;
}

std::string parameters_of(const TrainingData& data, const BoosterOptions& options) {
  std::string text =
      "deterministic=true force_row_wise=true verbosity=-1 feature_pre_filter=false max_bin=255 "
      "boost_from_average=true";
  const auto add = [&](const char* name, const std::string& value) {
    text += std::string(" ") + name + "=" + value;
  };
  add("objective", options.binary ? "binary" : "regression");
  add("metric", options.binary ? "binary_logloss" : "l2");
  add("num_iterations", std::to_string(options.rounds));
  add("num_leaves", std::to_string(options.leaves));
  add("learning_rate", number_text(options.learning_rate));
  add("min_data_in_leaf", std::to_string(options.min_data_in_leaf));
  add("feature_fraction", number_text(options.feature_fraction));
  add("bagging_fraction", number_text(options.bagging_fraction));
  add("bagging_freq", options.bagging_fraction < 1 ? "1" : "0");
  add("lambda_l2", number_text(options.lambda_l2));
  // LightGBM draws the seeds of binning, bagging and feature choice from this one; it takes 31 bits.
  add("seed", std::to_string(options.seed & std::numeric_limits<std::int32_t>::max()));
  add("num_threads", std::to_string(options.threads));
  std::string categorical;
  for (const int position : data.categorical)
    categorical += (categorical.empty() ? "" : ",") + std::to_string(position);
  if (!categorical.empty()) add("categorical_feature", categorical);
  return text;
}

Status check_data(const TrainingData& data, bool binary) {
  CHECK(data.width > 0);
  CHECK(data.values.size() == data.targets.size() * static_cast<std::size_t>(data.width));
  CHECK(data.feature_names.size() == static_cast<std::size_t>(data.width));
  CHECK(data.weights.empty() || data.weights.size() == data.targets.size());
  if (data.rows() > std::numeric_limits<std::int32_t>::max()) {
    return fail(ErrorCode::too_large, std::to_string(data.rows()) + " rows are more than LightGBM takes");
  }
  for (const float target : data.targets) {
    if (binary ? target == 0 || target == 1 : std::isfinite(target)) continue;
    return fail(ErrorCode::invalid, "a target is " + number_text(target) +
                                        (binary ? ", but must be 0 or 1" : ", which is no number to learn"));
  }
  for (const float weight : data.weights) {
    if (!std::isfinite(weight) || weight < 0) {
      return fail(ErrorCode::invalid, "a row's weight is " + number_text(weight));
    }
  }
  return {};
}

Status check_trainable(const TrainingData& train, bool binary) {
  if (train.rows() == 0) return fail(ErrorCode::invalid, "there are no training rows");
  TRY(check_data(train, binary));
  const float first = train.targets.front();
  if (binary &&
      std::all_of(train.targets.begin(), train.targets.end(), [&](float t) { return t == first; })) {
    return fail(ErrorCode::invalid, "the target is " + number_text(first) + " in all " +
                                        std::to_string(train.rows()) + " training rows");
  }
  return {};
}

Result<DatasetPointer> make_dataset(const TrainingData& data, const std::string& parameters,
                                    void* reference) {
  void* made = nullptr;
  const auto rows = static_cast<std::int32_t>(data.rows());
  TRY(ok_or_refused(LGBM_DatasetCreateFromMat(data.values.data(), C_API_DTYPE_FLOAT64, rows, data.width,
                                              /*is_row_major=*/1, parameters.c_str(), reference, &made),
                    "the rows"));
  DatasetPointer dataset(made);
  TRY(ok_or_refused(LGBM_DatasetSetField(made, "label", data.targets.data(), rows, C_API_DTYPE_FLOAT32),
                    "the targets"));
  if (!data.weights.empty()) {
    TRY(ok_or_refused(LGBM_DatasetSetField(made, "weight", data.weights.data(), rows, C_API_DTYPE_FLOAT32),
                      "the weights"));
  }
  const std::vector<std::string> names = plain_names(data.feature_names);
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  TRY(ok_or_refused(LGBM_DatasetSetFeatureNames(made, pointers.data(), data.width), "the feature names"));
  return dataset;
}

Result<std::string> text_of(void* booster, std::int64_t rounds) {
  std::string text(1 << 20, '\0');
  std::int64_t size = 0;  // With the terminating zero.
  for (int attempt = 0; attempt < 2; ++attempt) {
    TRY(ok_or_refused(
        LGBM_BoosterSaveModelToString(booster, 0, static_cast<int>(rounds), C_API_FEATURE_IMPORTANCE_SPLIT,
                                      static_cast<std::int64_t>(text.size()), &size, text.data()),
        "to write the model"));
    const bool whole = size <= std::ssize(text);
    text.resize(static_cast<std::size_t>(whole ? size - 1 : size));
    if (whole) break;
  }
  return text;
}

// Runs the rounds; leaves the number of the best one, or of the last, in `trained`.
Status run_rounds(void* booster, bool has_valid, const BoosterOptions& options,
                  const std::function<bool(std::int64_t)>& on_round, TrainedBooster& trained) {
  double best_loss = std::numeric_limits<double>::infinity();
  for (std::int64_t round = 1; round <= options.rounds; ++round) {
    int is_finished = 0;  // No leaf can be split any more; the round added nothing.
    TRY(ok_or_refused(LGBM_BoosterUpdateOneIter(booster, &is_finished), "to train"));
    int used = 0;
    TRY(ok_or_refused(LGBM_BoosterGetCurrentIteration(booster, &used), "to count its rounds"));
    if (on_round && !on_round(round)) return fail(ErrorCode::cancelled, "training was cancelled");
    if (has_valid && used > std::ssize(trained.valid_loss)) {
      double loss = 0;
      int count = 0;
      TRY(ok_or_refused(LGBM_BoosterGetEval(booster, /*data_idx=*/1, &count, &loss), "to evaluate"));
      CHECK(count == 1);
      trained.valid_loss.push_back(loss);
      if (loss < best_loss || trained.rounds == 0) {
        best_loss = loss;
        trained.rounds = used;
      }
      if (options.patience > 0 && used - trained.rounds >= options.patience) return {};
    }
    if (!has_valid || options.patience <= 0) trained.rounds = used;
    if (is_finished != 0) break;
  }
  return {};
}

// LightGBM trusts the sizes that its text states and would read past the end of a text that was cut off.
bool sizes_add_up(const std::string& text) {
  constexpr std::string_view kSizes = "\ntree_sizes=";
  const std::size_t line = text.find(kSizes);
  const std::size_t trees = text.find("\nTree=0\n");
  if (line == std::string::npos || trees == std::string::npos || trees < line) return false;
  std::size_t past = trees + 1;
  const char* at = text.data() + line + kSizes.size();
  const char* const end = text.data() + text.find('\n', line + 1);
  while (at < end) {
    std::uint32_t size = 0;
    const auto [stop, broken] = std::from_chars(at, end, size);
    if (broken != std::errc()) return false;
    past += size;
    at = stop < end ? stop + 1 : stop;
  }
  return past < text.size() && text.compare(past, 12, "end of trees") == 0;
}

}  // namespace

Result<TrainedBooster> train_booster(const TrainingData& train, const TrainingData* valid,
                                     const BoosterOptions& options,
                                     const std::function<bool(std::int64_t round)>& on_round) {
  TRY(check_trainable(train, options.binary));
  const bool has_valid = valid != nullptr && valid->rows() > 0;
  if (has_valid) {
    CHECK(valid->width == train.width);
    TRY(check_data(*valid, options.binary));
  }
  CHECK(options.threads >= 1);
  const std::lock_guard<std::mutex> lock(process_threads_mutex);
  route_log(options.threads);
  LGBM_SetMaxThreads(options.threads);
  const std::string parameters = parameters_of(train, options);
  const DatasetPointer train_set = TRY(make_dataset(train, parameters, nullptr));
  DatasetPointer valid_set;
  if (has_valid) valid_set = TRY(make_dataset(*valid, parameters, train_set.get()));

  void* made = nullptr;
  TRY(ok_or_refused(LGBM_BoosterCreate(train_set.get(), parameters.c_str(), &made), "the learner's options"));
  const BoosterPointer booster(made);
  if (has_valid) TRY(ok_or_refused(LGBM_BoosterAddValidData(made, valid_set.get()), "the test rows"));
  TrainedBooster trained;
  TRY(run_rounds(made, has_valid, options, on_round, trained));
  trained.text = TRY(text_of(made, trained.rounds));
  return trained;
}

struct Booster::State {
  std::size_t width = 0;
  std::unique_ptr<const Forest> forest;  // Null: LightGBM itself predicts.
  BoosterPointer booster;
  FastConfigPointer probability;  // Freed before the booster that they point into.
  FastConfigPointer raw;
  FastConfigPointer parts;
};

Booster::Booster(std::unique_ptr<State> state) : state_(std::move(state)) {}
Booster::~Booster() = default;

Result<std::unique_ptr<Booster>> Booster::load(const std::string& text, int width) {
  if (!sizes_add_up(text)) {
    return fail(ErrorCode::invalid,
                "this text of " + std::to_string(text.size()) + " bytes is no LightGBM model");
  }
  const std::lock_guard<std::mutex> lock(process_threads_mutex);
  route_log(1);
  LGBM_SetMaxThreads(1);
  auto state = std::make_unique<State>();
  state->width = static_cast<std::size_t>(width);
  int rounds = 0;
  void* made = nullptr;
  TRY(ok_or_refused(LGBM_BoosterLoadModelFromString(text.c_str(), &rounds, &made), "the model"));
  state->booster.reset(made);
  int classes = 0;
  int features = 0;
  TRY(ok_or_refused(LGBM_BoosterGetNumClasses(made, &classes), "the model"));
  TRY(ok_or_refused(LGBM_BoosterGetNumFeature(made, &features), "the model"));
  if (classes != 1)
    return fail(ErrorCode::invalid, "the model has " + std::to_string(classes) + " outputs, not one");
  if (features != width) {
    return fail(ErrorCode::invalid, "the model reads " + std::to_string(features) +
                                        " features, but the recipe makes " + std::to_string(width));
  }
  const auto open = [&](int kind, FastConfigPointer& to) -> Status {
    void* config = nullptr;
    TRY(ok_or_refused(
        LGBM_BoosterPredictForMatSingleRowFastInit(made, kind, 0, -1, C_API_DTYPE_FLOAT64, width,
                                                   "num_threads=1 verbosity=-1", &config),
        "the model"));
    to.reset(config);
    return {};
  };
  state->forest = Forest::parse(text, width);
  if (!state->forest) TRY(open(C_API_PREDICT_NORMAL, state->probability));
  if (!state->forest) TRY(open(C_API_PREDICT_RAW_SCORE, state->raw));
  TRY(open(C_API_PREDICT_CONTRIB, state->parts));
  return std::unique_ptr<Booster>(new Booster(std::move(state)));
}

namespace {

// Row by row also for many: LightGBM's call for a matrix does the same work a row, but reads its options anew
// each time and sets the process's number of threads, which another thread may rely on.
void predict_rows(void* config, std::size_t width, std::span<const double> values, double* out,
                  std::size_t numbers_a_row = 1) {
  CHECK(values.size() % width == 0);
  const std::size_t rows = values.size() / width;
  for (std::size_t row = 0; row < rows; ++row) {
    std::int64_t count = 0;
    const int code = LGBM_BoosterPredictForMatSingleRowFast(config, values.data() + row * width, &count,
                                                            out + row * numbers_a_row);
    CHECK(code == 0 && count == static_cast<std::int64_t>(numbers_a_row));
  }
}

}  // namespace

void Booster::predict(std::span<const double> values, double* out) {
  if (state_->forest) return state_->forest->predict(values, out);
  predict_rows(state_->probability.get(), state_->width, values, out);
}

void Booster::predict_raw(std::span<const double> values, double* out) {
  if (state_->forest) return state_->forest->predict_raw(values, out);
  predict_rows(state_->raw.get(), state_->width, values, out);
}

void Booster::contributions(std::span<const double> values, double* out) {
  predict_rows(state_->parts.get(), state_->width, values, out, state_->width + 1);
}

std::string booster_version() { return TRIMTAB_LIGHTGBM_VERSION; }

}  // namespace trimtab::model
