#include "table/binding.h"

#include <algorithm>
#include <duckdb/common/error_data.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/parser/expression/columnref_expression.hpp>
#include <duckdb/parser/expression/lambda_expression.hpp>
#include <duckdb/parser/parsed_expression_iterator.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression_binder.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/diagnostics.h"
#include "table/session.h"

namespace trimtab::table {
namespace {

using duckdb::ExpressionClass;
using duckdb::idx_t;

// The engine parses statements; its positions count from the start of this.
constexpr std::string_view kBefore = "SELECT ";
// A table that no column reference can mean by accident.
constexpr const char* kRowName = "this row";

Error error_at(const NamedExpression& expression, int offset, const std::string& message,
               std::string hint = {}) {
  std::string subject = expression.name.empty() ? "" : "'" + expression.name + "': ";
  return {ErrorCode::invalid, subject + message, std::move(hint), place_in(expression, offset), nullptr};
}

int offset_of(const duckdb::BaseExpression& node) {
  auto location = node.GetQueryLocation();
  return location.IsValid() ? static_cast<int>(location.GetIndex()) - static_cast<int>(kBefore.size()) : 0;
}

// Lets through what is computed from one row alone.
class RowBinder final : public duckdb::ExpressionBinder {
 public:
  RowBinder(duckdb::Binder& binder, duckdb::ClientContext& context) : ExpressionBinder(binder, context) {}

 protected:
  duckdb::BindResult BindExpression(duckdb::unique_ptr<duckdb::ParsedExpression>& expression, idx_t depth,
                                    bool root_expression) override {
    switch (expression->GetExpressionClass()) {
      case ExpressionClass::SUBQUERY:
        return refuse(*expression, "a subquery cannot be used in an expression");
      case ExpressionClass::WINDOW:
        return refuse(*expression, "a window cannot be used in an expression");
      case ExpressionClass::PARAMETER:
        return refuse(*expression, "there is no value for a parameter");
      case ExpressionClass::POSITIONAL_REFERENCE:
        return refuse(*expression, "name the column, not its position");
      case ExpressionClass::DEFAULT:
        return refuse(*expression, "DEFAULT has no meaning here");
      default:
        return ExpressionBinder::BindExpression(expression, depth, root_expression);
    }
  }
  std::string UnsupportedAggregateMessage() override {
    return "an aggregate sees many rows, an expression only one";
  }

 private:
  static duckdb::BindResult refuse(duckdb::ParsedExpression& expression, const std::string& message) {
    return duckdb::BindResult(duckdb::BinderException::Unsupported(expression, message));
  }
};

void refer_to_columns(duckdb::unique_ptr<duckdb::Expression>& expression) {
  if (expression->GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    auto& column = expression->Cast<duckdb::BoundColumnRefExpression>();
    expression =
        duckdb::make_uniq<duckdb::BoundReferenceExpression>(column.return_type, column.binding.column_index);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      *expression, [](duckdb::unique_ptr<duckdb::Expression>& child) { refer_to_columns(child); });
}

// Computes once what would be the same for every row. A part that fails is left to fail when it is executed,
// because it may stand in a branch that is never taken.
void fold_constants(duckdb::ClientContext& context, duckdb::unique_ptr<duckdb::Expression>& expression) {
  if (expression->GetExpressionClass() == ExpressionClass::BOUND_CONSTANT) return;
  duckdb::Value value;
  if (expression->IsFoldable() &&
      duckdb::ExpressionExecutor::TryEvaluateScalar(context, *expression, value) &&
      value.type() == expression->return_type) {
    expression = duckdb::make_uniq<duckdb::BoundConstantExpression>(std::move(value));
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      *expression, [&](duckdb::unique_ptr<duckdb::Expression>& child) { fold_constants(context, child); });
}

duckdb::unique_ptr<duckdb::Expression> bind_parsed(duckdb::ClientContext& context, const Schema& schema,
                                                   duckdb::unique_ptr<duckdb::ParsedExpression> parsed) {
  duckdb::vector<std::string> names;
  duckdb::vector<duckdb::LogicalType> types;
  for (const Column& column : schema.columns()) {
    names.push_back(column.name);
    types.push_back(engine_type(column.type));
  }
  auto binder = duckdb::Binder::CreateBinder(context);
  binder->bind_context.AddGenericBinding(binder->GenerateTableIndex(), kRowName, names, types);
  RowBinder row_binder(*binder, context);
  duckdb::ExpressionBinder::QualifyColumnNames(*binder, parsed);
  return row_binder.Bind(parsed);
}

// The names that lambdas of the expression introduce: they look like columns and are none.
void add_lambda_names(const duckdb::ParsedExpression& node, std::vector<std::string>& names) {
  if (node.GetExpressionClass() == ExpressionClass::LAMBDA) {
    std::string ignored;
    for (const auto& name : node.Cast<duckdb::LambdaExpression>().ExtractColumnRefExpressions(ignored)) {
      names.push_back(name.get().Cast<duckdb::ColumnRefExpression>().GetColumnName());
    }
  }
  duckdb::ParsedExpressionIterator::EnumerateChildren(
      node, [&](const duckdb::ParsedExpression& child) { add_lambda_names(child, names); });
}

}  // namespace

SourceRange place_in(const NamedExpression& expression, int offset) {
  SourceRange where = expression.where;
  std::string_view text =
      std::string_view(expression.text).substr(0, static_cast<std::size_t>(std::max(offset, 0)));
  if (where.line == 0) return where;
  if (std::size_t line_end = text.rfind('\n'); line_end != std::string_view::npos) {
    where.line += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    where.column = 1;
    text = text.substr(line_end + 1);
  }
  if (where.column > 0) {
    where.column +=
        static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }
  return where;
}

BoundText::BoundText() = default;
BoundText::BoundText(BoundText&&) noexcept = default;
BoundText& BoundText::operator=(BoundText&&) noexcept = default;
BoundText::~BoundText() = default;

Result<std::unique_ptr<duckdb::ParsedExpression>> parse_expression(const NamedExpression& expression) {
  duckdb::Parser parser;
  try {
    parser.ParseQuery(std::string(kBefore) + expression.text);
  } catch (const std::exception& exception) {
    return fail(expression_error(duckdb::ErrorData(exception), expression, Schema()));
  }
  Error not_one = error_at(expression, 0, "this is not one expression");
  if (parser.statements.size() != 1 ||
      parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT) {
    return fail(std::move(not_one));
  }
  auto& query = *parser.statements[0]->Cast<duckdb::SelectStatement>().node;
  if (query.type != duckdb::QueryNodeType::SELECT_NODE) return fail(std::move(not_one));
  auto& select = query.Cast<duckdb::SelectNode>();
  bool bare = select.select_list.size() == 1 && select.modifiers.empty() && select.cte_map.map.empty() &&
              (!select.from_table || select.from_table->type == duckdb::TableReferenceType::EMPTY_FROM) &&
              !select.where_clause && select.groups.group_expressions.empty() && !select.having &&
              !select.qualify && !select.sample && !select.select_list[0]->HasAlias();
  if (!bare) return fail(std::move(not_one));
  return std::unique_ptr<duckdb::ParsedExpression>(select.select_list[0].release());
}

Result<std::vector<int>> columns_named(const duckdb::ParsedExpression& parsed,
                                       const NamedExpression& expression, const Schema& schema) {
  std::vector<std::string> lambda_names;
  add_lambda_names(parsed, lambda_names);
  std::vector<int> found;
  std::optional<Error> unknown;
  duckdb::ParsedExpressionIterator::VisitExpression<duckdb::ColumnRefExpression>(
      parsed, [&](const duckdb::ColumnRefExpression& reference) {
        // Of a.b the column is a, and b a field of it.
        const std::string& name = reference.column_names.front();
        std::optional<int> index = schema.find(name);
        if (index && std::find(found.begin(), found.end(), *index) == found.end()) found.push_back(*index);
        bool is_lambda_name = std::find(lambda_names.begin(), lambda_names.end(), name) != lambda_names.end();
        if (!index && !is_lambda_name && !unknown) {
          unknown = error_at(expression, offset_of(reference), "there is no column '" + name + "'",
                             base::did_you_mean(name, schema.names()));
        }
      });
  if (unknown) return fail(*std::move(unknown));
  return found;
}

Result<BoundText> bind_expression(duckdb::ClientContext& context, const NamedExpression& expression,
                                  const Schema& schema) {
  duckdb::unique_ptr<duckdb::ParsedExpression> parsed(TRY(parse_expression(expression)).release());
  try {
    auto bound = bind_parsed(context, schema, std::move(parsed));
    if (bound->IsVolatile() || !bound->IsConsistent()) {
      return fail(error_at(expression, 0, "its value would differ each time it is computed",
                           "use the row's own time column instead of the clock, and no random numbers"));
    }
    std::optional<ColumnType> type = column_type_for(bound->return_type);
    if (!type) {
      return fail(
          error_at(expression, 0, "a column cannot hold a value of type " + bound->return_type.ToString(),
                   "cast it, or take a part of it: to boolean, BIGINT, DOUBLE, VARCHAR or TIMESTAMPTZ"));
    }
    bound = duckdb::BoundCastExpression::AddCastToType(context, std::move(bound), engine_type(*type));
    refer_to_columns(bound);
    fold_constants(context, bound);
    BoundText result;
    result.expression.reset(bound.release());
    result.type = *type;
    return result;
  } catch (const std::exception& exception) {
    return fail(expression_error(duckdb::ErrorData(exception), expression, schema));
  }
}

Result<std::unique_ptr<duckdb::Connection>> open_session(Engine& engine, const std::string& time_zone) {
  auto connection = TRY(connect(engine, time_zone));
  return guarded([&]() -> Result<std::unique_ptr<duckdb::Connection>> {
    connection->BeginTransaction();
    return std::move(connection);
  });
}

Error expression_error(const duckdb::ErrorData& error, const NamedExpression& expression,
                       const Schema& schema) {
  int offset =
      error_position(error).value_or(static_cast<int>(kBefore.size())) - static_cast<int>(kBefore.size());
  const auto& extra = error.ExtraInfo();
  auto subtype = extra.find("error_subtype");
  auto name = extra.find("name");
  if (subtype != extra.end() && subtype->second == "COLUMN_NOT_FOUND" && name != extra.end()) {
    return error_at(expression, offset, "there is no column '" + name->second + "'",
                    base::did_you_mean(name->second, schema.names()));
  }
  // The engine puts what to do about it on the lines that follow.
  std::string_view message = error.RawMessage();
  std::size_t line_end = std::min(message.find('\n'), message.size());
  std::string_view rest = message.substr(std::min(line_end + 1, message.size()));
  bool advises = rest.starts_with("Did you mean");
  Error result = error_at(expression, offset, std::string(message.substr(0, line_end)),
                          advises ? std::string(rest.substr(0, rest.find('\n'))) : "");
  result.code = engine_error(error).code;
  return result;
}

}  // namespace trimtab::table
