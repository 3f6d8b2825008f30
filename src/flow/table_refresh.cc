#include "flow/table_refresh.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "check/contract.h"

namespace trimtab::flow {
namespace {

std::vector<table::LookupSpec> lookups_of(const std::vector<table::Stage>& stages) {
  std::vector<table::LookupSpec> lookups;
  for (const table::Stage& stage : stages) {
    if (const auto* lookup = std::get_if<table::LookupStage>(&stage)) lookups.push_back(lookup->lookup);
  }
  return lookups;
}

std::optional<TimeUs> time_value(const Json& values, std::string_view name) {
  const Json* time = values.find(name);
  return time != nullptr && time->is_int() ? std::optional<TimeUs>(time->as_int()) : std::nullopt;
}

// Adds the counts of one part's checks to those of the table.
void add_checks(Json& total, const Json& of_part) {
  for (const Json& check : of_part.as_array()) {
    Json* known = nullptr;
    for (Json& candidate : total.as_array()) {
      if (candidate["check"] == check["check"]) known = &candidate;
    }
    if (known == nullptr) {
      total.push(check);
      continue;
    }
    known->set("failed", known->int_or("failed") + check.int_or("failed"));
    if (known->text_or("verdict") == "pass") known->set("verdict", check["verdict"]);
    if ((*known)["sample"].is_array() && (*known)["sample"].as_array().empty())
      known->set("sample", check["sample"]);
  }
}

// A file that was set aside has a part without a row, which is not worth a step, nor another training.
void note_left_rows(table::Snapshot& source, std::vector<std::string>& lines) {
  for (std::string& line : left_rows_of(source)) lines.push_back(std::move(line));
  std::erase_if(source.parts, [](const table::Part& part) { return part.set_aside; });
}

std::string part_label(const std::string& verb, const std::string& table, const table::Part& part) {
  return verb + " " + table + ": " + part.origin;
}

}  // namespace

std::vector<table::Part> reachable_parts(const table::Snapshot& joined, const table::LookupSpec& lookup,
                                         std::optional<TimeUs> time_min, std::optional<TimeUs> time_max) {
  if (lookup.left_time.empty() || !time_min || !time_max) return joined.parts;
  std::vector<table::Part> reachable;
  for (const table::Part& part : joined.parts) {
    const bool too_late = part.time_min && *part.time_min > *time_max;
    const bool too_old = lookup.age_max > 0 && part.time_max && *part.time_max < *time_min - lookup.age_max;
    if (!too_late && !too_old) reachable.push_back(part);
  }
  return reachable;
}

TableRefresh::TableRefresh(const project::Project& project, store::Home& home, table::Engine& engine,
                           Executor& executor, SourceRefresh& sources, const base::Clock& clock)
    : project_(project),
      home_(home),
      engine_(engine),
      executor_(executor),
      sources_(sources),
      clock_(clock) {}

Result<clean::CompiledRecipe> TableRefresh::compile(const project::Table& table, ProgressListener& listener) {
  std::map<std::string, table::Schema> schemas;
  for (const project::Source& source : project_.sources) {
    schemas[source.name] = TRY(sources_.schema(source, listener));
  }
  const project::Source& source = *project_.find_source(table.from);
  return clean::compile(engine_, table, schemas, source.time_zone, source.time);
}

Result<std::vector<Task>> TableRefresh::clean_tasks(const project::Table& table,
                                                    const PreparedTable& prepared) {
  const project::Source& source = *project_.find_source(table.from);
  const std::vector<table::LookupSpec> lookups = lookups_of(prepared.recipe.per_file);
  std::vector<table::Schema> schemas;
  for (const table::LookupSpec& lookup : lookups) schemas.push_back(prepared.joined.at(lookup.table).schema);
  const Json params = clean::clean_params(prepared.source.schema, prepared.recipe.per_file, schemas,
                                          source.time_zone, source.time);
  std::vector<Task> tasks;
  for (const table::Part& part : prepared.source.parts) {
    Task task{.operation = "clean", .label = part_label("clean", table.name, part), .params = params};
    task.inputs.push_back({"part", part.blob_sha256, {}});
    for (std::size_t i = 0; i < lookups.size(); ++i) {
      const table::Snapshot& joined = prepared.joined.at(lookups[i].table);
      for (const table::Part& right : reachable_parts(joined, lookups[i], part.time_min, part.time_max)) {
        task.inputs.push_back({"join" + std::to_string(i), right.blob_sha256, {}});
      }
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Status TableRefresh::clean(const project::Table& table, PreparedTable& prepared, ProgressListener& listener) {
  prepared.cleaned = TRY(executor_.run(TRY(clean_tasks(table, prepared)), listener));
  return {};
}

Status TableRefresh::check(const project::Table& table, PreparedTable& prepared, ProgressListener& listener) {
  const std::vector<TaskResult>& cleaned = prepared.cleaned;
  const project::Source& source = *project_.find_source(table.from);
  table::Schema schema = prepared.recipe.after_per_file;
  schema.set({clean::kRowColumn, table::ColumnType::integer});
  const Json params = check::check_params(table, schema, source.time_zone, source.time);
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < cleaned.size(); ++i) {
    tasks.push_back({.operation = "check",
                     .label = part_label("check", table.name, prepared.source.parts[i]),
                     .params = params,
                     .inputs = {{"part", cleaned[i].pending ? "" : cleaned[i].file("part.parquet"), {}}}});
  }
  const std::vector<TaskResult> checked = TRY(executor_.run(tasks, listener));
  prepared.kept.name = table_dataset(table.name);
  prepared.kept.schema = schema;
  prepared.kept.time_column = source.time;
  for (std::size_t i = 0; i < checked.size(); ++i) {
    table::Part part = prepared.source.parts[i];
    part.origin_sha256 = part.blob_sha256;
    part.step_key = checked[i].key;
    part.blob_sha256 = checked[i].file("kept.parquet");
    if (checked[i].pending) {
      prepared.pending = true;
    } else {
      part.bytes = checked[i].files.at("kept.parquet").size;
      part.rows = checked[i].values.int_or("kept");
      part.time_min = time_value(checked[i].values, "time_min");
      part.time_max = time_value(checked[i].values, "time_max");
      prepared.quarantined += checked[i].values.int_or("quarantined");
      add_checks(prepared.checks, checked[i].values["checks"]);
    }
    prepared.kept.parts.push_back(std::move(part));
  }
  return {};
}

std::vector<Task> profile_tasks(const table::Snapshot& snapshot) {
  const Json params = profile::profile_params(snapshot.schema);
  std::vector<Task> tasks;
  for (const table::Part& part : snapshot.parts) {
    tasks.push_back({.operation = "profile",
                     .label = part_label("profile", snapshot.name, part),
                     .params = params,
                     .inputs = {{"part", part.blob_sha256, {}}}});
  }
  return tasks;
}

Status TableRefresh::profile(PreparedTable& prepared, ProgressListener& listener) {
  for (const TaskResult& result : TRY(executor_.run(profile_tasks(prepared.kept), listener))) {
    prepared.states.push_back(result.file("state.json"));
  }
  if (!executor_.is_dry_run()) TRY(save_snapshot(home_, project_.name, prepared.kept, clock_.now()));
  return {};
}

Status TableRefresh::enter(const project::Table& table, TimeUs as_of, PreparedTable& prepared,
                           ProgressListener& listener) {
  prepared.recipe = TRY(compile(table, listener));
  const project::Source& source = *project_.find_source(table.from);
  prepared.source = TRY(sources_.refresh(source, as_of, listener, prepared.pending));
  for (const table::Part& part : prepared.source.parts) prepared.unreadable += part.left;
  note_left_rows(prepared.source, prepared.left_rows);
  for (const table::LookupSpec& lookup : lookups_of(prepared.recipe.per_file)) {
    if (prepared.joined.contains(lookup.table)) continue;
    const project::Source& joined = *project_.find_source(lookup.table);
    table::Snapshot& snapshot = prepared.joined[lookup.table];
    snapshot = TRY(sources_.refresh(joined, as_of, listener, prepared.pending));
    note_left_rows(snapshot, prepared.left_rows);
  }
  return {};
}

Status TableRefresh::check_whole(const project::Table& table, TimeUs as_of, PreparedTable& prepared,
                                 ProgressListener& listener) {
  Task task{.operation = "check_table",
            .label = "check_table " + table.name,
            .params = check::check_table_params(table)};
  for (const table::Part& part : prepared.kept.parts) task.inputs.push_back({"part", part.blob_sha256, {}});
  const TaskResult whole = TRY(executor_.run_one(task, listener));
  if (prepared.pending || whole.pending) return {};
  for (const Json& check : whole.values["checks"].as_array()) prepared.checks.push(check);
  const Json of_snapshot = check::check_snapshot(table, prepared.kept, as_of);
  for (const Json& check : of_snapshot.as_array()) prepared.checks.push(check);
  return check::demand_pass(table.name, prepared.checks);
}

}  // namespace trimtab::flow
