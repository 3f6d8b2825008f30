// Expressions come from users and are hostile until proven tame. They are judged on the tree of the engine's
// own parser (json_serialize_sql) against an allow-list of node types and functions: no subquery, no table
// function, nothing that reads files, settings or the environment, nothing volatile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/result.h"
#include "table/schema.h"

namespace trimtab::table {

class Engine;

// A named expression as a user wrote it, e.g. hour: "hour(sched_dep)".
struct NamedExpression {
  std::string name;
  std::string text;
  SourceRange where;  // Of the text; columns of messages point inside it.

  bool operator==(const NamedExpression& other) const { return name == other.name && text == other.text; }
};

// What an accepted expression reads.
struct ExpressionFacts {
  std::vector<std::string> columns;    // As spelled in the schema, each once, in order of appearance.
  std::vector<std::string> functions;  // Lower case, each once.
  ColumnType type = ColumnType::text;  // Of its value over the given schema.
};

// Parses, checks against the allow-list and binds `expression` over `schema` in `time_zone`.
// Errors: invalid with a place inside the expression: not one expression; a forbidden node or function (hint:
// what to use instead); an unknown column (hint: did you mean); a type that the engine refuses.
// Thread-safe on one Engine.
Result<ExpressionFacts> inspect_expression(Engine& engine, const NamedExpression& expression,
                                           const Schema& schema, const std::string& time_zone = "UTC");

// True when two texts are the same tree, whatever their blanks and brackets: for `plan`, which must not
// report a reformatted line as a change.
bool same_expression(Engine& engine, std::string_view a, std::string_view b);

// `name` quoted as an SQL identifier; `text` quoted as an SQL string.
std::string quote_name(std::string_view name);
std::string quote_text(std::string_view text);

}  // namespace trimtab::table
