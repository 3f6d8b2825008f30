#include "flow/candidate.h"

#include <variant>

namespace trimtab::flow {
namespace {

Json learner_params(const project::Learner& learner) {
  Json params = Json::object();
  const auto* lightgbm = std::get_if<project::LightgbmLearner>(&learner);
  if (lightgbm == nullptr) return params;
  params.set("rounds", lightgbm->rounds).set("leaves", lightgbm->leaves);
  params.set("learning_rate", lightgbm->learning_rate).set("min_data_in_leaf", lightgbm->min_data_in_leaf);
  params.set("feature_fraction", lightgbm->feature_fraction)
      .set("bagging_fraction", lightgbm->bagging_fraction);
  return params.set("lambda_l2", lightgbm->lambda_l2).set("seed", lightgbm->seed);
}

}  // namespace

registry::NewVersion version_of(const project::Project& project, const std::string& model,
                                const Candidate& candidate, const std::string& actor,
                                const std::string& reason) {
  registry::NewVersion version;
  version.project = project.name;
  version.model = model;
  version.step_key = candidate.step_key;
  for (const auto& [name, file] : candidate.files) version.files[name] = {file.sha256, file.size};
  version.params = learner_params(project.find_model(model)->learner);
  for (const char* fact : {"learner", "train_rows", "test_rows", "from", "to", "test_from"}) {
    const Json& value = candidate.facts[fact];
    if (!value.is_null()) version.params.set(fact, value);
  }
  for (const auto& [name, measure] : candidate.metrics.as_object()) {
    if (measure["value"].is_number()) version.metrics.set(name, measure["value"]);
  }
  for (const judge::GateResult& gate : candidate.gates) version.gates.push(gate.to_json());
  version.gates_passed = judge::all_pass(candidate.gates);
  version.waits = judge::waits_for_approval(candidate.gates);
  version.reports["report.json"] = {candidate.report.sha256, candidate.report.size};
  version.inputs["snapshot/table/" + project.find_model(model)->from] = candidate.table.sha256;
  version.actor = actor;
  version.reason = reason;
  return version;
}

}  // namespace trimtab::flow
