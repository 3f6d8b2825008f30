#include "table/expression.h"

#include <algorithm>
#include <duckdb/main/connection.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "table/binding.h"
#include "table/engine.h"
#include "table/expression_scan.h"
#include "table/expression_tree.h"

namespace trimtab::table {
namespace {

// Brackets keep out what only a whole SELECT may have: an alias, FROM, ORDER BY. What is an expression
// between them is the same expression to the binder, which parses it without.
constexpr std::string_view kOpening = "SELECT (";
constexpr std::string_view kClosing = ")";
constexpr std::string_view kEmptySelect = "SELECT (0)";
// A tree level takes up to four levels of JSON (a CASE: its object, its checks, a check, the WHEN).
constexpr int kJsonDepthMax = 4 * (kExpressionDepthMax + 2) + 16;
constexpr std::string_view kUnknownLocation = "\"query_location\":18446744073709551615";
constexpr std::string_view kUnknownLocationOurs = "\"query_location\":-1";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

tl::unexpected<Error> refuse(const NamedExpression& expression, ExpressionFault fault) {
  return fail(Error{ErrorCode::invalid, std::move(fault.message), std::move(fault.hint),
                    place_in(expression, static_cast<int>(fault.offset)), nullptr});
}

// A location in kOpening + text + kClosing as an offset in text.
std::size_t text_offset(std::int64_t location, std::string_view text) {
  const std::int64_t offset = location - static_cast<std::int64_t>(kOpening.size());
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(offset, 0, static_cast<std::int64_t>(text.size())));
}

ExpressionFault parser_fault(const Json& reply, std::string_view text) {
  std::string message = reply.text_or("error_message", "the expression cannot be read");
  if (message.find("expression depth") != std::string::npos) {
    return {0, std::string(kTooDeep), std::string(kSplitIt)};
  }
  const std::string position = reply.text_or("position");
  const std::int64_t location = position.empty() ? 0 : std::stoll(position);
  const std::size_t offset = text_offset(location, text);
  if (offset == text.size()) message = "the expression ends too early";
  return {offset, std::move(message), "write exactly one expression, as in hour(time) + 1"};
}

// What json_serialize_sql said, as Json. Its unknown locations do not fit our whole numbers; other numbers
// beyond them come from the expression.
Result<Json> read_reply(const NamedExpression& expression, std::string reply) {
  replace_all(reply, kUnknownLocation, kUnknownLocationOurs);
  Result<Json> json = base::parse_json(reply, kJsonDepthMax);
  if (!json && json.error().code == ErrorCode::too_large) {
    return refuse(expression, {0, std::string(kTooDeep), std::string(kSplitIt)});
  }
  if (!json) {
    return refuse(expression, {0, "a number in the expression is too large",
                               "whole numbers go up to 9223372036854775807, others up to 1.7e308"});
  }
  if (json->bool_or("error", true)) return refuse(expression, parser_fault(*json, expression.text));
  return json;
}

// Takes the one expression out of a serialized SELECT and leaves its frame; null when there is not exactly
// one.
Json take_expression(Json& reply) {
  Json statements = reply["statements"];
  if (!statements.is_array() || statements.as_array().size() != 1) return {};
  Json node = statements.as_array().front()["node"];
  const Json list = node["select_list"];
  if (!list.is_array() || list.as_array().size() != 1) return {};
  node.set("select_list", Json::array());
  statements.as_array().front().set("node", std::move(node));
  reply.set("statements", std::move(statements));
  return list.as_array().front();
}

// Parses a text to a tree. What stands around the expression must be the same as around a mere 0.
Result<ExpressionTree> parse(Engine& engine, const NamedExpression& expression) {
  if (std::optional<ExpressionFault> fault = scan_expression(expression.text))
    return refuse(expression, *fault);
  const std::string whole = std::string(kOpening) + expression.text + std::string(kClosing);
  const std::vector<Json> row =
      TRY(engine.query_row("SELECT json_serialize_sql(" + quote_text(whole) +
                           ")::VARCHAR, json_serialize_sql(" + quote_text(kEmptySelect) + ")::VARCHAR"));
  Json reply = TRY(read_reply(expression, row.at(0).as_string()));
  Json empty = TRY(read_reply(expression, row.at(1).as_string()));
  ExpressionTree tree{take_expression(reply), static_cast<std::int64_t>(kOpening.size())};
  take_expression(empty);
  if (tree.root.is_null() || reply != empty)
    return refuse(expression, {0, "this is not exactly one expression", ""});
  return tree;
}

// Everything but where it stands.
Json without_locations(const Json& node) {
  if (node.is_array()) {
    Json list = Json::array();
    for (const Json& item : node.as_array()) list.push(without_locations(item));
    return list;
  }
  if (!node.is_object()) return node;
  Json object = Json::object();
  for (const auto& [name, value] : node.as_object()) {
    if (name != "query_location") object.set(name, without_locations(value));
  }
  return object;
}

std::string quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char byte : text) result.append(byte == quote ? 2 : 1, byte);
  return result + quote;
}

}  // namespace

Result<ExpressionFacts> inspect_expression(Engine& engine, const NamedExpression& expression,
                                           const Schema& schema, const std::string& time_zone) {
  const ExpressionTree tree = TRY(parse(engine, expression));
  TreeReading reading;
  if (std::optional<ExpressionFault> fault = judge_tree(tree, expression.text, schema, reading)) {
    return refuse(expression, *fault);
  }
  auto session = TRY(open_session(engine, time_zone));
  const BoundText bound = TRY(bind_expression(*session->context, expression, schema));
  return ExpressionFacts{std::move(reading.columns), std::move(reading.functions), bound.type};
}

bool same_expression(Engine& engine, std::string_view a, std::string_view b) {
  if (a == b) return true;
  const Result<ExpressionTree> left = parse(engine, NamedExpression{"", std::string(a), {}});
  const Result<ExpressionTree> right = parse(engine, NamedExpression{"", std::string(b), {}});
  return left && right && without_locations(left->root) == without_locations(right->root);
}

std::string quote_name(std::string_view name) { return quoted(name, '"'); }

std::string quote_text(std::string_view text) { return quoted(text, '\''); }

}  // namespace trimtab::table
