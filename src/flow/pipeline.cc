#include "flow/pipeline.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "check/contract.h"
#include "features/feature_checks.h"
#include "features/frame.h"
#include "flow/golden.h"
#include "flow/learn.h"
#include "flow/standing_gates.h"
#include "model/artifact.h"

namespace trimtab::flow {
namespace {

// Part of a training's key, so it is not the machine's number of cores but a number.
constexpr int kTrainingThreads = 2;

// The columns that the gates slice by, each once.
std::vector<std::string> slices_of(const project::Model& model) {
  std::vector<std::string> slices;
  for (const project::Gate& gate : model.gates) {
    const bool known = std::find(slices.begin(), slices.end(), gate.slice) != slices.end();
    if (!gate.slice.empty() && !known) slices.push_back(gate.slice);
  }
  return slices;
}

std::vector<model::JoinedTable> joined_tables(const PreparedTable& prepared) {
  std::vector<model::JoinedTable> joined;
  for (std::size_t i = 0; i < prepared.recipe.per_file.size(); ++i) {
    const auto* lookup = std::get_if<table::LookupStage>(&prepared.recipe.per_file[i]);
    if (lookup == nullptr) continue;
    joined.push_back(
        {static_cast<int>(i), lookup->lookup.table, prepared.joined.at(lookup->lookup.table).schema});
  }
  return joined;
}

std::vector<std::string> joined_columns(const std::vector<table::Stage>& stages) {
  std::vector<std::string> columns;
  for (const table::Stage& stage : stages) {
    const auto* lookup = std::get_if<table::LookupStage>(&stage);
    if (lookup == nullptr) continue;
    columns.insert(columns.end(), lookup->lookup.select.begin(), lookup->lookup.select.end());
  }
  return columns;
}

// Parts of a joined source that rows from `from` on can reach through any join of the recipe.
std::vector<table::Part> parts_for_judging(const PreparedTable& prepared, const std::string& source,
                                           std::optional<TimeUs> from) {
  std::vector<table::Part> parts;
  for (const table::Stage& stage : prepared.recipe.per_file) {
    const auto* lookup = std::get_if<table::LookupStage>(&stage);
    if (lookup == nullptr || lookup->lookup.table != source) continue;
    const std::optional<TimeUs> forever = from ? std::optional<TimeUs>(INT64_MAX) : std::nullopt;
    for (table::Part& part : reachable_parts(prepared.joined.at(source), lookup->lookup, from, forever)) {
      if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(std::move(part));
    }
  }
  return parts;
}

// Of the rows that came: those that broke the contract, and those that could not even be read.
double quarantined_share(const PreparedTable& prepared) {
  const std::int64_t left = prepared.quarantined + prepared.unreadable;
  const std::int64_t all = left + prepared.kept.rows();
  return all == 0 ? 0 : static_cast<double>(left) / static_cast<double>(all);
}

}  // namespace

table::NamedExpression label_time_of(const project::Model& model, const std::string& time) {
  if (model.label_time) return *model.label_time;
  const std::string delay = std::to_string(model.label_delay / base::kSecondUs);
  return {"label_time", table::quote_name(time) + " + to_seconds(" + delay + ")", model.where};
}

struct Pipeline::State {
  State(const project::Project& project_, store::Home& home_, table::Engine& engine_, Executor& executor_,
        const base::Clock& clock)
      : project(project_),
        home(home_),
        engine(engine_),
        executor(executor_),
        sources(project_, home_, engine_, executor_, clock),
        tables(project_, home_, engine_, executor_, sources, clock) {}

  const project::Project& project;
  store::Home& home;
  table::Engine& engine;
  Executor& executor;
  SourceRefresh sources;
  TableRefresh tables;

  Result<TaskResult> frame(const project::Model& model, const PreparedTable& prepared,
                           const TrainingRequest& request, ProgressListener& listener);
  Result<Task> fit_task(const project::Model& model, const TaskResult& frame, const TrainingRequest& request);
  Result<TaskResult> judge(const project::Model& model, const PreparedTable& prepared,
                           const TaskResult& frame, const TaskResult& fitted, const TrainingRequest& request,
                           ProgressListener& listener);
  Status add_artifact(const std::string& prefix, const std::string& manifest, Task& task);
  Status add_golden(const project::Model& model, Task& task, ProgressListener& listener);
  Result<table::Schema> request_columns(const std::string& manifest) const;
  Status hold_standing_gates(Journey& journey) const;
};

Result<TaskResult> Pipeline::State::frame(const project::Model& model, const PreparedTable& prepared,
                                          const TrainingRequest& request, ProgressListener& listener) {
  const project::Table& table = *project.find_table(model.from);
  const project::Source& source = *project.find_source(table.from);
  if (prepared.kept.parts.empty() && !prepared.pending) {
    return fail(ErrorCode::invalid,
                "the table '" + table.name + "' has no rows as of " + base::format_time(request.as_of),
                "look at --as-of and `as_of:`, and at the times of source '" + source.name + "'");
  }
  features::FrameSpec spec;
  spec.source = prepared.source.schema;
  spec.per_file = prepared.recipe.per_file;
  spec.table = prepared.kept.schema;
  spec.steps = prepared.recipe.later;
  spec.features = model.features;
  spec.target = model.target;
  spec.label_time = label_time_of(model, source.time);
  spec.time = source.time;
  spec.time_zone = source.time_zone;
  spec.slices = slices_of(model);
  spec.joined = joined_tables(prepared);
  spec.split = model.split;
  spec.binary = model.task == project::Task::binary;
  Task task{.operation = "frame",
            .label = "frame " + model.name,
            .params = features::frame_params(spec, {.as_of = request.as_of,
                                                    .test_from = request.test_from,
                                                    .train_from = request.train_from,
                                                    .left_out = request.left_out})};
  for (const table::Part& part : prepared.kept.parts) task.inputs.push_back({"part", part.blob_sha256, {}});
  if (prepared.pending) task.inputs.push_back({"part", "", {}});
  return executor.run_one(task, listener);
}

Result<Task> Pipeline::State::fit_task(const project::Model& model, const TaskResult& frame,
                                       const TrainingRequest& request) {
  Task task{.operation = "train", .label = "train " + model.name, .params = nullptr};
  // The fitted recipe is known once the frame is there; until then a plan compares the learner alone.
  const model::Recipe recipe =
      frame.pending ? model::Recipe{} : TRY(model::Recipe::from_json(frame.values["recipe"]));
  task.params = train_params(recipe, model);
  if (!request.changes.empty()) {
    Json changes = Json::array();
    for (const TimeUs change : request.changes) changes.push(change);
    task.params.set("changes", std::move(changes));
  }
  task.inputs.push_back({"frame", frame.file("frame.parquet"), {}});
  task.threads = kTrainingThreads;
  return task;
}

// Every file of an artifact, by its manifest, as inputs "<prefix>/<file>".
Status Pipeline::State::add_artifact(const std::string& prefix, const std::string& manifest, Task& task) {
  const Json listed = TRY(base::parse_json(TRY(home.blobs().get(manifest))));
  task.inputs.push_back({prefix + "/manifest.json", manifest, {}});
  for (const auto& [name, sha256] : model::manifest_files(listed)) {
    task.inputs.push_back({prefix + "/" + name, sha256, {}});
  }
  return {};
}

// The rows that the model must answer as declared, by the content of their file.
Status Pipeline::State::add_golden(const project::Model& model, Task& task, ProgressListener& listener) {
  const project::Source& source = *project.find_source(project.find_table(model.from)->from);
  const std::string sha256 = TRY(golden_hash(project, model));
  task.params.set("golden", golden_params(model, sha256, TRY(sources.reading(source, listener))));
  task.inputs.push_back({"golden", sha256, project.folder / model.golden});
  return {};
}

Result<TaskResult> Pipeline::State::judge(const project::Model& model, const PreparedTable& prepared,
                                          const TaskResult& frame, const TaskResult& fitted,
                                          const TrainingRequest& request, ProgressListener& listener) {
  Task task{.operation = "judge",
            .label = "judge " + model.name,
            .params = judge_params(model, prepared.source.schema, quarantined_share(prepared))};
  task.inputs.push_back({"frame", frame.file("frame.parquet"), {}});
  if (!model.golden.empty()) TRY(add_golden(model, task, listener));
  if (fitted.pending) {
    task.inputs.push_back({"candidate/manifest.json", "", {}});
    return executor.run_one(task, listener);
  }
  // Golden rows may be of any time.
  const Json* test_from = model.golden.empty() ? frame.values.find("test_from") : nullptr;
  const std::optional<TimeUs> from =
      test_from != nullptr && test_from->is_int() ? std::optional<TimeUs>(test_from->as_int()) : std::nullopt;
  for (const table::Part& part : prepared.source.parts) task.inputs.push_back({"part", part.blob_sha256, {}});
  for (const auto& [source, snapshot] : prepared.joined) {
    for (const table::Part& part : parts_for_judging(prepared, source, from)) {
      task.inputs.push_back({"rows/" + source, part.blob_sha256, {}});
    }
  }
  TRY(add_artifact("candidate", fitted.file("manifest.json"), task));
  if (request.champion_manifest) TRY(add_artifact("champion", *request.champion_manifest, task));
  return executor.run_one(task, listener);
}

// What requests to the version of that manifest hold.
Result<table::Schema> Pipeline::State::request_columns(const std::string& manifest) const {
  const Json listed = TRY(base::parse_json(TRY(home.blobs().get(manifest))));
  const std::map<std::string, std::string> files = model::manifest_files(listed);
  const auto recipe = files.find("recipe.json");
  if (recipe == files.end()) return fail(ErrorCode::storage_broken, "the artifact has no file 'recipe.json'");
  const Json read = TRY(base::parse_json(TRY(home.blobs().get(recipe->second))));
  return TRY(model::Recipe::from_json(read)).request;
}

Status Pipeline::State::hold_standing_gates(Journey& journey) const {
  std::vector<judge::GateResult>& gates = journey.candidate.gates;
  const auto lineage = TRY(lineage_gate(home, journey.fitted, journey.prepared.kept));
  if (lineage) gates.push_back(*lineage);
  if (lineage || !journey.request.champion_manifest) return {};
  const auto schema = schema_gate(TRY(request_columns(journey.fitted.file("manifest.json"))),
                                  TRY(request_columns(*journey.request.champion_manifest)));
  if (schema) gates.push_back(*schema);
  return {};
}

Pipeline::Pipeline(const project::Project& project, store::Home& home, table::Engine& engine,
                   Executor& executor, const base::Clock& clock)
    : state_(std::make_unique<State>(project, home, engine, executor, clock)) {}
Pipeline::~Pipeline() = default;

Status Pipeline::validate(ProgressListener& listener) {
  base::Diagnostics diagnostics;
  const auto note = [&diagnostics](Status status) {
    if (!status) diagnostics.add(std::move(status).error());
  };
  for (const project::Table& table : state_->project.tables) {
    if (state_->project.find_source(table.from) != nullptr) continue;
    diagnostics.add(
        Error{ErrorCode::unsupported, "table '" + table.name + "' reads the table '" + table.from + "'",
              "this version reads sources only: put both recipes into one table", table.where, nullptr});
  }
  if (!diagnostics.empty()) return fail(diagnostics.as_error());
  std::map<std::string, clean::CompiledRecipe> recipes;
  for (const project::Source& source : state_->project.sources) {
    const Result<table::Schema> schema = state_->sources.schema(source, listener);
    if (!schema) diagnostics.add(schema.error());
  }
  if (!diagnostics.empty()) return fail(diagnostics.as_error());
  for (const project::Table& table : state_->project.tables) {
    const project::Source& source = *state_->project.find_source(table.from);
    Result<clean::CompiledRecipe> recipe = state_->tables.compile(table, listener);
    if (!recipe) {
      diagnostics.add(recipe.error());
      continue;
    }
    // Checks run on each part, before the steps that need the whole table.
    note(check::validate(state_->engine, table, recipe->after_per_file, source.time_zone, source.time));
    recipes[table.name] = std::move(*recipe);
  }
  for (const project::Model& model : state_->project.models) {
    const auto recipe = recipes.find(model.from);
    if (recipe == recipes.end()) continue;  // Its table has been complained about.
    const std::string& zone =
        state_->project.find_source(state_->project.find_table(model.from)->from)->time_zone;
    note(features::validate(state_->engine, model, recipe->second.after, zone));
    if (model.golden.empty()) continue;
    const project::Source& source =
        *state_->project.find_source(state_->project.find_table(model.from)->from);
    note(check_golden(state_->engine, state_->project, model, TRY(state_->sources.schema(source, listener)),
                      joined_columns(recipe->second.per_file)));
  }
  if (diagnostics.empty()) return {};
  return fail(diagnostics.as_error());
}

Result<table::Snapshot> Pipeline::refresh_source(const std::string& name, TimeUs as_of,
                                                 ProgressListener& listener) {
  bool pending = false;
  return state_->sources.refresh(*state_->project.find_source(name), as_of, listener, pending);
}

Result<PreparedTable> Pipeline::prepare(const std::string& name, TimeUs as_of, ProgressListener& listener) {
  const project::Table& table = *state_->project.find_table(name);
  PreparedTable prepared;
  TRY(state_->tables.enter(table, as_of, prepared, listener));
  TRY(state_->tables.clean(table, prepared, listener));
  TRY(state_->tables.check(table, prepared, listener));
  TRY(state_->tables.profile(prepared, listener));
  return prepared;
}

Journey Pipeline::set_out(TrainingRequest request, ProgressListener& listener) const {
  const project::Model& model = *state_->project.find_model(request.model);
  return {model, *state_->project.find_table(model.from), std::move(request), listener};
}

Status Pipeline::enter(Journey& journey) {
  return state_->tables.enter(journey.table, journey.request.as_of, journey.prepared, journey.listener);
}

Status Pipeline::clean(Journey& journey) {
  return state_->tables.clean(journey.table, journey.prepared, journey.listener);
}

Status Pipeline::check(Journey& journey) {
  return state_->tables.check(journey.table, journey.prepared, journey.listener);
}

Status Pipeline::profile(Journey& journey) {
  return state_->tables.profile(journey.prepared, journey.listener);
}

Status Pipeline::check_whole(Journey& journey) {
  return state_->tables.check_whole(journey.table, journey.request.as_of, journey.prepared, journey.listener);
}

Status Pipeline::shape(Journey& journey) {
  journey.frame = TRY(state_->frame(journey.model, journey.prepared, journey.request, journey.listener));
  journey.training = TRY(state_->fit_task(journey.model, journey.frame, journey.request));
  return {};
}

Status Pipeline::fit(Journey& journey) {
  journey.fitted = TRY(state_->executor.run_one(journey.training, journey.listener));
  return {};
}

Status Pipeline::judge(Journey& journey) {
  journey.judged = TRY(state_->judge(journey.model, journey.prepared, journey.frame, journey.fitted,
                                     journey.request, journey.listener));
  Candidate& candidate = journey.candidate;
  const TaskResult& judged = journey.judged;
  candidate.pending = judged.pending;
  if (candidate.pending) return {};
  candidate.step_key = journey.fitted.key;
  candidate.files = journey.fitted.files;
  candidate.metrics = judged.values["metrics"];
  for (const Json& gate : judged.values["gates"].as_array()) {
    candidate.gates.push_back(TRY(judge::GateResult::from_json(gate)));
  }
  TRY(state_->hold_standing_gates(journey));
  const Json& gain = judged.values["gain"];
  if (gain.is_object()) {
    candidate.gain = {gain.int_or("rows"), gain.double_or("mean"), gain.double_or("standard_error")};
  }
  candidate.report = judged.files.at("report.json");
  candidate.facts = Json::object({{"learner", journey.fitted.values["learner"]},
                                  {"rounds", journey.fitted.values["rounds"]},
                                  {"quarantined", journey.prepared.quarantined},
                                  {"checks", journey.prepared.checks}});
  for (const char* fact : {"train_rows", "test_rows", "from", "to", "test_from"}) {
    candidate.facts.set(fact, journey.frame.values[fact]);
  }
  Json left = Json::array();
  for (const std::string& line : journey.prepared.left_rows) left.push(line);
  if (!left.as_array().empty()) candidate.facts.set("left_rows", std::move(left));
  const std::string manifest = journey.prepared.kept.to_json().dump();
  candidate.table = {TRY(state_->home.blobs().put(manifest)), manifest.size()};
  return {};
}

Result<Candidate> Pipeline::train(TrainingRequest request, ProgressListener& listener) {
  Journey journey = set_out(std::move(request), listener);
  TRY(enter(journey));
  TRY(clean(journey));
  TRY(check(journey));
  TRY(profile(journey));
  TRY(check_whole(journey));
  TRY(shape(journey));
  TRY(fit(journey));
  TRY(judge(journey));
  return std::move(journey.candidate);
}

}  // namespace trimtab::flow
