#include "model/scorer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/booster.h"

namespace trimtab::model {

struct Scorer::State {
  State(std::shared_ptr<const Artifact> its_artifact, std::unique_ptr<table::RowProgram> its_program)
      : artifact(std::move(its_artifact)),
        program(std::move(its_program)),
        encoder(artifact->recipe.features) {}

  std::shared_ptr<const Artifact> artifact;
  std::unique_ptr<table::RowProgram> program;
  FeatureEncoder encoder;
  std::unique_ptr<Booster> booster;  // Null for the baseline, which answers `constant`.
  double constant = 0;
  // Kept between calls at their largest size: scoring allocates nothing of ours once it is warm.
  std::vector<double> features;
  std::vector<double> scores;
  std::vector<double> parts;

  std::size_t width() const { return static_cast<std::size_t>(encoder.width()); }

  void predict(std::span<const double> values, double* out) {
    CHECK(values.size() % width() == 0);
    if (booster) {
      booster->predict(values, out);
    } else {
      std::fill_n(out, values.size() / width(), constant);
    }
  }
};

namespace {

// A recipe that was fitted by another engine might bind to other types; its levels and trees would then be
// wrong.
Status check_features(const table::Schema& output, const std::vector<Feature>& features) {
  if (features.empty()) return fail(ErrorCode::invalid, "the model has no features");
  table::Schema wanted;
  for (const Feature& feature : features) wanted.add({feature.name, feature.type});
  if (output == wanted) return {};
  return fail(ErrorCode::invalid, "the recipe makes the columns " + output.to_json().dump() +
                                      ", but the model was trained on " + wanted.to_json().dump());
}

Result<double> constant_of(const std::string& text) {
  double value = 0;
  const auto [end, broken] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (broken != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return fail(ErrorCode::invalid, "the baseline's model.txt is not one number");
  }
  return value;
}

}  // namespace

Scorer::Scorer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scorer::~Scorer() = default;

Result<std::unique_ptr<Scorer>> Scorer::make(table::Engine& engine, std::shared_ptr<const Artifact> artifact,
                                             const table::LookupTables& lookups) {
  const Recipe& recipe = artifact->recipe;
  auto program =
      TRY(table::RowProgram::bind(engine, recipe.request, recipe.stages, lookups, recipe.time_zone));
  TRY(check_features(program->output(), recipe.features));
  auto state = std::make_unique<State>(std::move(artifact), std::move(program));
  if (state->artifact->learner == "baseline") {
    state->constant = TRY(constant_of(state->artifact->model_text));
  } else {
    state->booster = TRY(Booster::load(state->artifact->model_text, state->encoder.width()));
  }
  return std::unique_ptr<Scorer>(new Scorer(std::move(state)));
}

const Artifact& Scorer::artifact() const { return *state_->artifact; }

Result<std::span<const double>> Scorer::score(const table::Batch& request) {
  State& state = *state_;
  const table::Batch* rows = TRY(state.program->run(request));
  const auto count = static_cast<std::size_t>(rows->rows());
  state.features.resize(count * state.width());
  state.scores.resize(count);
  state.encoder.encode(*rows, state.features.data());
  state.predict(state.features, state.scores.data());
  return std::span<const double>(state.scores);
}

std::span<const double> Scorer::features() const { return state_->features; }

std::span<const double> Scorer::contributions() {
  State& state = *state_;
  const std::size_t parts = state.width() + 1;
  const std::size_t rows = state.features.size() / state.width();
  state.parts.assign(rows * parts, 0);
  if (state.booster) {
    state.booster->contributions(state.features, state.parts.data());
    return state.parts;
  }
  // A constant owes nothing to any feature.
  const double p = state.constant;
  const double raw = state.artifact->binary ? std::log(p / (1 - p)) : p;
  for (std::size_t row = 0; row < rows; ++row) state.parts[row * parts + parts - 1] = raw;
  return state.parts;
}

void Scorer::score_encoded(std::span<const double> values, double* out) { state_->predict(values, out); }

}  // namespace trimtab::model
