#include "project/references.h"

#include <algorithm>
#include <set>

#include "project/limit_text.h"
#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

template <class Thing>
void append_names(const std::vector<Thing>& things, std::vector<std::string>& names) {
  for (const Thing& thing : things) names.push_back(thing.name);
}

std::string_view kind_of(Reference::Target target) {
  switch (target) {
    case Reference::Target::source:
      return "source";
    case Reference::Target::source_or_table:
      return "source or table";
    case Reference::Target::table:
      return "table";
    case Reference::Target::model:
      return "model";
  }
  return "";
}

void check_name(const Reference& reference, Draft& draft) {
  using Target = Reference::Target;
  const Project& project = draft.project;
  const Target target = reference.target;
  const bool wants_source = target == Target::source || target == Target::source_or_table;
  const bool wants_table = target == Target::table || target == Target::source_or_table;
  if (wants_source && draft.sources_broken) return;
  if (wants_table && draft.tables_broken) return;
  if (target == Target::model && draft.models_broken) return;

  std::vector<std::string> names;
  if (wants_source) append_names(project.sources, names);
  if (wants_table) append_names(project.tables, names);
  if (target == Target::model) append_names(project.models, names);
  if (std::ranges::count(names, reference.name) > 0) return;

  // Names that are none are reported where they stand, and nobody should copy them.
  std::erase_if(names, [](const std::string& name) { return !is_thing_name(name); });
  std::string hint = base::did_you_mean(reference.name, names);
  if (target == Target::table && project.find_source(reference.name) != nullptr) {
    hint = "it is a source; declare a table with " + in_quotes("from: " + reference.name);
  } else if (target == Target::source && project.find_table(reference.name) != nullptr) {
    hint = "it is a table; only sources can be joined in this version";
  } else if (hint.empty()) {
    hint = names.empty() ? "the file declares none" : "declared are: " + list_of(names);
  }
  const std::string kind(kind_of(target));
  draft.diagnostics.add(reference.where,
                        reference.sentence + " " + in_quotes(reference.name) + ", which is no " + kind, hint);
}

// `from: x` has to mean one thing.
void check_shared_names(Draft& draft) {
  for (const Table& table : draft.project.tables) {
    const Source* source = draft.project.find_source(table.name);
    if (source == nullptr) continue;
    draft.diagnostics.add(table.where,
                          "table " + in_quotes(table.name) + " has the name of a source (line " +
                              std::to_string(source->where.line) + ")",
                          "rename one of them");
  }
}

// Each table reads one thing, so from any table there is one way on: it ends at a source or runs in a circle.
void check_circles(Draft& draft) {
  std::set<std::string> done;
  for (const Table& start : draft.project.tables) {
    std::vector<std::string> way;
    const Table* table = &start;
    while (table != nullptr && !done.contains(table->name)) {
      done.insert(table->name);
      way.push_back(table->name);
      const bool at_source = draft.project.find_source(table->from) != nullptr;
      table = at_source ? nullptr : draft.project.find_table(table->from);
    }
    const auto first = table == nullptr ? way.end() : std::ranges::find(way, table->name);
    if (first == way.end()) continue;
    std::string circle;
    for (auto name = first; name != way.end(); ++name) circle += in_quotes(*name) + " → ";
    const bool alone = way.end() - first == 1;
    draft.diagnostics.add(draft.table_from[*first],
                          alone ? "table " + in_quotes(*first) + " reads itself"
                                : "tables " + circle + in_quotes(*first) + " read each other",
                          "one of them has to read a source");
  }
}

// The source at the end of a table's way; null when the way is broken, which is reported elsewhere.
const Source* source_of(const Project& project, const std::string& name) {
  std::string at = name;
  for (std::size_t steps = 0; steps <= project.tables.size(); ++steps) {
    const Table* table = project.find_table(at);
    if (table == nullptr) return nullptr;
    if (const Source* source = project.find_source(table->from)) return source;
    at = table->from;
  }
  return nullptr;
}

// A source without `read` is reported as such, and what else it lacks is not known.
bool declares_no_time(const Source* source) {
  return source != nullptr && source->time_where.line == 0 && !source->read.empty();
}

void check_times(Draft& draft) {
  const Project& project = draft.project;
  const auto hint = [](const Source& source) {
    return "add 'time:' with a column to source " + in_quotes(source.name);
  };
  for (const Table& table : project.tables) {
    const Source* source = source_of(project, table.name);
    if (!declares_no_time(source)) continue;
    for (const CleanStep& step : table.clean) {
      const JoinStep* join = std::get_if<JoinStep>(&step.step);
      if (join == nullptr || join->as_of.empty()) continue;
      draft.diagnostics.add(
          step.where,
          "the join is as of the row's time, but source " + in_quotes(source->name) + " declares no time",
          hint(*source));
    }
  }
  for (const Model& model : project.models) {
    const Source* source = source_of(project, model.from);
    if (!declares_no_time(source) || !model.split.by_time) continue;
    draft.diagnostics.add(draft.model_split[model.name],
                          "model " + in_quotes(model.name) + " is split by time, but source " +
                              in_quotes(source->name) + " declares no time",
                          hint(*source) + ", or write 'split: {by: random}'");
  }
}

void check_metrics(Draft& draft) {
  for (const MetricUse& use : draft.metric_uses) {
    const Metric* metric = find_metric(use.metric);
    const auto task = draft.tasks.find(use.model);
    if (!metric->task || task == draft.tasks.end() || *metric->task == task->second) continue;
    const auto name = [](Task of) { return std::string(kTaskNames[static_cast<std::size_t>(of)]); };
    std::string fitting;
    for (const Metric& other : metrics()) {
      if (other.task == task->second && !other.of_groups && other.in_health)
        fitting += (fitting.empty() ? "" : ", ") + std::string(other.name);
    }
    draft.diagnostics.add(use.where,
                          use.subject + " is for task " + name(*metric->task) + ", model " +
                              in_quotes(use.model) + " has task " + name(task->second),
                          "its metrics are: " + fitting);
  }
}

}  // namespace

void check_references(Draft& draft) {
  for (const Reference& reference : draft.references) check_name(reference, draft);
  check_shared_names(draft);
  check_circles(draft);
  check_times(draft);
  check_metrics(draft);
}

}  // namespace trimtab::project
