#include "clean/recipe_compiler.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

namespace trimtab::clean {
namespace {

using table::Column;
using table::ColumnType;
using table::NamedExpression;

std::string in_quotes(std::string_view name) { return "'" + std::string(name) + "'"; }

std::string type_text(ColumnType type) { return std::string(table::type_name(type)); }

std::string_view engine_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "BOOLEAN";
    case ColumnType::integer:
      return "BIGINT";
    case ColumnType::real:
      return "DOUBLE";
    case ColumnType::text:
      return "VARCHAR";
    case ColumnType::time:
      break;
  }
  return "TIMESTAMPTZ";
}

std::string cast(const std::string& value, ColumnType type) {
  return "CAST(" + value + " AS " + std::string(engine_type_name(type)) + ")";
}

std::string text_operation(const std::string& operation, const std::string& value) {
  if (operation == "collapse") return "regexp_replace(" + value + ", '\\s+', ' ', 'g')";
  // The engine's own trim knows the blank alone.
  if (operation == "trim") return "regexp_replace(" + value + ", '^\\s+|\\s+$', '', 'g')";
  return operation + "(" + value + ")";
}

bool is_fitted(const Json& value) {
  return value == Json("mean") || value == Json("median") || value == Json("mode");
}

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

RecipeCompiler::RecipeCompiler(table::Engine& engine, const CompilerInput& input)
    : engine_(engine), input_(input) {}

Result<CompiledRecipe> RecipeCompiler::compile() {
  const auto source = input_.sources.find(input_.table.from);
  if (source == input_.sources.end()) {
    return fail(Error{ErrorCode::unsupported,
                      "table '" + input_.table.name + "' reads another table, " +
                          in_quotes(input_.table.from) + "; this version reads sources alone",
                      "repeat the steps of that table here", input_.table.where, nullptr});
  }
  schema_ = source->second;
  recipe_.after_per_file = schema_;
  for (const project::CleanStep& step : input_.table.clean) {
    where_ = step.where;
    kind_ = step.kind;
    std::visit([this](const auto& kind) { add(kind); }, step.step);
  }
  if (!diagnostics_.empty()) return fail(diagnostics_.as_error());
  recipe_.after = schema_;
  return std::move(recipe_);
}

void RecipeCompiler::complain(std::string message, std::string hint) {
  diagnostics_.add(where_, std::move(message), std::move(hint));
}

void RecipeCompiler::emit(table::Stage stage) {
  if (first_later_.empty()) {
    recipe_.per_file.push_back(std::move(stage));
    recipe_.after_per_file = schema_;
    return;
  }
  if (const auto* derive = std::get_if<table::DeriveStage>(&stage)) {
    for (const NamedExpression& column : derive->columns) changed_later_[column.name] = kind_;
  }
  model::FrameStep step;
  step.kind = model::FrameStep::Kind::stage;
  step.stage = std::move(stage);
  recipe_.later.push_back(std::move(step));
}

void RecipeCompiler::emit_later(model::FrameStep step) {
  if (first_later_.empty()) first_later_ = kind_;
  for (const auto& [name, how] : step.fill) changed_later_[name] = kind_;
  recipe_.later.push_back(std::move(step));
}

const Column* RecipeCompiler::column(const std::string& name) {
  if (const std::optional<int> found = schema_.find(name)) return &schema_.at(*found);
  complain(in_quotes(kind_) + ": there is no column " + in_quotes(name),
           base::did_you_mean(name, schema_.names()));
  return nullptr;
}

// The rows' times are what joins, splits and checks go by, in every room after this one.
bool RecipeCompiler::keeps_time(const std::string& name, const std::string& verb) {
  if (input_.time.empty() || table::Schema({{name, ColumnType::time}}).find(input_.time) == std::nullopt)
    return true;
  complain(in_quotes(kind_) + " " + verb + " " + in_quotes(input_.time) + ", the time of the rows",
           "derive another column from it instead");
  return false;
}

bool RecipeCompiler::is_free(const std::string& name) {
  if (!name.starts_with("__")) return true;
  complain("names that start with '__' are ours", "give " + in_quotes(name) + " another one");
  return false;
}

void RecipeCompiler::derive(std::vector<NamedExpression> columns) {
  if (columns.empty()) return;
  table::Schema after = schema_;
  std::vector<NamedExpression> good;
  for (NamedExpression& column : columns) {
    Result<table::ExpressionFacts> facts =
        table::inspect_expression(engine_, column, schema_, input_.time_zone);
    if (facts) {
      after.set({column.name, facts->type});
      good.push_back(std::move(column));
      continue;
    }
    diagnostics_.add(std::move(facts).error());
    // A column of an unknown type, so that its later use is not one more error.
    if (!after.find(column.name)) after.set({column.name, ColumnType::text});
  }
  schema_ = std::move(after);
  if (!good.empty()) emit(table::DeriveStage{std::move(good)});
}

void RecipeCompiler::add(const project::TextStep& step) {
  std::vector<NamedExpression> columns;
  for (const auto& [name, operations] : step.operations) {
    const Column* found = column(name);
    if (found == nullptr) continue;
    if (found->type != ColumnType::text) {
      complain("'text': column " + in_quotes(name) + " is " + type_text(found->type) + ", not text",
               "a step before it can make it one: `cast: {" + name + ": text}`");
      continue;
    }
    std::string value = table::quote_name(found->name);
    for (const std::string& operation : operations) value = text_operation(operation, value);
    columns.push_back({found->name, value, where_});
  }
  derive(std::move(columns));
}

bool RecipeCompiler::fits_fill(const Column& column, const std::string& how) {
  const bool is_number = column.type == ColumnType::integer || column.type == ColumnType::real;
  if (how == "mode" || is_number) return true;
  complain("'fill': " + in_quotes(how) + " is of numbers, but column " + in_quotes(column.name) + " is " +
               type_text(column.type),
           "use mode, or a constant");
  return false;
}

// The constant as an expression of the column's type; "" after a complaint.
std::string RecipeCompiler::fill_constant(const Column& column, const Json& value) {
  const std::string shown = value.is_string() ? value.as_string() : value.dump();
  bool fits = false;
  switch (column.type) {
    case ColumnType::boolean:
      fits = value.is_bool();
      break;
    case ColumnType::integer:
      fits = value.is_int();
      break;
    case ColumnType::real:
      fits = value.is_number();
      break;
    case ColumnType::text:
      fits = !value.is_null();
      break;
    case ColumnType::time:
      fits = value.is_string() && base::parse_time(value.as_string());
      break;
  }
  if (fits) return cast(table::quote_text(shown), column.type);
  complain("'fill': column " + in_quotes(column.name) + " is " + type_text(column.type) +
               " and cannot hold " + in_quotes(shown),
           "give a value of that type, or mean, median or mode");
  return {};
}

void RecipeCompiler::add(const project::FillStep& step) {
  std::vector<NamedExpression> columns;
  model::FrameStep fitted;
  fitted.kind = model::FrameStep::Kind::fill;
  for (const auto& [name, value] : step.values) {
    const Column* found = column(name);
    if (found == nullptr) continue;
    if (is_fitted(value)) {
      if (fits_fill(*found, value.as_string())) fitted.fill[found->name] = value;
      continue;
    }
    const std::string constant = fill_constant(*found, value);
    if (constant.empty()) continue;
    columns.push_back(
        {found->name, "coalesce(" + table::quote_name(found->name) + ", " + constant + ")", where_});
  }
  derive(std::move(columns));
  if (!fitted.fill.empty()) emit_later(std::move(fitted));
}

void RecipeCompiler::add(const project::DeriveStep& step) {
  std::vector<NamedExpression> columns;
  for (const NamedExpression& column : step.columns) {
    if (is_free(column.name) && keeps_time(column.name, "replaces")) columns.push_back(column);
  }
  derive(std::move(columns));
}

void RecipeCompiler::add(const project::FilterStep& step) {
  Result<table::ExpressionFacts> facts =
      table::inspect_expression(engine_, step.condition, schema_, input_.time_zone);
  if (!facts) return diagnostics_.add(std::move(facts).error());
  if (facts->type != ColumnType::boolean) {
    diagnostics_.add(step.condition.where, "a filter is true or false, not " + type_text(facts->type),
                     "compare it with something, as in distance > 0");
    return;
  }
  emit(table::FilterStage{step.condition});
}

void RecipeCompiler::add(const project::CastStep& step) {
  std::vector<NamedExpression> columns;
  for (const auto& [name, type] : step.types) {
    const Column* found = column(name);
    if (found == nullptr || found->type == type || !keeps_time(found->name, "changes the type of")) continue;
    columns.push_back({found->name, cast(table::quote_name(found->name), type), where_});
  }
  derive(std::move(columns));
}

void RecipeCompiler::add(const project::SelectStep& step) {
  table::Schema after;
  for (const std::string& name : step.columns) {
    const Column* found = column(name);
    if (found == nullptr) continue;
    if (after.find(name)) {
      complain("'select' names " + in_quotes(name) + " twice");
      continue;
    }
    after.add(*found);
  }
  if (!input_.time.empty() && schema_.find(input_.time) && !after.find(input_.time)) {
    complain("'select' leaves out " + in_quotes(input_.time) + ", the time of the rows",
             "add it to the list");
    after.add(schema_.at(*schema_.find(input_.time)));
  }
  schema_ = std::move(after);
  emit(table::SelectStage{schema_.names()});
}

void RecipeCompiler::add(const project::RenameStep& step) {
  std::map<std::string, std::string> names;  // As spelled in the schema → new.
  for (const auto& [old_name, new_name] : step.names) {
    const Column* found = column(old_name);
    if (found != nullptr && is_free(new_name) && keeps_time(found->name, "renames"))
      names[found->name] = new_name;
  }
  table::Schema after;
  table::DeriveStage stage;
  for (const Column& column : schema_.columns()) {
    const auto renamed = names.find(column.name);
    const std::string& name = renamed == names.end() ? column.name : renamed->second;
    if (after.find(name)) {
      complain("'rename' makes a second column " + in_quotes(name),
               "rename or leave out the other one first");
      continue;
    }
    after.add({name, column.type});
    if (renamed != names.end()) stage.columns.push_back({name, table::quote_name(column.name), where_});
  }
  schema_ = std::move(after);
  if (stage.columns.empty()) return;
  emit(std::move(stage));
  emit(table::SelectStage{schema_.names()});
}

bool RecipeCompiler::add_keys(const project::JoinStep& step, const table::Schema& joined,
                              table::LookupSpec& lookup) {
  bool good = true;
  for (const auto& [left, right] : step.on) {
    const Column* own = column(left);
    const std::optional<int> other = joined.find(right);
    if (!other) {
      complain("the join: there is no column " + in_quotes(right) + " in " + in_quotes(step.with),
               base::did_you_mean(right, joined.names()));
    }
    if (own == nullptr || !other) {
      good = false;
      continue;
    }
    const Column& partner = joined.at(*other);
    if (own->type != partner.type) {
      complain("the join: " + in_quotes(own->name) + " is " + type_text(own->type) + ", but " +
                   in_quotes(partner.name) + " of " + in_quotes(step.with) + " is " + type_text(partner.type),
               "cast one of them to the other's type");
      good = false;
    }
    lookup.left_keys.push_back(own->name);
    lookup.right_keys.push_back(partner.name);
  }
  return good;
}

bool RecipeCompiler::add_times(const project::JoinStep& step, const table::Schema& joined,
                               table::LookupSpec& lookup) {
  if (step.as_of.empty()) return true;
  if (input_.time.empty()) {
    complain("the join by time needs to know when a row of " + in_quotes(input_.table.from) + " happened",
             "declare `time:` for the source " + in_quotes(input_.table.from));
    return false;
  }
  const std::optional<int> found = joined.find(step.as_of);
  if (!found) {
    complain("the join: there is no column " + in_quotes(step.as_of) + " in " + in_quotes(step.with),
             base::did_you_mean(step.as_of, joined.names()));
    return false;
  }
  if (joined.at(*found).type != ColumnType::time) {
    complain("the join: 'as_of' wants a time, but " + in_quotes(step.as_of) + " of " + in_quotes(step.with) +
             " is " + type_text(joined.at(*found).type));
    return false;
  }
  lookup.left_time = input_.time;
  lookup.right_time = joined.at(*found).name;
  lookup.age_max = step.max_age;
  return true;
}

bool RecipeCompiler::add_selected(const project::JoinStep& step, const table::Schema& joined,
                                  table::LookupSpec& lookup, std::vector<Column>& entering) {
  bool good = true;
  for (const std::string& name : step.select) {
    const std::optional<int> found = joined.find(name);
    if (!found) {
      complain("the join: there is no column " + in_quotes(name) + " in " + in_quotes(step.with),
               base::did_you_mean(name, joined.names()));
      good = false;
    } else if (schema_.find(name)) {
      complain(
          "joined column " + in_quotes(name) + " collides with a column of " + in_quotes(input_.table.from),
          "rename it in the source's `columns:`, as in `columns: {" + step.with + "_" + name + ": " + name +
              "}`, and select that");
      good = false;
    } else {
      lookup.select.push_back(joined.at(*found).name);
      entering.push_back(joined.at(*found));
    }
  }
  return good;
}

void RecipeCompiler::add(const project::JoinStep& step) {
  const auto source = input_.sources.find(step.with);
  if (source == input_.sources.end()) return complain("the join: there is no source " + in_quotes(step.with));
  table::LookupSpec lookup;
  lookup.table = step.with;
  std::vector<Column> entering;
  bool good = add_keys(step, source->second, lookup);
  good = add_times(step, source->second, lookup) && good;
  good = add_selected(step, source->second, lookup, entering) && good;
  good = good && (first_later_.empty() || can_move_up(lookup, entering));
  for (const Column& column : entering) schema_.set(column);
  if (good) place_join({std::move(lookup)}, entering);
}

// A join only adds columns to a row, and looks at that row's keys and time. So it may as well run before
// steps that leave rows out, or that change other columns.
bool RecipeCompiler::can_move_up(const table::LookupSpec& lookup, const std::vector<Column>& entering) {
  std::vector<std::string> read = lookup.left_keys;
  if (!lookup.left_time.empty()) read.push_back(lookup.left_time);
  for (const std::string& name : read) {
    const auto changed = changed_later_.find(name);
    if (changed == changed_later_.end()) continue;
    complain("the join looks at " + in_quotes(name) + ", to which " + in_quotes(changed->second) +
                 " gives its value only when all rows are known",
             "move the join before it");
    return false;
  }
  for (const Column& column : entering) {
    if (!recipe_.after_per_file.find(column.name)) continue;
    complain("joined column " + in_quotes(column.name) + " collides with one that a step after " +
                 in_quotes(first_later_) + " leaves out",
             "move the step that leaves it out before " + in_quotes(first_later_));
    return false;
  }
  return true;
}

void RecipeCompiler::place_join(table::LookupStage join, const std::vector<Column>& entering) {
  recipe_.per_file.emplace_back(std::move(join));
  for (const Column& column : entering) recipe_.after_per_file.set(column);
  for (model::FrameStep& step : recipe_.later) {
    auto* select = std::get_if<table::SelectStage>(&step.stage);
    if (step.kind != model::FrameStep::Kind::stage || select == nullptr) continue;
    for (const Column& column : entering) select->columns.push_back(column.name);
  }
}

void RecipeCompiler::add(const project::DropDuplicatesStep& step) {
  model::FrameStep drop;
  drop.kind = model::FrameStep::Kind::drop_duplicates;
  for (const std::string& name : step.by) {
    if (const Column* found = column(name)) drop.by.push_back(found->name);
  }
  recipe_.whole_table.push_back("drop_duplicates by " + join_names(drop.by));
  emit_later(std::move(drop));
}

}  // namespace trimtab::clean
