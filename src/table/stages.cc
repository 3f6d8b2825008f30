#include "table/stages.h"

#include <algorithm>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/parser/parsed_expression.hpp>
#include <iterator>
#include <optional>
#include <utility>

#include "base/diagnostics.h"
#include "table/binding.h"

namespace trimtab::table {
namespace {

// Where the text stood is no part of what it means: a recipe that moved down a line is the same recipe.
Json expression_to_json(const NamedExpression& expression) {
  return Json::object({{"name", expression.name}, {"text", expression.text}});
}

Result<NamedExpression> expression_from_json(const Json& json) {
  const Json* text = json.find("text");
  if (text == nullptr || !text->is_string()) {
    return fail(ErrorCode::invalid, "an expression of a stage has no text: " + json.dump());
  }
  return NamedExpression{json.text_or("name"), text->as_string(), {}};
}

Json stage_to_json(const DeriveStage& stage) {
  Json columns = Json::array();
  for (const NamedExpression& column : stage.columns) columns.push(expression_to_json(column));
  return Json::object({{"derive", std::move(columns)}});
}
Json stage_to_json(const SelectStage& stage) {
  Json columns = Json::array();
  for (const std::string& column : stage.columns) columns.push(column);
  return Json::object({{"select", std::move(columns)}});
}
Json stage_to_json(const LookupStage& stage) { return Json::object({{"lookup", stage.lookup.to_json()}}); }
Json stage_to_json(const FilterStage& stage) {
  return Json::object({{"filter", expression_to_json(stage.condition)}});
}

Result<Stage> stage_from_json(const Json& json) {
  if (const Json* columns = json.find("derive"); columns != nullptr && columns->is_array()) {
    DeriveStage stage;
    for (const Json& column : columns->as_array()) stage.columns.push_back(TRY(expression_from_json(column)));
    return stage;
  }
  if (const Json* columns = json.find("select"); columns != nullptr && columns->is_array()) {
    SelectStage stage;
    for (const Json& column : columns->as_array()) {
      if (!column.is_string())
        return fail(ErrorCode::invalid, "a stage selects what is no name: " + column.dump());
      stage.columns.push_back(column.as_string());
    }
    return stage;
  }
  if (const Json* lookup = json.find("lookup")) return LookupStage{TRY(LookupSpec::from_json(*lookup))};
  if (const Json* condition = json.find("filter")) return FilterStage{TRY(expression_from_json(*condition))};
  return fail(ErrorCode::invalid, "there is no such stage: " + json.dump());
}

// The row on its way through the stages, as far as it is known without the joined tables. A Schema also
// serves as a set of names here, because it compares them as the engine does.
struct RowShape {
  Schema names;  // All columns; their types mean nothing.
  Schema typed;  // The columns whose types are known: those that depend on no lookup.
};

// What one stage reads: of each expression (a filter has one), and which names were there before it.
struct StageReads {
  Schema names_before;
  std::vector<std::vector<std::string>> expressions;
};

class StageReader {
 public:
  StageReader(duckdb::ClientContext& context, const Schema& input)
      : context_(context), shape_{input, input} {}

  Result<StageReads> read(const Stage& stage) {
    StageReads reads;
    reads.names_before = shape_.names;
    TRY(std::visit([&](const auto& kind) { return read_stage(kind, reads); }, stage));
    return reads;
  }
  const Schema& names() const { return shape_.names; }

 private:
  // Notes what the expression reads; its type, when that can be known.
  Result<std::optional<ColumnType>> read_expression(const NamedExpression& source, StageReads& reads) {
    auto parsed = TRY(parse_expression(source));
    std::vector<std::string>& names = reads.expressions.emplace_back();
    bool is_typed = true;
    for (int index : TRY(columns_named(*parsed, source, shape_.names))) {
      names.push_back(shape_.names.at(index).name);
      is_typed = is_typed && shape_.typed.find(names.back());
    }
    if (!is_typed) return std::nullopt;
    return std::optional(TRY(bind_expression(context_, source, shape_.typed)).type);
  }

  Status read_stage(const DeriveStage& stage, StageReads& reads) {
    RowShape after = shape_;
    for (const NamedExpression& column : stage.columns) {
      std::optional<ColumnType> type = TRY(read_expression(column, reads));
      after.names.set({column.name, ColumnType::text});
      after.typed.remove(column.name);
      if (type) after.typed.add({column.name, *type});
    }
    shape_ = std::move(after);
    return {};
  }

  Status read_stage(const FilterStage& stage, StageReads& reads) {
    std::optional<ColumnType> type = TRY(read_expression(stage.condition, reads));
    if (!type || *type == ColumnType::boolean) return {};
    return fail({ErrorCode::invalid, "a filter is true or false, not " + std::string(type_name(*type)), "",
                 stage.condition.where, nullptr});
  }

  Status read_stage(const SelectStage& stage, StageReads&) {
    RowShape after;
    for (const std::string& name : stage.columns) {
      TRY(expect_column(name));
      after.names.set({name, ColumnType::text});
      if (std::optional<int> index = shape_.typed.find(name))
        after.typed.set({name, shape_.typed.at(*index).type});
    }
    shape_ = std::move(after);
    return {};
  }

  Status read_stage(const LookupStage& stage, StageReads&) {
    for (const std::string& key : stage.lookup.left_keys) TRY(expect_column(key));
    if (!stage.lookup.left_time.empty()) TRY(expect_column(stage.lookup.left_time));
    for (const std::string& name : stage.lookup.select) shape_.names.set({name, ColumnType::text});
    return {};
  }

  Status expect_column(const std::string& name) {
    if (shape_.names.find(name)) return {};
    return fail(ErrorCode::invalid, "there is no column '" + name + "'",
                base::did_you_mean(name, shape_.names.names()));
  }

  duckdb::ClientContext& context_;
  RowShape shape_;
};

void add_names(Schema& live, const std::vector<std::string>& names) {
  for (const std::string& name : names) live.set({name, ColumnType::text});
}

// Each prune_stage goes one stage backwards: `live` is what is needed after it, and becomes what is needed
// before it. Returns the part of the stage that is needed, if any.
std::optional<Stage> prune_stage(const DeriveStage& stage, const StageReads& reads, Schema& live) {
  DeriveStage kept;
  Schema before = live;
  for (const NamedExpression& column : stage.columns) before.remove(column.name);
  for (std::size_t i = 0; i < stage.columns.size(); ++i) {
    if (!live.find(stage.columns[i].name)) continue;
    kept.columns.push_back(stage.columns[i]);
    add_names(before, reads.expressions[i]);
  }
  live = std::move(before);
  if (kept.columns.empty()) return std::nullopt;
  return kept;
}

std::optional<Stage> prune_stage(const SelectStage& stage, const StageReads&, Schema& live) {
  SelectStage kept;
  std::copy_if(stage.columns.begin(), stage.columns.end(), std::back_inserter(kept.columns),
               [&](const std::string& name) { return live.find(name).has_value(); });
  return kept;
}

std::optional<Stage> prune_stage(const LookupStage& stage, const StageReads& reads, Schema& live) {
  LookupStage kept = stage;
  std::erase_if(kept.lookup.select, [&](const std::string& name) { return !live.find(name); });
  if (kept.lookup.select.empty()) return std::nullopt;
  for (const std::string& name : kept.lookup.select) {
    // A column that the row had before stays needed, because it wins over the joined one.
    if (!reads.names_before.find(name)) live.remove(name);
  }
  add_names(live, kept.lookup.left_keys);
  if (!kept.lookup.left_time.empty()) add_names(live, {kept.lookup.left_time});
  return kept;
}

// A filter is always needed: it decides which rows there are.
std::optional<Stage> prune_stage(const FilterStage& stage, const StageReads& reads, Schema& live) {
  add_names(live, reads.expressions[0]);
  return stage;
}

struct Pruned {
  std::vector<Stage> stages;
  Schema needed;  // Of the input; the types mean nothing.
};

Result<Pruned> prune(Engine& engine, const Schema& input, const std::vector<Stage>& stages,
                     const std::vector<std::string>& wanted, const std::string& time_zone) {
  auto session = TRY(open_session(engine, time_zone));
  StageReader reader(*session->context, input);
  std::vector<StageReads> reads;
  for (const Stage& stage : stages) reads.push_back(TRY(reader.read(stage)));
  Pruned result;
  for (const std::string& name : wanted) {
    if (!reader.names().find(name)) {
      return fail(ErrorCode::invalid, "no stage makes a column '" + name + "'",
                  base::did_you_mean(name, reader.names().names()));
    }
  }
  add_names(result.needed, wanted);
  for (std::size_t i = stages.size(); i-- > 0;) {
    std::optional<Stage> kept =
        std::visit([&](const auto& stage) { return prune_stage(stage, reads[i], result.needed); }, stages[i]);
    if (kept) result.stages.push_back(*std::move(kept));
  }
  std::reverse(result.stages.begin(), result.stages.end());
  return result;
}

}  // namespace

Json stages_to_json(const std::vector<Stage>& stages) {
  Json json = Json::array();
  for (const Stage& stage : stages) {
    json.push(std::visit([](const auto& kind) { return stage_to_json(kind); }, stage));
  }
  return json;
}

Result<std::vector<Stage>> stages_from_json(const Json& json) {
  if (!json.is_array()) return fail(ErrorCode::invalid, "stages are a list, not " + json.dump());
  std::vector<Stage> stages;
  for (const Json& item : json.as_array()) stages.push_back(TRY(stage_from_json(item)));
  return stages;
}

Result<std::vector<std::string>> columns_needed(Engine& engine, const Schema& input,
                                                const std::vector<Stage>& stages,
                                                const std::vector<std::string>& wanted,
                                                const std::string& time_zone) {
  Pruned pruned = TRY(prune(engine, input, stages, wanted, time_zone));
  std::vector<std::string> needed;
  for (const Column& column : input.columns()) {
    if (pruned.needed.find(column.name)) needed.push_back(column.name);
  }
  return needed;
}

Result<std::vector<Stage>> prune_stages(Engine& engine, const Schema& input, const std::vector<Stage>& stages,
                                        const std::vector<std::string>& wanted,
                                        const std::string& time_zone) {
  return TRY(prune(engine, input, stages, wanted, time_zone)).stages;
}

}  // namespace trimtab::table
