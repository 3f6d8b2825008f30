#include "plan/known_training.h"

#include "flow/golden.h"
#include "flow/standing_gates.h"

namespace trimtab::plan {
namespace {

bool has_failed(const Json& gate) { return gate.text_or("verdict") != "pass"; }

// Golden rows stand behind the declared gates, and are known by the file's content. What nobody declares
// counts only when it failed: it may be different now.
Result<bool> are_declared(const Json& decided, const Workplace& workplace, const project::Model& model) {
  std::vector<Json> gates;
  for (const Json& gate : decided.as_array()) {
    if (has_failed(gate) || !flow::is_standing_gate(gate.text_or("gate"))) gates.push_back(gate);
  }
  const std::vector<project::Gate>& declared = model.gates;
  if (gates.size() != declared.size() + (model.golden.empty() ? 0 : 1)) return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (gates[i].text_or("gate") != declared[i].text) return false;
  }
  if (model.golden.empty()) return true;
  if (gates.back().text_or("gate") != flow::kGoldenGate) return false;
  return flow::is_decided_by(gates.back().text_or("detail"),
                             TRY(flow::golden_hash(workplace.project, model)));
}

}  // namespace

Result<std::optional<KnownVersion>> find_known(const Workplace& workplace, const flow::Journey& journey) {
  const std::optional<KnownVersion> nothing;
  if (!journey.training.is_known()) return nothing;
  const std::string& model = journey.model.name;
  const std::optional<registry::VersionFacts> known =
      registry::find_by_step(workplace.home, model, flow::task_key(journey.training));
  if (!known) return nothing;
  Json gates = TRY(registry::gates_json(workplace.home, model, known->version));
  if (!TRY(are_declared(gates, workplace, journey.model))) return nothing;
  return std::optional(KnownVersion{*known, std::move(gates)});
}

std::string refused_gates(const Json& gates) {
  std::string text;
  for (const Json& gate : gates.as_array()) {
    if (gate.text_or("verdict") == "pass") continue;
    if (!text.empty()) text += "; ";
    text += gate.text_or("gate");
    const std::string detail = gate.text_or("detail");
    if (!detail.empty()) text += " (" + detail + ")";
    const Json& value = gate["measured"]["value"];
    if (value.is_number()) text += ", found " + value.dump();
  }
  return text;
}

Error refusal(const std::string& model, std::int64_t version, const Json& gates) {
  return {
      ErrorCode::check_failed,
      "version " + std::to_string(version) + " of model '" + model +
          "' was refused by its gates: " + refused_gates(gates),
      "the version is kept for inspection and nothing else changed; improve the model, or change `gates:` if "
      "they ask too much",
      std::nullopt, nullptr};
}

}  // namespace trimtab::plan
