// How it works: all columns that the row has on its way lie side by side in one chunk, the slots. Stages that
// only rename or choose columns exist at bind time alone; what runs are the expressions, the lookups and the
// filters. A slot shows the memory of whoever made the column: the caller's batch, a lookup's batch, or its
// own when an expression computed it. Nothing is copied, and no reference is counted, between the batch that
// comes in and the batch that goes out: for a single row the counting would cost as much as the computing.
// Every slot is written once in a run, so equal expressions over slots have equal values, and are computed
// once (see shared_parts.h); what they share has slots, too.
#include "table/row_program.h"

#include <duckdb/common/error_data.hpp>
#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/common/types/vector.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <optional>
#include <utility>

#include "base/diagnostics.h"
#include "table/binding.h"
#include "table/session.h"
#include "table/shared_parts.h"

namespace trimtab::table {
namespace {

using duckdb::FlatVector;
using duckdb::Vector;
using duckdb::VectorType;

// A computed slot, and the column that asked for it: it bears the blame when a row cannot be computed.
struct Computed {
  NamedExpression source;
  Assignment value;
};

struct DeriveStep {
  std::vector<Computed> columns;
  std::unique_ptr<duckdb::ExpressionExecutor> executor;  // Its expressions are those of `columns`, in order.
};

struct FilterStep {
  NamedExpression source;
  std::unique_ptr<duckdb::Expression> condition;
  std::unique_ptr<duckdb::ExpressionExecutor> executor;
  duckdb::SelectionVector passing{duckdb::idx_t{kBatchRowsMax}};
  std::vector<int> slots;  // That have been written when the filter runs.
};

struct LookupStep {
  struct Selected {
    int found = 0;  // Its column in `found`.
    int slot = 0;
    std::optional<int> incoming;  // Its column in `asked`, when the incoming row has it and so may win.
  };
  std::shared_ptr<const LookupIndex> index;
  LookupIndex::Places places;    // In `asked`.
  Batch asked;                   // The part of the row that the index looks at.
  std::vector<int> asked_slots;  // Of each column of `asked`.
  Batch found;
  std::vector<Selected> selected;
};

using Step = std::variant<DeriveStep, LookupStep, FilterStep>;

// Makes the cells of `from` readable as a flat vector. One row of a constant already is.
void flatten(Vector& from, int rows) {
  if (from.GetVectorType() == VectorType::FLAT_VECTOR) return;
  if (from.GetVectorType() == VectorType::CONSTANT_VECTOR && rows == 1) return;
  from.Flatten(static_cast<duckdb::idx_t>(rows));
}

duckdb::validity_t* validity_of(const Vector& vector) {
  if (vector.GetVectorType() == VectorType::FLAT_VECTOR) return FlatVector::Validity(vector).GetData();
  return duckdb::ConstantVector::Validity(const_cast<Vector&>(vector)).GetData();
}

// Lets `to` show the cells of the flat `from`, which must outlive the use of `to`.
void show(Vector& to, const Vector& from) {
  FlatVector::SetData(to, from.GetData());
  FlatVector::Validity(to).Initialize(validity_of(from), kBatchRowsMax);
}

}  // namespace

struct RowProgram::State {
  class Builder;

  Schema input;
  Schema output;
  std::unique_ptr<duckdb::Connection> session;
  std::vector<Step> steps;
  duckdb::DataChunk slots;        // The first ones are the input's columns.
  std::vector<bool> slot_used;    // By a step or by the output.
  std::vector<int> output_slots;  // Of each output column.
  Batch out;

  Vector& slot(int index) { return slots.data[static_cast<std::size_t>(index)]; }
  int rows() const { return static_cast<int>(slots.size()); }

  void take(const Batch& rows);
  void deliver();
  Status run_step(DeriveStep& step);
  void show_fields(const Assignment& value);
  Status run_step(LookupStep& step);
  Status run_step(FilterStep& step);
  // True when the incoming row alone answers it: each row has the column, and none has a null there.
  static bool is_known(const LookupStep& step, const LookupStep::Selected& selected);
};

// Turns stages into steps, following the schema of the row from stage to stage.
class RowProgram::State::Builder {
 public:
  Builder(State& program, const LookupTables& lookups);
  Status add(const Stage& stage);
  void finish();

 private:
  Status add_stage(const DeriveStage& stage);
  Status add_stage(const SelectStage& stage);
  Status add_stage(const LookupStage& stage);
  Status add_stage(const FilterStage& stage);
  Status ask_for(LookupStep& step, const std::string& name);
  Status add_selected(LookupStep& step, const std::string& name);
  Result<BoundText> bind(const NamedExpression& source);
  void refer_to_slots(duckdb::Expression& expression);
  int new_slot(const duckdb::LogicalType& type, bool has_memory);
  int use(int slot);
  void share_parts();
  void finish_step(DeriveStep& step, SharedParts& shared, std::vector<int>& written);
  void finish_step(LookupStep& step, SharedParts& shared, std::vector<int>& written);
  void finish_step(FilterStep& step, SharedParts& shared, std::vector<int>& written);
  void set_column(const std::string& name, ColumnType type, int slot);

  State& program_;
  const LookupTables& lookups_;
  int position_ = 0;        // Of the stage that is being added.
  Schema schema_;           // Of the row after the stages so far,
  std::vector<int> slots_;  // and the slot of each of its columns.
  duckdb::vector<duckdb::LogicalType> slot_types_;
  duckdb::vector<bool> slot_has_memory_;
};

RowProgram::State::Builder::Builder(State& program, const LookupTables& lookups)
    : program_(program), lookups_(lookups), schema_(program.input) {
  for (const Column& column : schema_.columns()) slots_.push_back(new_slot(engine_type(column.type), false));
}

Status RowProgram::State::Builder::add(const Stage& stage) {
  TRY(std::visit([this](const auto& kind) { return add_stage(kind); }, stage));
  ++position_;
  return {};
}

void RowProgram::State::Builder::finish() {
  program_.output = schema_;
  for (int slot : slots_) program_.output_slots.push_back(use(slot));
  program_.out = Batch(schema_);
  share_parts();
  program_.slots.Initialize(duckdb::Allocator::DefaultAllocator(), slot_types_, slot_has_memory_);
}

// From here on a step's expressions are what is left of them when nothing is computed twice.
void RowProgram::State::Builder::share_parts() {
  SharedParts shared(*program_.session->context, [this](const duckdb::LogicalType& type, bool has_memory) {
    return use(new_slot(type, has_memory));
  });
  for (const Step& step : program_.steps) {
    const auto* derive = std::get_if<DeriveStep>(&step);
    if (derive == nullptr) continue;
    for (const Computed& column : derive->columns) shared.count(*column.value.expression, column.value.slot);
  }
  std::vector<int> written;
  for (int i = 0; i < program_.input.size(); ++i) written.push_back(i);
  for (Step& step : program_.steps) {
    std::visit([&](auto& kind) { finish_step(kind, shared, written); }, step);
  }
}

void RowProgram::State::Builder::finish_step(DeriveStep& step, SharedParts& shared,
                                             std::vector<int>& written) {
  std::vector<Computed> columns;
  for (Computed& column : step.columns) {
    std::vector<Assignment> values;
    shared.rewrite(std::move(column.value), values);
    for (Assignment& value : values) columns.push_back({column.source, std::move(value)});
  }
  step.columns = std::move(columns);
  step.executor = std::make_unique<duckdb::ExpressionExecutor>(*program_.session->context);
  for (const Computed& column : step.columns) {
    step.executor->AddExpression(*column.value.expression);
    // Of a struct only the fields are asked for later.
    if (column.value.fields.empty()) written.push_back(column.value.slot);
    written.insert(written.end(), column.value.fields.begin(), column.value.fields.end());
  }
}

void RowProgram::State::Builder::finish_step(LookupStep& step, SharedParts&, std::vector<int>& written) {
  for (const LookupStep::Selected& selected : step.selected) written.push_back(selected.slot);
}

void RowProgram::State::Builder::finish_step(FilterStep& step, SharedParts& shared,
                                             std::vector<int>& written) {
  shared.rewrite_condition(step.condition);
  step.executor = std::make_unique<duckdb::ExpressionExecutor>(*program_.session->context, *step.condition);
  for (int slot : written) {
    if (program_.slot_used[static_cast<std::size_t>(slot)]) step.slots.push_back(slot);
  }
}

int RowProgram::State::Builder::new_slot(const duckdb::LogicalType& type, bool has_memory) {
  slot_types_.push_back(type);
  slot_has_memory_.push_back(has_memory);
  program_.slot_used.push_back(has_memory);
  return static_cast<int>(slot_types_.size()) - 1;
}

int RowProgram::State::Builder::use(int slot) {
  program_.slot_used[static_cast<std::size_t>(slot)] = true;
  return slot;
}

void RowProgram::State::Builder::set_column(const std::string& name, ColumnType type, int slot) {
  std::optional<int> known = schema_.find(name);
  schema_.set({name, type});
  if (known) {
    slots_[static_cast<std::size_t>(*known)] = slot;
  } else {
    slots_.push_back(slot);
  }
}

Result<BoundText> RowProgram::State::Builder::bind(const NamedExpression& source) {
  BoundText bound = TRY(bind_expression(*program_.session->context, source, schema_));
  refer_to_slots(*bound.expression);
  return bound;
}

void RowProgram::State::Builder::refer_to_slots(duckdb::Expression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    auto& index = expression.Cast<duckdb::BoundReferenceExpression>().index;
    index = static_cast<duckdb::idx_t>(use(slots_[index]));
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                [this](duckdb::Expression& child) { refer_to_slots(child); });
}

Status RowProgram::State::Builder::add_stage(const DeriveStage& stage) {
  DeriveStep step;
  Schema added;
  std::vector<int> slots;
  for (const NamedExpression& source : stage.columns) {
    if (source.name.empty() || added.find(source.name)) {
      return fail({ErrorCode::invalid,
                   "a stage derives the column '" + source.name + "' twice, or without a name", "",
                   source.where, nullptr});
    }
    BoundText bound = TRY(bind(source));
    added.add({source.name, bound.type});
    if (bound.expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
      // Another name for a column that is there.
      slots.push_back(static_cast<int>(bound.expression->Cast<duckdb::BoundReferenceExpression>().index));
      continue;
    }
    slots.push_back(new_slot(engine_type(bound.type), true));
    step.columns.push_back({source, {std::move(bound.expression), slots.back()}});
  }
  for (int i = 0; i < added.size(); ++i) {
    set_column(added.at(i).name, added.at(i).type, slots[static_cast<std::size_t>(i)]);
  }
  if (!step.columns.empty()) program_.steps.emplace_back(std::move(step));
  return {};
}

Status RowProgram::State::Builder::add_stage(const SelectStage& stage) {
  Schema schema;
  std::vector<int> slots;
  for (const std::string& name : stage.columns) {
    std::optional<int> index = schema_.find(name);
    if (!index) {
      return fail(ErrorCode::invalid, "there is no column '" + name + "' to select",
                  base::did_you_mean(name, schema_.names()));
    }
    if (schema.find(name)) return fail(ErrorCode::invalid, "the column '" + name + "' is selected twice");
    schema.add(schema_.at(*index));
    slots.push_back(slots_[static_cast<std::size_t>(*index)]);
  }
  schema_ = std::move(schema);
  slots_ = std::move(slots);
  return {};
}

Status RowProgram::State::Builder::ask_for(LookupStep& step, const std::string& name) {
  std::optional<int> index = schema_.find(name);
  if (!index) {
    return fail(ErrorCode::invalid, "there is no column '" + name + "' by which to join",
                base::did_you_mean(name, schema_.names()));
  }
  Schema asked = step.asked.schema();
  if (asked.find(name)) return {};
  asked.add({name, schema_.at(*index).type});
  step.asked = Batch(std::move(asked));
  step.asked_slots.push_back(use(slots_[static_cast<std::size_t>(*index)]));
  return {};
}

Status RowProgram::State::Builder::add_selected(LookupStep& step, const std::string& name) {
  const Schema& offered = step.index->selected();
  std::optional<int> found = offered.find(name);
  if (!found) {
    return fail(ErrorCode::invalid, "the joined table has no column '" + name + "'",
                base::did_you_mean(name, offered.names()));
  }
  ColumnType type = offered.at(*found).type;
  LookupStep::Selected selected{*found, new_slot(engine_type(type), false), std::nullopt};
  use(selected.slot);
  if (std::optional<int> own = schema_.find(name)) {
    if (schema_.at(*own).type != type) {
      return fail(ErrorCode::invalid, "the joined column '" + name + "' is " + std::string(type_name(type)) +
                                          ", but the row's own is " +
                                          std::string(type_name(schema_.at(*own).type)));
    }
    TRY(ask_for(step, name));
    selected.incoming = step.asked.schema().find(name);
  }
  step.selected.push_back(selected);
  return {};
}

Status RowProgram::State::Builder::add_stage(const LookupStage& stage) {
  auto given = lookups_.find(std::to_string(position_));
  if (given == lookups_.end() || given->second == nullptr) {
    return fail(ErrorCode::not_found, "the table '" + stage.lookup.table + "' that stage " +
                                          std::to_string(position_) + " joins has not been loaded");
  }
  LookupStep step;
  step.index = given->second;
  for (const std::string& key : stage.lookup.left_keys) TRY(ask_for(step, key));
  if (!stage.lookup.left_time.empty()) TRY(ask_for(step, stage.lookup.left_time));
  for (const std::string& name : stage.lookup.select) TRY(add_selected(step, name));
  for (std::size_t i = 0; i < step.selected.size(); ++i) {
    const Column& column = step.index->selected().at(step.selected[i].found);
    set_column(column.name, column.type, step.selected[i].slot);
  }
  step.found = Batch(step.index->selected());
  step.places = TRY(step.index->places(step.asked.schema()));
  program_.steps.emplace_back(std::move(step));
  return {};
}

Status RowProgram::State::Builder::add_stage(const FilterStage& stage) {
  BoundText bound = TRY(bind(stage.condition));
  if (bound.type != ColumnType::boolean) {
    return fail({ErrorCode::invalid, "a filter is true or false, not " + std::string(type_name(bound.type)),
                 "", stage.condition.where, nullptr});
  }
  FilterStep step;
  step.source = stage.condition;
  step.condition = std::move(bound.expression);
  program_.steps.emplace_back(std::move(step));
  return {};
}

void RowProgram::State::take(const Batch& rows) {
  CHECK(rows.schema().size() == input.size());
  slots.Reset();
  slots.SetCardinality(rows.chunk());
  for (int i = 0; i < input.size(); ++i) {
    CHECK(rows.schema().at(i).type == input.at(i).type);
    if (slot_used[static_cast<std::size_t>(i)]) show(slot(i), rows.chunk().data[static_cast<std::size_t>(i)]);
  }
}

void RowProgram::State::deliver() {
  for (std::size_t i = 0; i < output_slots.size(); ++i) {
    Vector& from = slot(output_slots[i]);
    flatten(from, rows());
    show(out.chunk().data[i], from);
  }
  out.chunk().SetCardinality(slots);
  out.adopt_rows();
}

namespace {

// What an expression cannot do for a row, told with the column and the place in its text.
Error row_error(const NamedExpression& source, const std::exception& exception, const Schema& schema) {
  duckdb::ErrorData error(exception);
  Error result = expression_error(error, source, schema);
  if (error.Type() == duckdb::ExceptionType::CONVERSION) result.hint = "TRY_CAST gives null for such a value";
  return result;
}

}  // namespace

Status RowProgram::State::run_step(DeriveStep& step) {
  step.executor->SetChunk(slots);
  std::size_t i = 0;
  try {
    for (; i < step.columns.size(); ++i) {
      const Assignment& value = step.columns[i].value;
      step.executor->ExecuteExpression(i, slot(value.slot));
      if (!value.fields.empty()) show_fields(value);
    }
  } catch (const std::exception& exception) {
    return fail(row_error(step.columns[i].source, exception, input));
  }
  return {};
}

void RowProgram::State::show_fields(const Assignment& value) {
  auto& fields = duckdb::StructVector::GetEntries(slot(value.slot));
  for (std::size_t i = 0; i < value.fields.size(); ++i) {
    flatten(*fields[i], rows());
    show(slot(value.fields[i]), *fields[i]);
  }
}

bool RowProgram::State::is_known(const LookupStep& step, const LookupStep::Selected& selected) {
  if (!selected.incoming) return false;
  for (int row = 0; row < step.asked.rows(); ++row) {
    if (step.asked.is_null(*selected.incoming, row)) return false;
  }
  return true;
}

namespace {

// Puts the incoming row's own values over those that were found.
void keep_incoming(const Batch& asked, int incoming, Batch& found, int column) {
  for (int row = 0; row < asked.rows(); ++row) {
    if (asked.is_null(incoming, row)) continue;
    switch (asked.schema().at(incoming).type) {
      case ColumnType::boolean:
        found.set_boolean(column, row, asked.boolean(incoming, row));
        break;
      case ColumnType::integer:
        found.set_integer(column, row, asked.integer(incoming, row));
        break;
      case ColumnType::real:
        found.set_real(column, row, asked.real(incoming, row));
        break;
      case ColumnType::text:
        found.set_text(column, row, asked.text(incoming, row));
        break;
      case ColumnType::time:
        found.set_time(column, row, asked.time(incoming, row));
        break;
    }
  }
}

}  // namespace

Status RowProgram::State::run_step(LookupStep& step) {
  for (std::size_t i = 0; i < step.asked_slots.size(); ++i) {
    Vector& from = slot(step.asked_slots[i]);
    flatten(from, rows());
    show(step.asked.chunk().data[i], from);
  }
  step.asked.chunk().SetCardinality(slots);
  step.asked.adopt_rows();

  bool all_known = true;
  for (const LookupStep::Selected& selected : step.selected)
    all_known = all_known && is_known(step, selected);
  if (!all_known) {
    step.found.reset(rows());
    step.index->find(step.asked, step.places, step.found, 0);
  }
  for (const LookupStep::Selected& selected : step.selected) {
    if (all_known) {
      show(slot(selected.slot), step.asked.chunk().data[static_cast<std::size_t>(*selected.incoming)]);
      continue;
    }
    if (selected.incoming) keep_incoming(step.asked, *selected.incoming, step.found, selected.found);
    show(slot(selected.slot), step.found.chunk().data[static_cast<std::size_t>(selected.found)]);
  }
  return {};
}

Status RowProgram::State::run_step(FilterStep& step) {
  duckdb::idx_t passing = 0;
  try {
    passing = step.executor->SelectExpression(slots, step.passing);
  } catch (const std::exception& exception) {
    return fail(row_error(step.source, exception, input));
  }
  if (passing == slots.size()) return {};
  for (int index : step.slots) {
    slot(index).Slice(step.passing, passing);
    slot(index).Flatten(passing);
  }
  slots.SetCardinality(passing);
  return {};
}

RowProgram::RowProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowProgram::~RowProgram() = default;

const Schema& RowProgram::input() const { return state_->input; }
const Schema& RowProgram::output() const { return state_->output; }

Result<std::unique_ptr<RowProgram>> RowProgram::bind(Engine& engine, Schema input, std::vector<Stage> stages,
                                                     const LookupTables& lookups,
                                                     const std::string& time_zone) {
  auto state = std::make_unique<State>();
  state->input = std::move(input);
  state->session = TRY(open_session(engine, time_zone));
  return guarded([&]() -> Result<std::unique_ptr<RowProgram>> {
    State::Builder builder(*state, lookups);
    for (const Stage& stage : stages) TRY(builder.add(stage));
    builder.finish();
    // Binding looked into the catalog. A transaction that has seen it would keep every table alive that
    // others drop from now on, so a fresh one takes its place; functions want one, whether they use it or
    // not.
    state->session->Commit();
    state->session->BeginTransaction();
    return std::unique_ptr<RowProgram>(new RowProgram(std::move(state)));
  });
}

Result<const Batch*> RowProgram::run(const Batch& rows) {
  return guarded([&]() -> Result<const Batch*> {
    state_->take(rows);
    for (Step& step : state_->steps) {
      TRY(std::visit([this](auto& kind) { return state_->run_step(kind); }, step));
    }
    state_->deliver();
    return &state_->out;
  });
}

}  // namespace trimtab::table
