#include "flow/learn.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <variant>

#include "base/clock.h"
#include "base/file.h"
#include "flow/artifact_inputs.h"
#include "flow/given_figures.h"
#include "flow/golden.h"
#include "flow/raw_scorer.h"
#include "flow/single_rows.h"
#include "judge/metrics.h"
#include "model/artifact.h"
#include "table/parquet.h"
#include "train/trainer.h"
#include "watch/baseline.h"

namespace trimtab::flow {
namespace {

constexpr const char* kOrigin = "__origin";
constexpr const char* kRow = "__row";
constexpr int kScoreBins = 20;

Json learner_json(const project::Learner& learner) {
  const auto* lightgbm = std::get_if<project::LightgbmLearner>(&learner);
  if (lightgbm == nullptr) return Json::object({{"kind", "baseline"}});
  Json json = Json::object({{"kind", "lightgbm"}});
  json.set("rounds", lightgbm->rounds).set("leaves", lightgbm->leaves);
  json.set("learning_rate", lightgbm->learning_rate).set("min_data_in_leaf", lightgbm->min_data_in_leaf);
  json.set("feature_fraction", lightgbm->feature_fraction)
      .set("bagging_fraction", lightgbm->bagging_fraction);
  return json.set("lambda_l2", lightgbm->lambda_l2).set("seed", lightgbm->seed);
}

project::Learner learner_from(const Json& json) {
  if (json.text_or("kind") != "lightgbm") return project::BaselineLearner{};
  project::LightgbmLearner learner;
  learner.rounds = json.int_or("rounds");
  learner.leaves = json.int_or("leaves");
  learner.learning_rate = json.double_or("learning_rate");
  learner.min_data_in_leaf = json.int_or("min_data_in_leaf");
  learner.feature_fraction = json.double_or("feature_fraction");
  learner.bagging_fraction = json.double_or("bagging_fraction");
  learner.lambda_l2 = json.double_or("lambda_l2");
  learner.seed = json.int_or("seed");
  return learner;
}

Json gate_json(const project::Gate& gate) {
  Json json = Json::object({{"text", gate.text}, {"metric", gate.metric}, {"slice", gate.slice}});
  json.set("at_least", gate.at_least).set("against_champion", gate.against_champion);
  // Said only of those, so that other gates keep the keys of before there was fairness.
  if (gate.fairness) json.set("fairness", true);
  return json.set("threshold", gate.threshold);
}

project::Gate gate_from(const Json& json) {
  project::Gate gate;
  gate.text = json.text_or("text");
  gate.metric = json.text_or("metric");
  gate.slice = json.text_or("slice");
  gate.fairness = json.bool_or("fairness");
  gate.at_least = json.bool_or("at_least");
  gate.against_champion = json.bool_or("against_champion");
  gate.threshold = json.double_or("threshold");
  return gate;
}

Json measures_json(bool binary, std::span<const double> truth, std::span<const double> score) {
  Json json = Json::object();
  for (const std::string& name : judge::metric_names(binary)) {
    const Result<judge::Measure> measured = judge::measure(name, truth, score);
    if (measured) json.set(name, measured->to_json());
  }
  return json;
}

std::vector<double> as_doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// How the scores of the test rows were spread at training: what drift is later held against.
Json score_histogram(const std::vector<double>& scores) {
  std::vector<std::int64_t> counts(kScoreBins);
  for (const double score : scores) {
    ++counts[static_cast<std::size_t>(std::clamp(static_cast<int>(score * kScoreBins), 0, kScoreBins - 1))];
  }
  Json json = Json::array();
  for (const std::int64_t count : counts) json.push(count);
  return json;
}

}  // namespace

Result<std::vector<double>> score_frame(const model::Artifact& artifact, const std::vector<double>& values,
                                        std::size_t rows) {
  std::vector<double> scores(rows);
  if (artifact.learner == "baseline") {
    std::fill(scores.begin(), scores.end(), std::strtod(artifact.model_text.c_str(), nullptr));
    return scores;
  }
  const std::unique_ptr<model::Booster> booster =
      TRY(model::Booster::load(artifact.model_text, static_cast<int>(artifact.recipe.features.size())));
  booster->predict(values, scores.data());
  return scores;
}

Json train_params(const model::Recipe& recipe, const project::Model& model) {
  Json json = Json::object({{"recipe", recipe.to_json()}, {"learner", learner_json(model.learner)}});
  return json.set("binary", model.task == project::Task::binary);
}

Result<Json> train_artifact(const table::OperationRun& run) {
  model::Artifact artifact;
  artifact.recipe = TRY(model::Recipe::from_json(run.params["recipe"]));
  artifact.binary = run.params.bool_or("binary");
  std::vector<TimeUs> changes;
  if (run.params["changes"].is_array()) {
    for (const Json& change : run.params["changes"].as_array()) changes.push_back(change.as_int());
  }
  const train::FrameData data =
      TRY(train::read_frame(run.engine, run.file("frame"), artifact.recipe.features));
  const auto on_progress = [&run](std::int64_t done, std::int64_t total) {
    return run.progress(done, total, "rounds");
  };
  const project::Task task = artifact.binary ? project::Task::binary : project::Task::regression;
  const train::TrainReport report =
      TRY(train::fit(data, learner_from(run.params["learner"]), task, run.threads, on_progress, changes));
  artifact.learner = report.learner;
  artifact.model_text = report.model_text;
  const std::vector<double> truth = as_doubles(data.test.targets);
  const std::vector<double> scores = TRY(score_frame(artifact, data.test.values, truth.size()));
  artifact.baseline = Json::object({{"metrics", measures_json(artifact.binary, truth, scores)},
                                    {"scores", score_histogram(scores)},
                                    {"train_rows", report.train_rows},
                                    {"test_rows", report.test_rows}});
  const watch::BaselineRows rows{data.train.values, data.test.values, scores, truth};
  artifact.baseline.set("watch",
                        watch::Baseline::make(artifact.recipe.features, artifact.binary, rows).to_json());
  for (const auto& [name, bytes] : artifact.to_files()) {
    TRY(base::write_file_durably(run.output_folder / name, bytes));
  }
  Json json = Json::object({{"learner", report.learner}, {"rounds", report.rounds}});
  if (report.older) {
    json.set("older_than", base::format_time(report.older->since)).set("older_weight", report.older->weight);
  }
  return json.set("train_rows", report.train_rows)
      .set("test_rows", report.test_rows)
      .set("rows", report.train_rows);
}

namespace {

// The test rows as the frame has them.
struct TestRows {
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::size_t>>>
      by_origin;  // Part → (row, index).
  std::vector<double> truth;
  std::vector<double> encoded;  // rows × width
  std::map<std::string, std::vector<std::string>> slices;
  std::size_t count() const { return truth.size(); }
};

Result<TestRows> read_test_rows(const table::OperationRun& run, const model::Recipe& recipe,
                                const std::vector<std::string>& slices) {
  TestRows test;
  const model::FeatureEncoder encoder(recipe.features);
  const auto width = static_cast<std::size_t>(encoder.width());
  std::vector<double> values;
  TRY(table::read_parquet(run.engine, {run.file("frame")}, {}, [&](const table::Batch& rows) -> Status {
    const table::Schema& schema = rows.schema();
    const int part = *schema.find(train::kPartColumn);
    const int target = *schema.find(train::kTargetColumn);
    // The encoder wants the features alone, in their order.
    table::Schema wanted;
    for (const model::Feature& feature : recipe.features) wanted.add({feature.name, feature.type});
    table::Batch features(wanted);
    features.reset(rows.rows());
    for (int column = 0; column < wanted.size(); ++column) {
      const int from = *schema.find(wanted.at(column).name);
      for (int row = 0; row < rows.rows(); ++row) table::copy_cell(rows, from, row, features, column, row);
    }
    values.resize(width * static_cast<std::size_t>(rows.rows()));
    encoder.encode(features, values.data());
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.text(part, row) != "test") continue;
      const std::int64_t origin = rows.integer(*schema.find(kOrigin), row);
      test.by_origin[origin].emplace_back(rows.integer(*schema.find(kRow), row), test.count());
      test.truth.push_back(rows.real(target, row));
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(width) * row;
      test.encoded.insert(test.encoded.end(), first, first + static_cast<std::ptrdiff_t>(width));
      for (const std::string& slice : slices) {
        const int at = *schema.find("__slice_" + slice);
        test.slices[slice].push_back(rows.is_null(at, row) ? "null" : std::string(rows.text(at, row)));
      }
    }
    return {};
  }));
  return test;
}

Result<std::vector<double>> score_raw(const table::OperationRun& run, RawScorer& scorer,
                                      const TestRows& test) {
  std::vector<double> scores(test.count(), std::numeric_limits<double>::quiet_NaN());
  const std::vector<std::filesystem::path>& parts = run.files("part");
  for (const auto& [origin, wanted] : test.by_origin) {
    std::map<std::int64_t, std::size_t> index_of_row(wanted.begin(), wanted.end());
    std::int64_t first_row = 0;
    const std::filesystem::path& part = parts[static_cast<std::size_t>(origin)];
    TRY(table::read_parquet(run.engine, {part}, {}, [&](const table::Batch& rows) -> Status {
      std::vector<std::pair<int, std::size_t>> picked;
      for (int row = 0; row < rows.rows(); ++row) {
        const auto found = index_of_row.find(first_row + row);
        if (found != index_of_row.end()) picked.emplace_back(row, found->second);
      }
      first_row += rows.rows();
      return picked.empty() ? Status() : scorer.score(rows, picked, scores);
    }));
  }
  return scores;
}

bool is_asked(const std::vector<project::Gate>& gates, std::string_view metric) {
  return std::any_of(gates.begin(), gates.end(),
                     [metric](const project::Gate& gate) { return gate.metric == metric; });
}

// What the candidate costs whoever serves it, as far as a gate asks.
Status add_costs(const table::OperationRun& run, const std::vector<project::Gate>& gates,
                 RawScorer& candidate, const TestRows& test, std::map<std::string, judge::Measure>& given) {
  std::vector<std::filesystem::path> parts;
  for (const auto& [origin, wanted] : test.by_origin) {
    parts.push_back(run.files("part")[static_cast<std::size_t>(origin)]);
  }
  if (is_asked(gates, "p99_ms")) given["p99_ms"] = TRY(time_single_rows(run, candidate, parts));
  if (is_asked(gates, "memory_mb")) given["memory_mb"] = TRY(memory_of_single_rows(run, parts));
  return {};
}

// Training and serving may not differ by a bit: the model learnt from one and will answer from the other.
Status demand_same(const std::vector<double>& raw, const std::vector<double>& framed) {
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (std::memcmp(&raw[i], &framed[i], sizeof(double)) == 0) continue;
    return fail(ErrorCode::internal,
                "training and serving differ: test row " + std::to_string(i) + " scores " +
                    Json(framed[i]).dump() + " in the frame and " + Json(raw[i]).dump() +
                    " from its raw columns",
                "this is a defect of Trimtab; the candidate is refused");
  }
  return {};
}

// By how much the champion's losses lie above the candidate's, on the same rows.
Json gain_json(const std::vector<double>& truth, const std::vector<double>& champion,
               const std::vector<double>& candidate) {
  std::vector<double> of_champion, of_candidate;
  judge::row_losses(truth, champion, of_champion);
  judge::row_losses(truth, candidate, of_candidate);
  const judge::PairedDifference gain = judge::paired_difference(of_champion, of_candidate);
  Json json = Json::object({{"rows", gain.rows}, {"mean", gain.mean}});
  return json.set("standard_error", std::isfinite(gain.standard_error) ? gain.standard_error : 0);
}

}  // namespace

Json judge_params(const project::Model& model, const table::Schema& source, double quarantined) {
  Json gates = Json::array();
  bool asks_for_quarantined = false;
  for (const project::Gate& gate : model.gates) {
    gates.push(gate_json(gate));
    asks_for_quarantined = asks_for_quarantined || gate.metric == "quarantined";
  }
  Json json = Json::object({{"gates", std::move(gates)}, {"source", source.to_json()}});
  if (asks_for_quarantined) json.set("quarantined", quarantined);
  return json.set("binary", model.task == project::Task::binary);
}

Result<Json> judge_artifact(const table::OperationRun& run) {
  std::vector<project::Gate> gates;
  std::vector<std::string> slices;
  for (const Json& gate : run.params["gates"].as_array()) {
    gates.push_back(gate_from(gate));
    const std::string& slice = gates.back().slice;
    const bool known = std::find(slices.begin(), slices.end(), slice) != slices.end();
    if (!slice.empty() && !known) slices.push_back(slice);
  }
  RawScorer candidate = TRY(RawScorer::make(run, "candidate"));
  const TestRows test = TRY(read_test_rows(run, candidate.artifact().recipe, slices));
  const std::vector<double> scores = TRY(score_raw(run, candidate, test));
  TRY(demand_same(scores, TRY(score_frame(candidate.artifact(), test.encoded, test.count()))));
  judge::Judged judged;
  judged.binary = run.params.bool_or("binary");
  judged.truth = test.truth;
  judged.candidate = scores;
  judged.slice_levels = test.slices;
  judged.given = TRY(given_figures(run, gates, candidate.artifact()));
  TRY(add_costs(run, gates, candidate, test, judged.given));
  Json report = Json::object({{"metrics", measures_json(judged.binary, test.truth, scores)}});
  std::vector<double> champion_scores;
  if (run.inputs.contains("champion/manifest.json")) {
    RawScorer champion = TRY(RawScorer::make(run, "champion"));
    champion_scores = TRY(score_raw(run, champion, test));
    judged.champion = champion_scores;
    report.set("gain", gain_json(test.truth, champion_scores, scores));
    report.set("champion_metrics", measures_json(judged.binary, test.truth, champion_scores));
  }
  Json verdicts = Json::array();
  for (const judge::GateResult& result : judge::evaluate_gates(gates, judged))
    verdicts.push(result.to_json());
  if (run.params["golden"].is_object()) {
    verdicts.push(TRY(judge_golden(run, TRY(read_artifact(run, "candidate")))).to_json());
  }
  report.set("gates", std::move(verdicts)).set("rows", static_cast<std::int64_t>(test.count()));
  TRY(base::write_file_durably(run.output_folder / "report.json", report.dump(2) + "\n"));
  return report;
}

}  // namespace trimtab::flow
