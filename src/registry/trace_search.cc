// The search of traces. Candidates come newest first from one index; what a filter asks of tags, spans and
// assessments is looked up for those that are left, so that the first page of many costs little.
#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "registry/clauses.h"
#include "registry/run_rules.h"
#include "registry/trace_rows.h"
#include "registry/traces.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

using Clauses = std::vector<Clause>;

constexpr std::string_view kFilterKeys =
    "{'client_request_id', 'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'name', "
    "'prompt', "
    "'request_id', 'run_id', 'status', 'text', 'timestamp', 'timestamp_ms'}";
constexpr std::string_view kOrderKeys =
    "{'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'experiment_id', 'name', "
    "'request_id', "
    "'run_id', 'status', 'timestamp', 'timestamp_ms'}";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_numeric(std::string_view key) {
  return is_one_of(key, {"timestamp_ms", "execution_time_ms", "end_time_ms"});
}

bool is_null_test(const Clause& clause) { return clause.operation.starts_with("IS "); }

// One name for each thing: entity "attribute", "tag", "metadata", "span", "feedback", "expectation" or
// "issue". What MLflow keeps as a tag or as metadata is found there.
Status settle_name(std::string& entity, std::string& key, std::string_view keys) {
  if (entity.empty() || entity == "attributes" || entity == "trace") entity = "attribute";
  if (entity == "tags") entity = "tag";
  if (entity == "request_metadata") entity = "metadata";
  if (!is_one_of(entity, {"attribute", "tag", "metadata", "span", "feedback", "expectation", "issue"})) {
    return invalid(
        "Invalid entity type '" + entity +
        "'. Valid entity types are {'attribute', 'attributes', 'expectation', 'feedback', 'issue', "
        "'metadata', 'request_metadata', 'span', 'tag', 'tags', 'trace'}");
  }
  if (entity != "attribute") return {};
  if (keys.find("'" + key + "'") == std::string_view::npos || key.find('\'') != std::string::npos) {
    return invalid("Invalid attribute key '" + key + "' specified. Valid keys are '" + std::string(keys) +
                   "'");
  }
  if (is_one_of(key, {"timestamp", "execution_time", "end_time"})) key += "_ms";
  if (key == "name") {
    entity = "tag";
    key = kTraceName;
  } else if (key == "prompt") {
    entity = "tag";
    key = kLinkedPrompts;
  } else if (key == "run_id") {
    entity = "metadata";
    key = kSourceRun;
  } else if (key == "text") {
    entity = "span";
    key = "content";
  }
  return {};
}

Status check_attribute(const Clause& clause) {
  const bool is_number = clause.kind == Clause::Kind::whole_number || clause.kind == Clause::Kind::number;
  if (is_numeric(clause.key)) {
    if (!is_number_operation(clause.operation))
      return invalid("Invalid comparator '" + clause.operation +
                     "' not one of '{'!=', '<', '<=', '=', '>', '>='}'");
    if (!is_number)
      return invalid("Expected a numeric value for " + clause.key + ". Got value " + clause.written);
    return {};
  }
  if (!is_text_operation(clause.operation)) {
    return invalid("Invalid comparator '" + clause.operation +
                   "' not one of '{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN', 'RLIKE'}'");
  }
  if (is_number) {
    return invalid(
        "Only the '{'end_time', 'end_time_ms', 'execution_time', 'execution_time_ms', 'timestamp', "
        "'timestamp_ms'}' attributes support comparison with numeric values.");
  }
  return {};
}

Status check_span(const Clause& clause) {
  const bool is_attribute = clause.key.starts_with("attributes.");
  if (clause.key == "attributes.") return invalid("Span attribute name cannot be empty after 'attributes.'");
  if (!is_attribute && !is_one_of(clause.key, {"name", "type", "status", "content"})) {
    return invalid("Invalid span attribute '" + clause.key +
                   "'. Supported attributes: name, status, type, attributes.<attribute_name>.");
  }
  const bool fits = clause.key == "content" ? is_one_of(clause.operation, {"LIKE", "ILIKE"})
                                            : is_text_operation(clause.operation);
  if (!fits) {
    return invalid("span." + clause.key + " comparator '" + clause.operation + "' not one of '" +
                   (clause.key == "content" ? "{'ILIKE', 'LIKE'}'"
                                            : "{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN', 'RLIKE'}'"));
  }
  return {};
}

Status check_assessment(const Clause& clause) {
  if (clause.key.empty()) return invalid("Assessment field name cannot be empty");
  const bool is_order = is_one_of(clause.operation, {"<", "<=", ">", ">="});
  const bool is_number = clause.kind == Clause::Kind::whole_number || clause.kind == Clause::Kind::number;
  if (is_order && !is_number) {
    return invalid("Expected a numeric value for " + clause.entity + " when using comparator '" +
                   clause.operation + "'. Got value " + clause.written);
  }
  if (!is_order && clause.kind != Clause::Kind::text) {
    return invalid("Expected a quoted string value for " + clause.entity + " (e.g. 'my-value'). Got value " +
                   clause.written);
  }
  return {};
}

Status check_pair(const Clause& clause) {
  if (clause.kind != Clause::Kind::text) {
    return invalid("Expected a quoted string value for " +
                   std::string(clause.entity == "tag" ? "tag" : "request_metadata") +
                   " (e.g. 'my-value'). Got value " + clause.written);
  }
  if (is_one_of(clause.operation, {"=", "!=", "LIKE", "ILIKE"})) {
    const bool is_prompt = clause.entity == "tag" && clause.key == kLinkedPrompts;
    if (!is_prompt) return {};
    if (clause.operation != "=") {
      return invalid("Invalid comparator '" + clause.operation +
                     "' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"");
    }
    if (std::count(clause.text.begin(), clause.text.end(), '/') == 1) return {};
    return invalid("Invalid prompts filter value '" + clause.text +
                   "'. Expected format: prompt = \"name/version\"");
  }
  return invalid("Invalid comparator '" + clause.operation +
                 "' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE', 'RLIKE'}'");
}

Result<Clauses> read_filter(const std::string& filter) {
  Clauses clauses = TRY(parse_clauses(filter, true));
  for (Clause& clause : clauses) {
    TRY(settle_name(clause.entity, clause.key, kFilterKeys));
    if (clause.entity == "issue") return invalid("This server keeps no issues of traces.");
    const bool takes_null = clause.entity != "attribute" && clause.entity != "span";
    if (is_null_test(clause) && takes_null) continue;
    if (clause.entity == "attribute") TRY(check_attribute(clause));
    if (clause.entity == "span") TRY(check_span(clause));
    if (clause.entity == "tag" || clause.entity == "metadata") TRY(check_pair(clause));
    if (clause.entity == "feedback" || clause.entity == "expectation") TRY(check_assessment(clause));
  }
  return clauses;
}

double number_attribute(const Trace& trace, std::string_view key) {
  if (key == "timestamp_ms") return static_cast<double>(trace.request_ms);
  const auto duration = static_cast<double>(trace.duration_ms.value_or(0));
  return key == "end_time_ms" ? static_cast<double>(trace.request_ms) + duration : duration;
}

std::optional<std::string> text_attribute(const Trace& trace, std::string_view key) {
  if (key == "request_id") return trace.id;
  if (key == "status") return trace.state;
  return key == "client_request_id" ? trace.client_id : std::nullopt;
}

bool attribute_holds(const Clause& clause, const Trace& trace) {
  if (is_numeric(clause.key)) {
    const bool is_unknown = clause.key == "execution_time_ms" && !trace.duration_ms;
    return !is_unknown && holds_for_number(clause, number_attribute(trace, clause.key));
  }
  const std::optional<std::string> text = text_attribute(trace, clause.key);
  return text && holds_for_text(clause, *text);
}

Result<std::optional<std::string>> find_value(Connection& connection, const std::string& entity,
                                              std::int64_t trace, std::string_view key) {
  Statement row =
      connection.prepare(entity == "tag" ? "SELECT value FROM trace_tag WHERE trace = ? AND key = ?"
                                         : "SELECT value FROM trace_metadata WHERE trace = ? AND key = ?");
  if (TRY(row.with(trace, key).step())) return std::optional(row.text(0));
  return std::optional<std::string>();
}

bool links_prompt(const std::string& tag, const std::string& name_and_version) {
  const Result<Json> list = base::parse_json(tag);
  if (!list || !list->is_array()) return false;
  return std::any_of(list->as_array().begin(), list->as_array().end(), [&](const Json& prompt) {
    return prompt.text_or("name") + "/" + prompt.text_or("version") == name_and_version;
  });
}

// Of a run are the traces that were made in it and those that were linked to it.
Result<bool> is_of_run(Connection& connection, std::int64_t trace, const std::string& run_id) {
  Statement row = connection.prepare("SELECT 1 FROM trace_run WHERE run_id = ? AND trace = ?");
  return row.with(run_id, trace).step();
}

Result<bool> pair_holds(Connection& connection, const Clause& clause, std::int64_t trace) {
  const std::optional<std::string> value = TRY(find_value(connection, clause.entity, trace, clause.key));
  if (is_null_test(clause)) return value.has_value() == (clause.operation == "IS NOT NULL");
  if (clause.key == kLinkedPrompts) return value && links_prompt(*value, clause.text);
  if (value && holds_for_text(clause, *value)) return true;
  const bool may_be_linked = clause.key == kSourceRun && clause.operation == "=";
  return may_be_linked && TRY(is_of_run(connection, trace, clause.text));
}

bool assessment_matches(const Clause& clause, const std::string& value) {
  if (!is_one_of(clause.operation, {"<", "<=", ">", ">="})) return holds_for_text(clause, value);
  double number = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
  return failed == std::errc() && end == value.data() + value.size() && holds_for_number(clause, number);
}

Result<bool> assessment_holds(Connection& connection, const Clause& clause, std::int64_t trace) {
  Statement row = connection.prepare(
      "SELECT value FROM trace_assessment WHERE trace = ? AND kind = ? AND name = ? AND is_valid = 1");
  row.with(trace, clause.entity, clause.key);
  bool is_there = false;
  while (TRY(row.step())) {
    is_there = true;
    if (!is_null_test(clause) && assessment_matches(clause, row.text(0))) return true;
  }
  return is_null_test(clause) && is_there == (clause.operation == "IS NOT NULL");
}

// The text of a span's attribute: of a string itself, of everything else its JSON.
std::optional<std::string> span_attribute(const Json& body, std::string_view key) {
  for (const Json& attribute :
       body["attributes"].is_array() ? body["attributes"].as_array() : Json::Array()) {
    if (attribute.text_or("key") != key) continue;
    const Json& value = attribute["value"];
    if (const Json* text = value.find("string_value")) return text->as_string();
    if (!value.is_object() || value.as_object().empty()) return std::nullopt;
    return value.as_object().front().second.dump();
  }
  return std::nullopt;
}

bool span_matches(const Clause& clause, const Statement& row, const std::optional<Json>& body) {
  if (clause.key == "name") return holds_for_text(clause, row.text(0));
  if (clause.key == "type") return holds_for_text(clause, row.text(1));
  if (clause.key == "status") return holds_for_text(clause, row.text(2));
  if (clause.key == "content") return holds_for_text(clause, row.text(3));
  std::string_view key = std::string_view(clause.key).substr(std::string_view("attributes.").size());
  if (key.size() > 1 && key.front() == '`' && key.back() == '`') key = key.substr(1, key.size() - 2);
  const std::optional<std::string> value = body ? span_attribute(*body, key) : std::nullopt;
  return value && holds_for_text(clause, *value);
}

// One span must satisfy all that is asked of spans.
Result<bool> spans_hold(Connection& connection, const Clauses& clauses, std::int64_t trace) {
  Clauses of_span;
  std::copy_if(clauses.begin(), clauses.end(), std::back_inserter(of_span),
               [](const Clause& clause) { return clause.entity == "span"; });
  if (of_span.empty()) return true;
  const bool needs_body = std::any_of(of_span.begin(), of_span.end(), [](const Clause& clause) {
    return clause.key.starts_with("attributes.");
  });
  Statement row = connection.prepare("SELECT name, type, status, body FROM trace_span WHERE trace = ?");
  row.with(trace);
  while (TRY(row.step())) {
    std::optional<Json> body;
    if (needs_body) body = base::parse_json(row.text(3), 256).value_or(Json());
    const bool fits = std::all_of(of_span.begin(), of_span.end(),
                                  [&](const Clause& clause) { return span_matches(clause, row, body); });
    if (fits) return true;
  }
  return false;
}

Result<bool> matches(Connection& connection, const Clauses& clauses, std::int64_t number,
                     const Trace& trace) {
  for (const Clause& clause : clauses) {
    bool holds = true;
    if (clause.entity == "attribute") holds = attribute_holds(clause, trace);
    if (clause.entity == "tag" || clause.entity == "metadata")
      holds = TRY(pair_holds(connection, clause, number));
    if (clause.entity == "feedback" || clause.entity == "expectation")
      holds = TRY(assessment_holds(connection, clause, number));
    if (!holds) return false;
  }
  return spans_hold(connection, clauses, number);
}

struct Order {
  std::string entity, key;
  bool is_ascending = true;
};

Result<std::vector<Order>> read_order(const std::vector<std::string>& order_by) {
  std::vector<Order> orders;
  std::set<std::pair<std::string, std::string>> seen;
  for (const std::string& text : order_by) {
    const OrderBy parsed = TRY(parse_order_by(text));
    const std::size_t dot = parsed.key.find('.');
    const bool has_entity = dot != std::string::npos && parsed.key.find('`') > dot;
    Order order{has_entity ? parsed.key.substr(0, dot) : "", parsed.key.substr(has_entity ? dot + 1 : 0),
                parsed.is_ascending};
    if (order.key.size() > 1 && order.key.front() == '`')
      order.key = order.key.substr(1, order.key.size() - 2);
    TRY(settle_name(order.entity, order.key, kOrderKeys));
    if (!is_one_of(order.entity, {"attribute", "tag", "metadata"}))
      return invalid("Invalid identifier type '" + order.entity + "'");
    if (!seen.insert({order.entity, order.key}).second)
      return invalid("`order_by` contains duplicate fields: " + python_repr(text));
    orders.push_back(std::move(order));
  }
  return orders;
}

// A candidate with what it is ordered by; nothing comes last, whatever the direction.
struct Candidate {
  std::int64_t number = 0;
  Trace trace;
  std::vector<std::optional<std::string>> texts;  // Of each order; attributes are compared themselves.
};

int compare(const Order& order, std::size_t index, const Candidate& a, const Candidate& b) {
  int side = 0;
  if (order.entity == "attribute" && (is_numeric(order.key) || order.key == "experiment_id")) {
    const auto value = [&](const Candidate& one) {
      return order.key == "experiment_id" ? static_cast<double>(one.trace.experiment_id)
                                          : number_attribute(one.trace, order.key);
    };
    side = value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0;
  } else {
    const std::optional<std::string>& left = a.texts[index];
    const std::optional<std::string>& right = b.texts[index];
    if (!left || !right) return (left ? 0 : 1) - (right ? 0 : 1);
    side = left->compare(*right);
  }
  return order.is_ascending ? side : -side;
}

void sort_candidates(std::vector<Candidate>& candidates, const std::vector<Order>& orders) {
  std::sort(candidates.begin(), candidates.end(), [&](const Candidate& a, const Candidate& b) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      if (const int side = compare(orders[i], i, a, b); side != 0) return side < 0;
    }
    if (a.trace.request_ms != b.trace.request_ms) return a.trace.request_ms > b.trace.request_ms;
    return a.trace.id < b.trace.id;
  });
}

Status read_order_values(Connection& connection, const std::vector<Order>& orders, Candidate& candidate) {
  for (const Order& order : orders) {
    candidate.texts.push_back(order.entity == "attribute"
                                  ? text_attribute(candidate.trace, order.key)
                                  : TRY(find_value(connection, order.entity, candidate.number, order.key)));
  }
  return {};
}

// Those of one experiment that match, newest first; no more than `enough`.
Status collect(Connection& connection, std::int64_t experiment, const Clauses& clauses, std::int64_t enough,
               std::vector<Candidate>& found) {
  static const std::string kSql =
      std::string(kSelectTraces) + " WHERE experiment_id = ? ORDER BY request_ms DESC, id";
  Statement row = connection.prepare(kSql);
  row.with(experiment);
  for (std::int64_t count = 0; count < enough && TRY(row.step());) {
    Candidate candidate{row.integer(0), read_trace_row(row), {}};
    if (!TRY(matches(connection, clauses, candidate.number, candidate.trace))) continue;
    found.push_back(std::move(candidate));
    ++count;
  }
  return {};
}

}  // namespace

Result<std::vector<Trace>> search_traces(store::Home& home, const TraceSearch& search) {
  const Clauses clauses = TRY(read_filter(search.filter));
  const std::vector<Order> orders = TRY(read_order(search.order_by));
  const std::int64_t end = search.offset + search.max_results;
  std::vector<Trace> page;
  TRY(home.database().read([&](Connection& connection) -> Status {
    std::vector<Candidate> found;
    const std::set<std::int64_t> experiments(search.experiment_ids.begin(), search.experiment_ids.end());
    for (const std::int64_t experiment : experiments)
      TRY(collect(connection, experiment, clauses, orders.empty() ? end : INT64_MAX, found));
    for (Candidate& candidate : found) TRY(read_order_values(connection, orders, candidate));
    sort_candidates(found, orders);
    for (std::int64_t i = search.offset;
         i < std::min<std::int64_t>(end, static_cast<std::int64_t>(found.size())); ++i) {
      Candidate& candidate = found[static_cast<std::size_t>(i)];
      TRY(fill_trace(connection, candidate.number, candidate.trace));
      page.push_back(std::move(candidate.trace));
    }
    return {};
  }));
  return page;
}

}  // namespace trimtab::registry
