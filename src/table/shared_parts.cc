#include "table/shared_parts.h"

#include <algorithm>
#include <array>
#include <duckdb/common/error_data.hpp>
#include <duckdb/common/types/value.hpp>
#include <duckdb/function/function_binder.hpp>
#include <duckdb/parser/expression_map.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace trimtab::table {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using ExpressionPointer = duckdb::unique_ptr<Expression>;

constexpr int kNone = -1;

// Functions of one time whose value is a field of its calendar, under the names that date_part knows, too.
// Those of the week are left out: they set the calendar to the ISO week on their way.
constexpr std::array<std::string_view, 11> kCalendarParts = {"year",      "quarter", "month",     "day",
                                                             "dayofyear", "isodow",  "dayofweek", "weekday",
                                                             "hour",      "minute",  "second"};

bool is_calendar_part(const Expression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return false;
  const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
  return call.children.size() == 1 &&
         call.children[0]->return_type.id() == duckdb::LogicalTypeId::TIMESTAMP_TZ &&
         call.return_type.id() == duckdb::LogicalTypeId::BIGINT &&
         std::find(kCalendarParts.begin(), kCalendarParts.end(), std::string_view(call.function.name)) !=
             kCalendarParts.end();
}

const duckdb::BoundFunctionExpression& call_of(const Expression& part) {
  return part.Cast<duckdb::BoundFunctionExpression>();
}

// Nothing is saved by computing these once.
bool is_trivial(const Expression& expression) {
  const ExpressionClass kind = expression.GetExpressionClass();
  return kind == ExpressionClass::BOUND_REF || kind == ExpressionClass::BOUND_CONSTANT ||
         kind == ExpressionClass::BOUND_PARAMETER;
}

// How many of its children, from the first, are computed for every row for which the expression is. The
// others see some of the rows.
std::size_t children_always(const Expression& expression) {
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_CASE:
    case ExpressionClass::BOUND_CONJUNCTION:
      return 1;
    case ExpressionClass::BOUND_OPERATOR:
      if (expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_TRY) return 0;
      if (expression.GetExpressionType() == duckdb::ExpressionType::OPERATOR_COALESCE) return 1;
      return SIZE_MAX;
    default:
      return SIZE_MAX;
  }
}

ExpressionPointer reference(const Expression& to, int slot) {
  return duckdb::make_uniq<duckdb::BoundReferenceExpression>(to.return_type,
                                                             static_cast<duckdb::idx_t>(slot));
}

Assignment assign(ExpressionPointer expression, int slot, std::vector<int> fields = {}) {
  return {std::unique_ptr<Expression>(expression.release()), slot, std::move(fields)};
}

// One value that is computed for every row, maybe more than once.
struct SharedPart {
  ExpressionPointer expression;  // As it was bound.
  int count = 1;
  int slot = kNone;  // Where it is wanted, or is made.
  bool is_made = false;
};

}  // namespace

struct SharedParts::State {
  duckdb::ClientContext& context;
  MakeSlot make_slot;
  std::vector<std::unique_ptr<SharedPart>> parts;
  duckdb::expression_map_t<SharedPart*> by_value;  // Its keys are the parts' expressions.
  duckdb::expression_map_t<std::vector<SharedPart*>>
      by_instant;  // Calendar parts by the time that they split.

  State(duckdb::ClientContext& its_context, MakeSlot its_make_slot)
      : context(its_context), make_slot(std::move(its_make_slot)) {}

  void count(const Expression& expression, bool always, int slot);
  SharedPart* part_of(Expression& expression) const;
  const std::vector<SharedPart*>* instant_of(const SharedPart& part) const;
  void rewrite(ExpressionPointer& expression, bool always, std::vector<Assignment>& to);
  void rewrite_children(Expression& expression, bool always, std::vector<Assignment>& to);
  void make(SharedPart& part, std::vector<Assignment>& to);
  void make_calendar(const std::vector<SharedPart*>& fields, std::vector<Assignment>& to);
};

Assignment::Assignment(std::unique_ptr<Expression> its_expression, int its_slot, std::vector<int> its_fields)
    : expression(std::move(its_expression)), slot(its_slot), fields(std::move(its_fields)) {}
Assignment::Assignment(Assignment&&) noexcept = default;
Assignment& Assignment::operator=(Assignment&&) noexcept = default;
Assignment::~Assignment() = default;

SharedParts::SharedParts(duckdb::ClientContext& context, MakeSlot make_slot)
    : state_(std::make_unique<State>(context, std::move(make_slot))) {}
SharedParts::~SharedParts() = default;

SharedPart* SharedParts::State::part_of(Expression& expression) const {
  const auto found = by_value.find(expression);
  return found == by_value.end() ? nullptr : found->second;
}

// The calendar parts that are read together with this one, itself included; null when it is alone or none.
const std::vector<SharedPart*>* SharedParts::State::instant_of(const SharedPart& part) const {
  if (!is_calendar_part(*part.expression)) return nullptr;
  const auto found = by_instant.find(*call_of(*part.expression).children[0]);
  return found == by_instant.end() || found->second.size() < 2 ? nullptr : &found->second;
}

void SharedParts::State::count(const Expression& expression, bool always, int slot) {
  if (is_trivial(expression)) return;
  if (SharedPart* known = part_of(const_cast<Expression&>(expression))) {
    // What lies inside of it will not be computed again.
    ++known->count;
    if (known->slot == kNone) known->slot = slot;
    return;
  }
  if (always) {
    SharedPart& part = *parts.emplace_back(std::make_unique<SharedPart>());
    part.expression = expression.Copy();
    part.slot = slot;
    by_value.emplace(*part.expression, &part);
    if (is_calendar_part(*part.expression)) {
      by_instant[*call_of(*part.expression).children[0]].push_back(&part);
    }
  }
  std::size_t left = always ? children_always(expression) : 0;
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) {
    count(child, left > 0, kNone);
    if (left > 0) --left;
  });
}

void SharedParts::State::rewrite_children(Expression& expression, bool always, std::vector<Assignment>& to) {
  std::size_t left = always ? children_always(expression) : 0;
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](ExpressionPointer& child) {
    rewrite(child, left > 0, to);
    if (left > 0) --left;
  });
}

// `always`: it is computed here for every row, so what it shares with later ones may be made here.
void SharedParts::State::rewrite(ExpressionPointer& expression, bool always, std::vector<Assignment>& to) {
  if (is_trivial(*expression)) return;
  if (SharedPart* part = part_of(*expression)) {
    const bool is_shared = part->count > 1 || instant_of(*part) != nullptr;
    if (is_shared && always && !part->is_made) make(*part, to);
    if (part->is_made) {
      expression = reference(*expression, part->slot);
      return;
    }
  }
  rewrite_children(*expression, always, to);
}

void SharedParts::State::make(SharedPart& part, std::vector<Assignment>& to) {
  if (const std::vector<SharedPart*>* fields = instant_of(part)) return make_calendar(*fields, to);
  // The part itself stays as it was bound, because it is the key by which its like is found.
  ExpressionPointer expression = part.expression->Copy();
  rewrite_children(*expression, true, to);
  if (part.slot == kNone) part.slot = make_slot(expression->return_type, true);
  part.is_made = true;
  to.push_back(assign(std::move(expression), part.slot));
}

// All fields of one instant with one call of date_part, which reads them as the functions do, one after the
// other, but splits the instant once.
void SharedParts::State::make_calendar(const std::vector<SharedPart*>& fields, std::vector<Assignment>& to) {
  duckdb::vector<duckdb::Value> names;
  for (const SharedPart* field : fields) names.emplace_back(call_of(*field->expression).function.name);
  ExpressionPointer instant = call_of(*fields.front()->expression).children[0]->Copy();
  rewrite(instant, true, to);
  duckdb::vector<ExpressionPointer> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(
      duckdb::Value::LIST(duckdb::LogicalType::VARCHAR, std::move(names))));
  arguments.push_back(std::move(instant));
  duckdb::ErrorData error;
  ExpressionPointer call =
      duckdb::FunctionBinder(context).BindScalarFunction("main", "date_part", std::move(arguments), error);
  if (error.HasError()) error.Throw();
  CHECK(call && call->return_type.id() == duckdb::LogicalTypeId::STRUCT);
  const int all = make_slot(call->return_type, true);
  std::vector<int> slots;
  for (SharedPart* field : fields) {
    if (field->slot == kNone) field->slot = make_slot(field->expression->return_type, false);
    field->is_made = true;
    slots.push_back(field->slot);
  }
  to.push_back(assign(std::move(call), all, std::move(slots)));
}

void SharedParts::count(const Expression& expression, int slot) { state_->count(expression, true, slot); }

void SharedParts::rewrite(Assignment column, std::vector<Assignment>& to) {
  ExpressionPointer expression(column.expression.release());
  state_->rewrite(expression, true, to);
  const bool is_reference = expression->GetExpressionClass() == ExpressionClass::BOUND_REF;
  const bool is_there = is_reference && expression->Cast<duckdb::BoundReferenceExpression>().index ==
                                            static_cast<duckdb::idx_t>(column.slot);
  if (!is_there) to.push_back(assign(std::move(expression), column.slot));
}

void SharedParts::rewrite_condition(std::unique_ptr<Expression>& condition) {
  std::vector<Assignment> none;
  ExpressionPointer expression(condition.release());
  state_->rewrite(expression, false, none);
  CHECK(none.empty());
  condition.reset(expression.release());
}

}  // namespace trimtab::table
