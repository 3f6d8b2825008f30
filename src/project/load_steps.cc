#include "project/load_steps.h"

#include "project/mapping_reader.h"

namespace trimtab::project {
namespace {

using Entry = YamlNode::Entry;

// Calls `read` for each column of a mapping, after its name was found to be one and new.
void each_column(const Entry& step, Form form, Diagnostics& diagnostics,
                 const std::function<void(const Entry&)>& read) {
  if (step.value.kind != YamlNode::Kind::mapping || step.value.entries.empty()) {
    add_wrong(step.value, in_quotes(step.key), wanted(form), diagnostics);
    return;
  }
  std::map<std::string, SourceRange> seen;
  for (const Entry& entry : step.value.entries) {
    if (is_new_column(entry.key, entry.key_where, "column", seen, diagnostics)) read(entry);
  }
}

TextStep read_text_step(const Entry& step, Diagnostics& diagnostics) {
  TextStep text;
  each_column(step, Form::text_operations, diagnostics, [&](const Entry& entry) {
    const bool is_list = entry.value.kind == YamlNode::Kind::sequence;
    if (is_list && entry.value.items.empty()) {
      add_wrong(entry.value, in_quotes(entry.key), one_of(kTextOperations), diagnostics);
    }
    const std::vector<YamlNode> items = is_list ? entry.value.items : std::vector<YamlNode>{entry.value};
    for (const YamlNode& item : items) {
      const std::string subject = "an operation on " + in_quotes(entry.key);
      if (const auto found = read_choice(item, subject, kTextOperations, diagnostics)) {
        text.operations[entry.key].emplace_back(kTextOperations[*found]);
      }
    }
  });
  return text;
}

FillStep read_fill_step(const Entry& step, Diagnostics& diagnostics) {
  FillStep fill;
  each_column(step, Form::constants, diagnostics, [&](const Entry& entry) {
    if (std::optional<Json> value = read_constant(entry.value, in_quotes(entry.key), diagnostics)) {
      fill.values[entry.key] = std::move(*value);
    }
  });
  return fill;
}

CastStep read_cast_step(const Entry& step, Diagnostics& diagnostics) {
  CastStep cast;
  each_column(step, Form::types, diagnostics, [&](const Entry& entry) {
    if (const auto found = read_choice(entry.value, in_quotes(entry.key), kColumnTypes, diagnostics)) {
      cast.types[entry.key] = static_cast<table::ColumnType>(*found);
    }
  });
  return cast;
}

RenameStep read_rename_step(const Entry& step, Diagnostics& diagnostics) {
  RenameStep rename;
  std::map<std::string, SourceRange> seen;
  each_column(step, Form::renames, diagnostics, [&](const Entry& entry) {
    std::optional<std::string> name = read_column(entry.value, in_quotes(entry.key), diagnostics);
    if (name && is_new_column(*name, entry.value.where, "column", seen, diagnostics)) {
      rename.names[entry.key] = *name;
    }
  });
  return rename;
}

// `on: {left: right}`, or `on: [both]` when the columns have the same name on both sides.
void read_join_keys(const YamlNode& on, JoinStep& join, Diagnostics& diagnostics) {
  if (on.kind != YamlNode::Kind::mapping) {
    const bool is_list = on.kind == YamlNode::Kind::sequence || on.kind == YamlNode::Kind::scalar;
    if (!is_list) return add_wrong(on, "'on'", wanted(Form::join_keys), diagnostics);
    for (const std::string& column : read_columns(on, "'on'", diagnostics)) {
      join.on.emplace_back(column, column);
    }
    return;
  }
  if (on.entries.empty()) add_wrong(on, "'on'", "at least one column", diagnostics);
  for (const Entry& entry : on.entries) {
    if (std::optional<std::string> right = read_column(entry.value, in_quotes(entry.key), diagnostics)) {
      join.on.emplace_back(entry.key, *right);
    }
  }
}

JoinStep read_join_step(const Entry& step, Draft& draft) {
  const MappingReader reader(step.value, step.key_where, "the join", kJoinKeys, draft.diagnostics);
  JoinStep join;
  join.with = reader.text("with");
  if (!join.with.empty()) {
    draft.references.push_back(
        {Reference::Target::source, join.with, reader.place_of("with"), "the join looks into"});
  }
  if (const YamlNode* on = reader.find("on")) read_join_keys(*on, join, draft.diagnostics);
  join.as_of = reader.text("as_of");
  join.max_age = reader.duration("max_age").value_or(0);
  if (reader.has("max_age") && !reader.has("as_of")) {
    draft.diagnostics.add(reader.place_of("max_age"), "'max_age' is without 'as_of'",
                          "add 'as_of:' with the time column of the joined source");
  }
  join.select = reader.columns("select");
  return join;
}

DropDuplicatesStep read_drop_duplicates_step(const Entry& step, Diagnostics& diagnostics) {
  const MappingReader reader(step.value, step.key_where, "'drop_duplicates'", kDropDuplicatesKeys,
                             diagnostics);
  return DropDuplicatesStep{reader.columns("by")};
}

void read_step(const Entry& entry, const MappingReader& reader, CleanStep& step, Draft& draft) {
  Diagnostics& diagnostics = draft.diagnostics;
  if (entry.key == "text") step.step = read_text_step(entry, diagnostics);
  if (entry.key == "fill") step.step = read_fill_step(entry, diagnostics);
  if (entry.key == "derive") step.step = DeriveStep{reader.expressions("derive")};
  if (entry.key == "filter") step.step = FilterStep{reader.expression("filter")};
  if (entry.key == "cast") step.step = read_cast_step(entry, diagnostics);
  if (entry.key == "select") step.step = SelectStep{reader.columns("select")};
  if (entry.key == "rename") step.step = read_rename_step(entry, diagnostics);
  if (entry.key == "join") step.step = read_join_step(entry, draft);
  if (entry.key == "drop_duplicates") step.step = read_drop_duplicates_step(entry, diagnostics);
}

}  // namespace

std::vector<CleanStep> load_steps(const YamlNode& list, Draft& draft) {
  std::vector<CleanStep> steps;
  if (list.kind != YamlNode::Kind::sequence) {
    add_wrong(list, "'clean'", wanted(Form::steps), draft.diagnostics, "start each step with '- '");
    return steps;
  }
  for (const YamlNode& item : list.items) {
    const MappingReader reader(item, item.where, "a step", kStepKeys, draft.diagnostics);
    const std::vector<Entry>& entries = reader.node().entries;
    if (item.kind == YamlNode::Kind::mapping && entries.size() != 1) {
      const bool none = entries.empty();
      const std::string found = none ? "this has none" : in_quotes(entries[1].key) + " is one too many";
      draft.diagnostics.add(none ? item.where : entries[1].key_where, "a step has one key, " + found,
                            "start each step with '- '");
    }
    if (entries.empty() || kStepKeys.find(entries[0].key) == nullptr) continue;
    CleanStep step;
    step.where = entries[0].key_where;
    step.kind = entries[0].key;
    read_step(entries[0], reader, step, draft);
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace trimtab::project
