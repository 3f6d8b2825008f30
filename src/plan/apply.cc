#include "plan/apply.h"

#include <algorithm>

#include "flow/pipeline.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/audit.h"

namespace trimtab::plan {
namespace {

// Keeps the file as it was applied. An unchanged file leaves no trace.
Status remember_project(const Workplace& workplace, TimeUs as_of) {
  const project::Project& project = workplace.project;
  const TimeUs now = workplace.clock.now();
  return workplace.home.database().write([&](store::Connection& connection) -> Status {
    store::Statement known =
        connection.prepare("SELECT spec_text, as_of, folder FROM project WHERE name = ?");
    const bool is_known = TRY(known.with(project.name).step());
    const bool same = is_known && known.text(0) == project.text && known.integer(1) == as_of &&
                      known.text(2) == project.folder.string();
    if (same) return {};
    TRY(connection
            .prepare("INSERT OR REPLACE INTO project (name, folder, spec_text, as_of, applied_at) "
                     "VALUES (?, ?, ?, ?, ?)")
            .with(project.name, project.folder.string(), project.text, as_of, now)
            .run());
    const Json detail = Json::object({{"as_of", base::format_time(as_of)}});
    return store::append_audit(connection, now, "apply", "project.apply", "project/" + project.name,
                               detail.dump());
  });
}

// The champion of the first endpoint that serves the model; the version that a new one is held against.
Result<std::optional<registry::VersionFacts>> champion_of(const Workplace& workplace,
                                                          const std::string& model) {
  for (const project::Endpoint& endpoint : workplace.project.endpoints) {
    if (endpoint.model != model) continue;
    const Result<registry::EndpointFacts> facts = registry::find_endpoint(workplace.home, endpoint.name);
    if (!facts || !facts->serving_version) continue;
    return std::optional(TRY(registry::find_version(workplace.home, model, *facts->serving_version)));
  }
  return std::optional<registry::VersionFacts>();
}

std::string refused_gates(const flow::Candidate& candidate) {
  std::string text;
  for (const judge::GateResult& gate : candidate.gates) {
    if (gate.verdict == judge::Verdict::pass) continue;
    if (!text.empty()) text += "; ";
    text += gate.gate + (gate.detail.empty() ? "" : " (" + gate.detail + ")");
    if (gate.measured.value) text += ", found " + Json(*gate.measured.value).dump();
  }
  return text;
}

}  // namespace

bool ApplyReport::did_nothing() const { return steps_run == 0 && promoted.empty(); }

Status remember(const Workplace& workplace, TimeUs as_of) { return remember_project(workplace, as_of); }

Result<bool> recall(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report) {
  const std::string& model = journey.model.name;
  const std::optional<registry::VersionFacts> known =
      registry::find_by_step(workplace.home, model, flow::task_key(journey.training));
  if (!known) return false;
  const Json gates = TRY(registry::gates_json(workplace.home, model, known->version));
  report.models.push_back({model, known->version, false, known->gates == "passed", Json::object(), gates});
  return true;
}

Status face_champion(const Workplace& workplace, flow::Journey& journey) {
  const std::optional<registry::VersionFacts> champion = TRY(champion_of(workplace, journey.model.name));
  if (champion) journey.request.champion_manifest = champion->manifest_sha256;
  return {};
}

Status enlist(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report) {
  const std::string& model = journey.model.name;
  const registry::NewVersion version =
      flow::version_of(workplace.project, model, journey.candidate, "apply", "declared in trimtab.yaml");
  const registry::VersionFacts made =
      TRY(registry::register_version(workplace.home, workplace.clock, version));
  report.models.push_back(
      {model, made.version, true, version.gates_passed, journey.candidate.metrics, version.gates});
  if (version.gates_passed) return {};
  return fail(ErrorCode::check_failed,
              "version " + std::to_string(made.version) + " of model '" + model +
                  "' was refused by its gates: " + refused_gates(journey.candidate),
              "the version is kept for inspection and nothing else changed; improve the model, or change "
              "`gates:` if they ask too much");
}

Status open_endpoint(const Workplace& workplace, const project::Endpoint& endpoint, ApplyReport& report,
                     const std::function<Status(const std::string&)>& on_promoted) {
  TRY(registry::declare_endpoint(workplace.home, workplace.clock, workplace.project.name, endpoint.name,
                                 endpoint.model));
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(workplace.home, endpoint.name));
  const auto model =
      std::find_if(report.models.begin(), report.models.end(),
                   [&](const ApplyReport::Model& made) { return made.model == endpoint.model; });
  CHECK(model != report.models.end());
  const bool wanted = !facts.serving_version || (model->is_new && *facts.serving_version != model->version);
  if (!wanted) return {};
  TRY(registry::change_champion(workplace.home, workplace.clock, endpoint.name, model->version, "apply",
                                "endpoint.promote", "declared in trimtab.yaml"));
  report.promoted.push_back("endpoint " + endpoint.name + ": version " + std::to_string(model->version));
  return on_promoted(endpoint.name);
}

std::string ApplyReport::to_text() const {
  if (did_nothing()) return "Nothing to do: everything is as declared.\n";
  std::string text = std::to_string(steps_run) + " steps run.\n";
  for (const Model& model : models) {
    text += "model " + model.model + ": version " + std::to_string(model.version) +
            (model.is_new ? " registered" : " (known)") + "\n";
    for (const Json& gate : model.gates.as_array()) {
      text += "  " + gate.text_or("verdict") + "  " + gate.text_or("gate");
      const Json& value = gate["measured"]["value"];
      if (value.is_number()) text += "   found " + value.dump();
      if (!gate.text_or("detail").empty()) text += "   (" + gate.text_or("detail") + ")";
      text += "\n";
    }
  }
  for (const std::string& line : promoted) text += line + " now serves\n";
  return text;
}

Json ApplyReport::to_json() const {
  Json list = Json::array();
  for (const Model& model : models) {
    Json entry = Json::object();
    entry.set("model", model.model).set("version", model.version).set("is_new", model.is_new);
    list.push(entry.set("metrics", model.metrics).set("gates", model.gates));
  }
  Json champions = Json::array();
  for (const std::string& line : promoted) champions.push(line);
  Json json = Json::object();
  json.set("steps_run", steps_run).set("models", std::move(list));
  return json.set("promoted", std::move(champions));
}

}  // namespace trimtab::plan
