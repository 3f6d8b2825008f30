#include "bridges/mlflow/sqlite_traces.h"

#include <algorithm>
#include <utility>

#include "registry/row_values.h"
#include "registry/span_parts.h"

namespace trimtab::bridges {
namespace {

using registry::optional_text;
using registry::select_pairs;
using store::Connection;
using store::Statement;

constexpr int kTraceDepthMax = 256;

std::string trace_state_of(const std::string& status) {
  const bool is_known = status == "OK" || status == "ERROR" || status == "IN_PROGRESS";
  return is_known ? status : "STATE_UNSPECIFIED";
}

// What MLflow keeps in columns of their own and tells as a tag or as metadata.
Status select_info(Connection& connection, const std::string& id, registry::Trace& trace) {
  Statement row = connection.prepare(
      "SELECT experiment_id, timestamp_ms, execution_time_ms, status, client_request_id, request_preview, "
      "response_preview, trace_name, session_id, json_object('input_tokens', input_tokens, 'output_tokens', "
      "output_tokens, 'total_tokens', total_tokens, 'cache_read_input_tokens', cache_read_input_tokens, "
      "'cache_creation_input_tokens', cache_creation_input_tokens, 'cache_creation_input_tokens_above_1hr', "
      "cache_creation_input_tokens_above_1hr), json_object('input_cost', input_cost, 'output_cost', "
      "output_cost, 'total_cost', total_cost) FROM trace_info WHERE request_id = ?");
  if (!TRY(row.with(id).step())) return fail(ErrorCode::not_found, "trace '" + id + "' has gone");
  trace.id = id;
  trace.experiment_id = row.integer(0);
  trace.request_ms = row.integer(1);
  if (!row.is_null(2)) trace.duration_ms = row.integer(2);
  trace.state = trace_state_of(row.text(3));
  trace.client_id = optional_text(row, 4);
  trace.request_preview = optional_text(row, 5);
  trace.response_preview = optional_text(row, 6);
  if (!row.is_null(7)) trace.tags.push_back({"mlflow.traceName", row.text(7)});
  if (!row.is_null(8)) trace.metadata.push_back({"mlflow.trace.session", row.text(8)});
  for (const auto& [column, key] :
       {std::pair{9, "mlflow.trace.tokenUsage"}, std::pair{10, "mlflow.trace.cost"}}) {
    Json known = Json::object();
    const Json columns = TRY(base::parse_json(row.text(column)));
    for (const Json::Member& member : columns.as_object()) {
      if (!member.second.is_null()) known.set(member.first, member.second);
    }
    if (!known.as_object().empty()) trace.metadata.push_back({key, known.dump()});
  }
  return {};
}

// As MLflow's server words it.
Result<registry::Assessment> assessment_of(const Statement& row, const std::string& trace_id) {
  registry::Assessment assessment{row.text(0), row.text(1), row.text(2), Json::object()};
  Json& body = assessment.body;
  body.set("assessment_id", assessment.id).set("assessment_name", assessment.name).set("trace_id", trace_id);
  body.set("source", Json::object({{"source_type", row.text(5)}, {"source_id", row.text(6)}}));
  body.set("create_time", registry::trace_time_text(row.integer(7)));
  body.set("last_update_time", registry::trace_time_text(row.integer(8)));
  const Json value = TRY(base::parse_json(row.text(3), kTraceDepthMax));
  Json said = Json::object();
  if (assessment.kind == "expectation" && (value.is_array() || value.is_object() || value.is_null())) {
    Json text = Json::object({{"serialization_format", "JSON_FORMAT"}, {"value", value.dump()}});
    said.set("serialized_value", std::move(text));
  } else if (assessment.kind == "issue") {
    said.set("issue_name", value.text_or("issue_name"));
  } else {
    said.set("value", value);
  }
  if (!row.is_null(4)) said.set("error", TRY(base::parse_json(row.text(4), kTraceDepthMax)));
  body.set(assessment.kind, std::move(said));
  if (!row.is_null(9)) body.set("span_id", row.text(9));
  if (!row.is_null(10)) body.set("rationale", row.text(10));
  if (!row.is_null(11)) body.set("overrides", row.text(11));
  body.set("valid", row.integer(12) != 0);
  if (row.is_null(13)) return assessment;
  const Json stored = TRY(base::parse_json(row.text(13), kTraceDepthMax));
  Json metadata = Json::object();
  if (!stored.is_object()) return assessment;
  for (const Json::Member& member : stored.as_object()) {
    metadata.set(member.first, member.second.is_string() ? member.second : Json(member.second.dump()));
  }
  body.set("metadata", std::move(metadata));
  return assessment;
}

Status select_assessments(Connection& connection, registry::Trace& trace) {
  Statement row = connection.prepare(
      "SELECT assessment_id, name, assessment_type, value, error, source_type, coalesce(source_id, "
      "'default'), created_timestamp, last_updated_timestamp, span_id, rationale, overrides, valid, "
      "assessment_metadata FROM assessments WHERE trace_id = ? ORDER BY created_timestamp, assessment_id");
  row.with(trace.id);
  while (TRY(row.step())) trace.assessments.push_back(TRY(assessment_of(row, trace.id)));
  return {};
}

Status select_spans(Connection& connection, registry::ImportedTrace& imported) {
  Statement row = connection.prepare("SELECT content FROM spans WHERE trace_id = ? AND content <> ''");
  row.with(imported.trace.id);
  while (TRY(row.step())) {
    const Json content = TRY(base::parse_json(row.text(0), kTraceDepthMax));
    imported.spans.push_back(TRY(registry::read_stored_span(content)));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> select_trace_ids(Connection& connection, std::int64_t experiment_id) {
  std::vector<std::string> ids;
  Statement row = connection.prepare(
      "SELECT request_id FROM trace_info WHERE experiment_id = ? ORDER BY timestamp_ms, request_id");
  row.with(experiment_id);
  while (TRY(row.step())) ids.push_back(row.text(0));
  return ids;
}

Result<registry::ImportedTrace> select_trace(Connection& connection, const std::string& id) {
  registry::ImportedTrace imported;
  registry::Trace& trace = imported.trace;
  TRY(select_info(connection, id, trace));
  for (registry::KeyValue& tag :
       TRY(select_pairs(connection,
                        "SELECT key, coalesce(value, '') FROM trace_tags WHERE request_id = ? AND key <> "
                        "'mlflow.traceName'",
                        id))) {
    trace.tags.push_back(std::move(tag));
  }
  for (registry::KeyValue& pair : TRY(select_pairs(
           connection,
           "SELECT key, coalesce(value, '') FROM trace_request_metadata WHERE request_id = ? AND key NOT IN "
           "('mlflow.trace.session', 'mlflow.trace.tokenUsage', 'mlflow.trace.cost')",
           id))) {
    trace.metadata.push_back(std::move(pair));
  }
  const bool is_archived = std::any_of(trace.tags.begin(), trace.tags.end(), [](const auto& tag) {
    return tag.key == registry::kSpansLocation && tag.value == "ARCHIVE_REPO";
  });
  if (is_archived) {
    return fail(ErrorCode::unsupported, "its spans are in MLflow's archive, which only its server reads",
                "import from the running server");
  }
  TRY(select_assessments(connection, trace));
  TRY(select_spans(connection, imported));
  Statement row = connection.prepare(
      "SELECT destination_id FROM entity_associations WHERE source_type = 'trace' AND source_id = ? AND "
      "destination_type = 'run'");
  row.with(id);
  while (TRY(row.step())) imported.runs.push_back(row.text(0));
  return imported;
}

}  // namespace trimtab::bridges
