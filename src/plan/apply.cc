#include "plan/apply.h"

#include <algorithm>

#include "flow/pipeline.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/audit.h"

namespace trimtab::plan {
namespace {

// Counts steps on their way to the caller's listener.
class Counter final : public flow::ProgressListener {
 public:
  Counter(flow::ProgressListener& next, ApplyReport& report) : next_(next), report_(report) {}

  void started(const flow::Task& task) override { next_.started(task); }
  void progressed(const flow::Task& task, std::int64_t done, std::int64_t total, const std::string& unit) override {
    next_.progressed(task, done, total, unit);
  }
  void finished(const flow::Task& task, const flow::TaskResult& result) override {
    ++report_.steps_run;
    next_.finished(task, result);
  }
  void failed(const flow::Task& task, const Error& error) override { next_.failed(task, error); }

 private:
  flow::ProgressListener& next_;
  ApplyReport& report_;
};

// Keeps the file as it was applied. An unchanged file leaves no trace.
Status remember_project(const Workplace& workplace, TimeUs as_of) {
  const project::Project& project = workplace.project;
  const TimeUs now = workplace.clock.now();
  return workplace.home.database().write([&](store::Connection& connection) -> Status {
    store::Statement known = connection.prepare("SELECT spec_text, as_of, folder FROM project WHERE name = ?");
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
    return store::append_audit(connection, now, "apply", "project.apply", "project/" + project.name, detail.dump());
  });
}

// The champion of the first endpoint that serves the model; the version that a new one is held against.
Result<std::optional<registry::VersionFacts>> champion_of(const Workplace& workplace, const std::string& model) {
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

// Trains what is declared. A declaration that was trained before is found by its step and trained no second time.
Result<ApplyReport::Model> apply_model(const Workplace& workplace, flow::Pipeline& pipeline,
                                       const project::Model& model, TimeUs as_of,
                                       flow::ProgressListener& listener) {
  flow::TrainingRequest request{.model = model.name, .as_of = as_of, .test_from = {}, .champion_manifest = {}};
  const std::string step_key = TRY(pipeline.training_key(request, listener));
  if (const auto known = registry::find_by_step(workplace.home, model.name, step_key)) {
    const Json gates = TRY(registry::gates_json(workplace.home, model.name, known->version));
    return ApplyReport::Model{model.name, known->version, false, known->gates == "passed", Json::object(), gates};
  }
  const std::optional<registry::VersionFacts> champion = TRY(champion_of(workplace, model.name));
  if (champion) request.champion_manifest = champion->manifest_sha256;
  const flow::Candidate candidate = TRY(pipeline.train(request, listener));
  const registry::NewVersion version =
      flow::version_of(workplace.project, model.name, candidate, "apply", "declared in trimtab.yaml");
  const registry::VersionFacts made = TRY(registry::register_version(workplace.home, workplace.clock, version));
  if (!version.gates_passed) {
    return fail(ErrorCode::check_failed,
                "version " + std::to_string(made.version) + " of model '" + model.name +
                    "' was refused by its gates: " + refused_gates(candidate),
                "the version is kept for inspection and nothing else changed; improve the model, or change "
                "`gates:` if they ask too much");
  }
  return ApplyReport::Model{model.name, made.version, true, true, candidate.metrics, version.gates};
}

// Opens the endpoint, and lets a version that this apply made answer. A champion that healing chose later stays.
Status apply_endpoint(const Workplace& workplace, const project::Endpoint& endpoint, ApplyReport& report,
                      const std::function<Status(const std::string&)>& on_promoted) {
  TRY(registry::declare_endpoint(workplace.home, workplace.clock, workplace.project.name, endpoint.name,
                                 endpoint.model));
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(workplace.home, endpoint.name));
  const auto model = std::find_if(report.models.begin(), report.models.end(),
                                  [&](const ApplyReport::Model& made) { return made.model == endpoint.model; });
  CHECK(model != report.models.end());
  const bool wanted = !facts.serving_version || (model->is_new && *facts.serving_version != model->version);
  if (!wanted) return {};
  TRY(registry::change_champion(workplace.home, workplace.clock, endpoint.name, model->version, "apply",
                                "endpoint.promote", "declared in trimtab.yaml"));
  report.promoted.push_back("endpoint " + endpoint.name + ": version " + std::to_string(model->version));
  return on_promoted(endpoint.name);
}

}  // namespace

bool ApplyReport::did_nothing() const { return steps_run == 0 && promoted.empty(); }

Result<ApplyReport> apply(const Workplace& workplace, TimeUs as_of, flow::ProgressListener& listener,
                          const std::function<Status(const std::string& endpoint)>& on_promoted) {
  ApplyReport report;
  Counter counter(listener, report);
  flow::Executor executor(workplace.home, workplace.clock, workplace.executor);
  flow::Pipeline pipeline(workplace.project, workplace.home, workplace.engine, executor, workplace.clock);
  TRY(pipeline.validate(counter));
  TRY(remember_project(workplace, as_of));
  for (const project::Table& table : workplace.project.tables) {
    TRY(pipeline.prepare(table.name, as_of, counter));
  }
  for (const project::Model& model : workplace.project.models) {
    report.models.push_back(TRY(apply_model(workplace, pipeline, model, as_of, counter)));
  }
  for (const project::Endpoint& endpoint : workplace.project.endpoints) {
    TRY(apply_endpoint(workplace, endpoint, report, on_promoted));
  }
  return report;
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
