// From the text of an expression to what the engine executes: parsed, bound to the columns of a schema and
// cast to a type of ours. The binder works alone: no query is planned, so nothing of the expression is moved
// or lost. No other room includes this file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/expression.h"
#include "table/schema.h"

namespace duckdb {
class ClientContext;
class Connection;
class ErrorData;
class Expression;
class ParsedExpression;
}  // namespace duckdb

namespace trimtab::table {

// The place `offset` bytes into the expression. Columns count characters, as editors do.
SourceRange place_in(const NamedExpression& expression, int offset);

// One expression and nothing else: no alias, no second expression, no clause behind it.
// Errors: invalid with a place.
Result<std::unique_ptr<duckdb::ParsedExpression>> parse_expression(const NamedExpression& expression);

// The columns of `schema` that the parsed expression names, each once, in order of appearance.
// Errors: invalid with a place (a name that is no column).
Result<std::vector<int>> columns_named(const duckdb::ParsedExpression& parsed,
                                       const NamedExpression& expression, const Schema& schema);

struct BoundText {
  // Its column references are BoundReferenceExpressions with the column's index in the schema. Parts that are
  // the same for every row are already computed.
  std::unique_ptr<duckdb::Expression> expression;
  ColumnType type = ColumnType::text;

  BoundText();
  BoundText(BoundText&&) noexcept;
  BoundText& operator=(BoundText&&) noexcept;
  ~BoundText();
};

// Binds over `schema` in a session with an open transaction (see open_session). The session's time zone
// becomes part of the result. Errors: invalid with a place: a syntax error, an unknown column or function, a
// type that no column of ours can hold, a subquery, an aggregate, a window, a value that differs from call to
// call.
Result<BoundText> bind_expression(duckdb::ClientContext& context, const NamedExpression& expression,
                                  const Schema& schema);

// A connection with a transaction, in which expressions can be bound and executed outside of a query.
Result<std::unique_ptr<duckdb::Connection>> open_session(Engine& engine, const std::string& time_zone);

// The engine's refusal of an expression, pointing into its text.
Error expression_error(const duckdb::ErrorData& error, const NamedExpression& expression,
                       const Schema& schema);

}  // namespace trimtab::table
