#include "plan/plan.h"

#include <algorithm>

#include "flow/pipeline.h"
#include "plan/apply.h"
#include "plan/known_training.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::plan {
namespace {

// "ingest flights: data/flights/2013-01-01.csv" is about "flights".
std::string subject_of(const flow::Task& task) {
  std::string subject = task.label.substr(std::min(task.label.size(), task.operation.size() + 1));
  return subject.substr(0, subject.find(':'));
}

// Collects what the pipeline would run.
class Collector final : public flow::ProgressListener {
 public:
  explicit Collector(Plan& plan) : plan_(plan) {}

  void finished(const flow::Task& task, const flow::TaskResult& result) override {
    if (!result.pending) return;
    ++plan_.to_run;
    const std::string kind = task.operation == "ingest_rows" ? "ingest" : task.operation;
    const std::string subject = subject_of(task);
    for (PlannedChange& change : plan_.changes) {
      if (change.kind != kind || change.subject != subject) continue;
      ++change.count;
      // The most telling reason wins over the one that only follows from another step.
      if (change.why == "its input changes") change.why = result.why;
      return;
    }
    const bool is_new = result.why == "new";
    using Action = PlannedChange::Action;
    plan_.changes.push_back({is_new ? Action::create : Action::update, kind, subject, 1, result.why});
  }

 private:
  Plan& plan_;
};

// Endpoints and models that the record lacks.
Status plan_record(const Workplace& workplace, Plan& plan) {
  const auto add = [&plan](const std::string& kind, const std::string& subject, const std::string& why) {
    plan.changes.push_back({PlannedChange::Action::create, kind, subject, 1, why});
    ++plan.changes_of_record;
  };
  for (const project::Model& model : workplace.project.models) {
    if (TRY(registry::list_versions(workplace.home, model.name)).empty()) add("model", model.name, "new");
  }
  for (const project::Endpoint& endpoint : workplace.project.endpoints) {
    const Result<registry::EndpointFacts> facts = registry::find_endpoint(workplace.home, endpoint.name);
    if (!facts && facts.error().code != ErrorCode::not_found) return fail(facts.error());
    if (!facts)
      add("endpoint", endpoint.name, "new: serves " + endpoint.model + " once its gates have passed");
  }
  return {};
}

// What training a model adds. What the record knows of it already is not judged again.
Status plan_model(const Workplace& workplace, flow::Pipeline& pipeline, const project::Model& model,
                  TimeUs as_of, Plan& plan) {
  Collector collector(plan);
  flow::Journey journey = pipeline.set_out(
      {.model = model.name, .as_of = as_of, .test_from = {}, .champion_manifest = {}}, collector);
  TRY(pipeline.enter(journey));
  TRY(pipeline.clean(journey));
  TRY(pipeline.check(journey));
  TRY(pipeline.profile(journey));
  TRY(pipeline.shape(journey));
  if (const std::optional<KnownVersion> known = TRY(find_known(workplace, journey))) {
    if (known->waits()) {
      plan.waiting.push_back(model.name + ": version " + std::to_string(known->facts.version) +
                             " waits for approval");
    }
    if (!known->is_refused()) return {};
    plan.refusals.push_back(model.name + ": version " + std::to_string(known->facts.version) +
                            " was refused by its gates: " + refused_gates(known->gates));
    return {};
  }
  TRY(pipeline.check_whole(journey));
  TRY(pipeline.fit(journey));
  TRY(face_champion(workplace, journey));
  return pipeline.judge(journey);
}

// Adds the steps of a model that the tables' own have not brought yet.
void add_model(Plan&& of_model, Plan& plan) {
  for (PlannedChange& change : of_model.changes) {
    const bool counted =
        std::any_of(plan.changes.begin(), plan.changes.end(), [&](const PlannedChange& known) {
          return known.kind == change.kind && known.subject == change.subject;
        });
    if (counted) continue;
    plan.to_run += change.count;
    plan.changes.push_back(std::move(change));
  }
  for (std::string& refused : of_model.refusals) plan.refusals.push_back(std::move(refused));
  for (std::string& waiting : of_model.waiting) plan.waiting.push_back(std::move(waiting));
}

void note_once(const std::string& line, std::vector<std::string>& lines) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

}  // namespace

TimeUs as_of_for(const project::Project& project, std::optional<TimeUs> given, const base::Clock& clock) {
  if (given) return *given;
  return project.as_of.value_or(clock.now());
}

Result<Plan> make_plan(const Workplace& workplace, TimeUs as_of) {
  Plan plan;
  plan.project = workplace.project.name;
  plan.as_of = as_of;
  flow::ExecutorOptions options = workplace.executor;
  options.dry_run = true;
  flow::Executor executor(workplace.home, workplace.clock, options);
  flow::Pipeline pipeline(workplace.project, workplace.home, workplace.engine, executor, workplace.clock);
  Collector collector(plan);
  TRY(pipeline.validate(collector));
  for (const project::Table& table : workplace.project.tables) {
    const flow::PreparedTable prepared = TRY(pipeline.prepare(table.name, as_of, collector));
    for (const std::string& line : prepared.left_rows) note_once(line, plan.warnings);
    for (const std::string& step : prepared.recipe.whole_table) {
      plan.notes.push_back(table.name + ": " + step +
                           " needs the whole table; it runs when a model is trained");
    }
  }
  // The tables' steps have been counted; what training adds comes on top.
  for (const project::Model& model : workplace.project.models) {
    Plan of_model;
    TRY(plan_model(workplace, pipeline, model, as_of, of_model));
    add_model(std::move(of_model), plan);
  }
  TRY(plan_record(workplace, plan));
  return plan;
}

std::string Plan::to_text() const {
  std::string text = "Project " + project + ", as of " + base::format_time(as_of) + "\n";
  for (const std::string& refused : refusals) text += "  ! " + refused + "\n";
  for (const std::string& line : waiting) text += "  ? " + line + "\n";
  for (const std::string& warning : warnings) text += "  ! " + warning + "\n";
  if (is_empty()) {
    const bool as_declared = refusals.empty();
    return text + (as_declared
                       ? "Nothing to do: everything is as declared.\n"
                       : "Nothing to run: improve the model, or change `gates:` if they ask too much.\n");
  }
  text += "\n";
  for (const PlannedChange& change : changes) {
    const char* symbol = change.action == PlannedChange::Action::create ? "+" : "~";
    const std::string count = change.count == 1 ? "" : std::to_string(change.count) + " steps";
    text += std::string("  ") + symbol + " " + pad(change.kind, 12) + pad(change.subject, 28) +
            pad(count, 11) + change.why + "\n";
  }
  for (const std::string& note : notes) text += "\n  note: " + note;
  text += notes.empty() ? "\n" : "\n\n";
  text += std::to_string(to_run) + " steps to run. + new, ~ changed.\n";
  return text + "Run `trimtab apply` to make it so.\n";
}

Json Plan::to_json() const {
  Json list = Json::array();
  for (const PlannedChange& change : changes) {
    Json entry = Json::object();
    entry.set("action", change.action == PlannedChange::Action::create ? "create" : "update");
    entry.set("kind", change.kind)
        .set("subject", change.subject)
        .set("count", change.count)
        .set("why", change.why);
    list.push(std::move(entry));
  }
  Json notes_json = Json::array();
  for (const std::string& note : notes) notes_json.push(note);
  Json json = Json::object();
  json.set("project", project).set("as_of", base::format_time(as_of)).set("changes", std::move(list));
  Json refused = Json::array();
  for (const std::string& refusal : refusals) refused.push(refusal);
  json.set("refusals", std::move(refused));
  Json waits = Json::array();
  for (const std::string& line : waiting) waits.push(line);
  json.set("waiting", std::move(waits));
  Json warned = Json::array();
  for (const std::string& warning : warnings) warned.push(warning);
  json.set("warnings", std::move(warned));
  return json.set("notes", std::move(notes_json)).set("steps_to_run", to_run);
}

}  // namespace trimtab::plan
