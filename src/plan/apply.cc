#include "plan/apply.h"

#include <algorithm>

#include "flow/pipeline.h"
#include "flow/standing_gates.h"
#include "plan/known_training.h"
#include "registry/endpoints.h"
#include "registry/pushes.h"
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
    return store::append_audit(connection, now, workplace.actor, "project.apply", "project/" + project.name,
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

}  // namespace

void ApplyReport::warn(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (std::find(warnings.begin(), warnings.end(), line) == warnings.end()) warnings.push_back(line);
  }
}

bool ApplyReport::did_nothing() const {
  const bool judged =
      std::any_of(models.begin(), models.end(), [](const Model& model) { return model.judged_again; });
  return steps_run == 0 && promoted.empty() && rolled_out.empty() && !judged;
}

Status remember(const Workplace& workplace, TimeUs as_of) { return remember_project(workplace, as_of); }

Result<bool> recall(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report) {
  const std::optional<KnownVersion> known = TRY(find_known(workplace, journey));
  if (!known) return false;
  const std::string& model = journey.model.name;
  if (known->is_refused()) return fail(refusal(model, known->facts.version, known->gates));
  report.models.push_back({model, known->facts.version, false, !known->waits(), Json::object(), known->gates,
                           false, known->waits()});
  return true;
}

Status face_champion(const Workplace& workplace, flow::Journey& journey) {
  const std::optional<registry::VersionFacts> champion = TRY(champion_of(workplace, journey.model.name));
  if (champion) journey.request.champion_manifest = champion->manifest_sha256;
  return {};
}

namespace {

// A version that has passed is asked nothing in hindsight: neither is anybody about it.
void take_as_approved(registry::NewVersion& version) {
  if (!version.waits) return;
  Json gates = Json::array();
  for (Json gate : version.gates.as_array()) {
    if (gate.text_or("verdict") == "pending")
      gate.set("verdict", "pass").set("detail", "it had passed before anybody was to be asked");
    gates.push(std::move(gate));
  }
  version.gates = std::move(gates);
  version.gates_passed = true;
  version.waits = false;
}

}  // namespace

Status enlist(const Workplace& workplace, const flow::Journey& journey, ApplyReport& report) {
  const std::string& model = journey.model.name;
  registry::NewVersion version = flow::version_of(workplace.project, model, journey.candidate,
                                                  workplace.actor, "declared in trimtab.yaml");
  const registry::VersionFacts made =
      TRY(registry::register_version(workplace.home, workplace.clock, version));
  // It was there, and the gates have changed since.
  const bool judged_again = !made.is_new;
  if (judged_again && made.gates == "passed") take_as_approved(version);
  const bool goes_on = version.gates_passed || version.waits;
  const bool accepted = judged_again && goes_on && made.gates != "passed";
  if (judged_again && (goes_on || made.gates == "open")) {
    TRY(registry::judge_again(workplace.home, workplace.clock, version, made.version));
  }
  report.models.push_back({model, made.version, made.is_new || accepted, version.gates_passed,
                           journey.candidate.metrics, version.gates, judged_again, version.waits});
  if (goes_on) return {};
  if (!judged_again || made.gates != "passed") return fail(refusal(model, made.version, version.gates));
  return fail(
      ErrorCode::check_failed,
      "version " + std::to_string(made.version) + " of model '" + model +
          "' had passed, but would be refused by the gates as they are now: " + refused_gates(version.gates),
      "it stays as it was; improve the model, or change `gates:` if they ask too much");
}

namespace {

// A version that this apply made or accepted is to serve. So is one that an interrupted apply made and did
// not come to promote; but where a later champion was chosen, or this one was rolled back, that decision
// stands.
Result<bool> is_to_serve(const Workplace& workplace, const registry::EndpointFacts& endpoint,
                         const ApplyReport::Model& model) {
  if (!endpoint.serving_version) return true;
  if (*endpoint.serving_version == model.version) return false;
  if (model.is_new) return true;
  if (*endpoint.serving_version > model.version) return false;
  if (!TRY(registry::why_refused(workplace.home, model.model, model.version)).empty()) return false;
  return !TRY(registry::has_served(workplace.home, endpoint.name, model.version));
}

}  // namespace

Status open_endpoint(const Workplace& workplace, const project::Endpoint& endpoint, ApplyReport& report,
                     const std::function<Status(const std::string&)>& on_promoted) {
  TRY(registry::declare_endpoint(workplace.home, workplace.clock, workplace.project.name, endpoint.name,
                                 endpoint.model, workplace.actor));
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(workplace.home, endpoint.name));
  const auto model =
      std::find_if(report.models.begin(), report.models.end(),
                   [&](const ApplyReport::Model& made) { return made.model == endpoint.model; });
  CHECK(model != report.models.end());
  if (!TRY(is_to_serve(workplace, facts, *model))) return {};
  // With a rollout declared, it comes to answer as a person's push does: step by step, by the loop. So does
  // one that waits for a person.
  if (model->waits || (endpoint.rollout && facts.serving_version)) {
    std::vector<std::string>& lines = model->waits ? report.waiting : report.rolled_out;
    const std::string line = "endpoint " + endpoint.name + ": version " + std::to_string(model->version);
    const std::optional<std::int64_t> rolling = TRY(registry::pushed_version(workplace.home, endpoint.name));
    if (model->waits || rolling != model->version) lines.push_back(line);
    if (rolling == model->version) return {};
    TRY(registry::push_version(workplace.home, workplace.clock, endpoint.name, model->version,
                               workplace.actor, "declared in trimtab.yaml"));
    return {};
  }
  TRY(registry::change_champion(workplace.home, workplace.clock, endpoint.name, model->version,
                                workplace.actor, "endpoint.promote", "declared in trimtab.yaml"));
  report.promoted.push_back("endpoint " + endpoint.name + ": version " + std::to_string(model->version));
  return on_promoted(endpoint.name);
}

namespace {

std::string waiting_text(const std::vector<std::string>& waiting) {
  std::string text;
  for (const std::string& line : waiting) {
    text += line + " waits for approval: while a server runs, `trimtab status` shows the command\n";
  }
  return text;
}

}  // namespace

std::string ApplyReport::to_text() const {
  std::string text;
  for (const std::string& warning : warnings) text += "warning: " + warning + "\n";
  if (did_nothing()) return text + "Nothing to do: everything is as declared.\n" + waiting_text(waiting);
  text += std::to_string(steps_run) + " steps run.\n";
  for (const Model& model : models) {
    text += "model " + model.model + ": version " + std::to_string(model.version) +
            (model.judged_again ? " meets the gates as they are now"
             : model.is_new     ? " registered"
                                : " (known)") +
            "\n";
    for (const Json& gate : model.gates.as_array()) {
      const bool passed = gate.text_or("verdict") == "pass";
      if (passed && flow::is_standing_gate(gate.text_or("gate"))) continue;
      text += "  " + gate.text_or("verdict") + "  " + gate.text_or("gate");
      const Json& value = gate["measured"]["value"];
      if (value.is_number()) text += "   found " + value.dump();
      if (!gate.text_or("detail").empty()) text += "   (" + gate.text_or("detail") + ")";
      text += "\n";
    }
  }
  for (const std::string& line : promoted) text += line + " now serves\n";
  for (const std::string& line : rolled_out) {
    text += line + " rolls out: the server lets it answer step by step\n";
  }
  return text + waiting_text(waiting);
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
  Json warned = Json::array();
  for (const std::string& warning : warnings) warned.push(warning);
  Json rolls = Json::array();
  for (const std::string& line : rolled_out) rolls.push(line);
  json.set("rolled_out", std::move(rolls));
  Json waits = Json::array();
  for (const std::string& line : waiting) waits.push(line);
  json.set("waiting", std::move(waits));
  return json.set("promoted", std::move(champions)).set("warnings", std::move(warned));
}

}  // namespace trimtab::plan
