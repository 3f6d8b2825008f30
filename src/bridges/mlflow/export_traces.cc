#include "bridges/mlflow/export_traces.h"

#include <cstdio>
#include <utility>

#include "registry/imported_traces.h"
#include "registry/span_parts.h"
#include "registry/traces.h"

namespace trimtab::bridges {
namespace {

using store::Connection;
using store::Statement;

constexpr std::int64_t kTracesAtOnce = 500;
constexpr int kBodyDepthMax = 256;

std::string seconds_text(std::int64_t ms) {
  char text[40];
  std::snprintf(text, sizeof text, "%.3fs", static_cast<double>(ms) / 1000);
  return text;
}

}  // namespace

Result<std::vector<registry::Trace>> TraceSender::page(std::int64_t experiment_id, std::int64_t offset) {
  registry::TraceSearch search;
  search.experiment_ids = {experiment_id};
  search.order_by = {"timestamp_ms ASC"};
  search.max_results = kTracesAtOnce;
  search.offset = offset;
  return registry::search_traces(home_, search);
}

Result<std::string> TraceSender::send(const registry::Trace& trace, const std::string& experiment_there) {
  // Spans first: what is known of the whole has the last word on its times.
  TRY(send_spans(trace.id, experiment_there));
  Json info = TRY(info_json(trace, experiment_there));
  const Json made = TRY(
      server_.post_v3("/traces", Json::object({{"trace", Json::object({{"trace_info", std::move(info)}})}})));
  TRY(send_links(trace.id));
  return made["trace"]["trace_info"]["tags"].text_or(registry::kArtifactLocation);
}

// Without what the server says itself, and with the run's id there.
Result<Json> TraceSender::info_json(const registry::Trace& trace, const std::string& experiment_there) {
  Json experiment = Json::object({{"experiment_id", experiment_there}});
  Json json = Json::object({{"trace_id", trace.id}});
  json.set("trace_location",
           Json::object({{"type", "MLFLOW_EXPERIMENT"}, {"mlflow_experiment", std::move(experiment)}}));
  json.set("request_time", registry::trace_time_text(trace.request_ms)).set("state", trace.state);
  if (trace.duration_ms) json.set("execution_duration", seconds_text(*trace.duration_ms));
  if (trace.client_id) json.set("client_request_id", *trace.client_id);
  if (trace.request_preview) json.set("request_preview", *trace.request_preview);
  if (trace.response_preview) json.set("response_preview", *trace.response_preview);
  Json tags = Json::object();
  for (const registry::KeyValue& tag : trace.tags) {
    if (tag.key != registry::kArtifactLocation && tag.key != registry::kSpansLocation)
      tags.set(tag.key, tag.value);
  }
  Json metadata = Json::object();
  for (const registry::KeyValue& pair : trace.metadata) {
    const bool is_run = pair.key == registry::kSourceRun;
    const std::optional<std::string> run = is_run ? TRY(links_.find("run", pair.value)) : std::nullopt;
    metadata.set(pair.key, run.value_or(pair.value));
  }
  json.set("tags", std::move(tags)).set("trace_metadata", std::move(metadata));
  Json assessments = Json::array();
  for (const registry::Assessment& assessment : trace.assessments) assessments.push(assessment.body);
  return json.set("assessments", std::move(assessments));
}

Status TraceSender::send_spans(const std::string& trace_id, const std::string& experiment_there) {
  Json spans = Json::array();
  for (const std::string& body : TRY(registry::find_spans(home_, trace_id)))
    spans.push(TRY(registry::otlp_span(TRY(base::parse_json(body, kBodyDepthMax)))));
  if (spans.as_array().empty()) return {};
  Json scope = Json::object({{"spans", std::move(spans)}});
  Json resource = Json::object({{"scopeSpans", Json(Json::Array{std::move(scope)})}});
  return server_.post_spans(experiment_there,
                            Json::object({{"resourceSpans", Json(Json::Array{std::move(resource)})}}));
}

Status TraceSender::send_links(const std::string& trace_id) {
  std::vector<std::string> runs;
  TRY(home_.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(
        "SELECT r.run_id FROM trace t JOIN trace_run r ON r.trace = t.number WHERE t.id = ?");
    row.with(trace_id);
    while (TRY(row.step())) runs.push_back(row.text(0));
    return {};
  }));
  for (const std::string& run : runs) {
    const std::optional<std::string> there = TRY(links_.find("run", run));
    if (!there) continue;  // Deleted here.
    Json body = Json::object({{"trace_ids", Json(Json::Array{trace_id})}, {"run_id", *there}});
    TRY(server_.post("/traces/link-to-run", body));
  }
  return {};
}

}  // namespace trimtab::bridges
