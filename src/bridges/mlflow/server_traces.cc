#include "bridges/mlflow/server_traces.h"

#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "registry/span_parts.h"

namespace trimtab::bridges {
namespace {

constexpr std::int64_t kTracesPage = 500;

std::vector<registry::KeyValue> pairs_of(const Json& map) {
  std::vector<registry::KeyValue> pairs;
  if (!map.is_object()) return pairs;
  for (const Json::Member& member : map.as_object()) {
    pairs.push_back(
        {member.first, member.second.is_string() ? member.second.as_string() : member.second.dump()});
  }
  return pairs;
}

std::optional<std::string> text_of(const Json& json, std::string_view name) {
  return json[name].is_string() ? std::optional(json[name].as_string()) : std::nullopt;
}

Result<registry::Trace> trace_of(const Json& info) {
  registry::Trace trace;
  trace.id = info.text_or("trace_id");
  trace.request_ms = TRY(base::parse_time(info.text_or("request_time"))) / base::kMillisecondUs;
  // "0.182s"
  if (const std::optional<std::string> duration = text_of(info, "execution_duration"))
    trace.duration_ms = std::llround(std::strtod(duration->c_str(), nullptr) * 1000);
  const std::string state = info.text_or("state");
  const bool is_known = state == "OK" || state == "ERROR" || state == "IN_PROGRESS";
  trace.state = is_known ? state : "STATE_UNSPECIFIED";
  trace.client_id = text_of(info, "client_request_id");
  trace.request_preview = text_of(info, "request_preview");
  trace.response_preview = text_of(info, "response_preview");
  trace.tags = pairs_of(info["tags"]);
  trace.metadata = pairs_of(info["trace_metadata"]);
  const Json& assessments = info["assessments"];
  for (const Json& body : assessments.is_array() ? assessments.as_array() : Json::Array()) {
    registry::Assessment assessment{body.text_or("assessment_id"), body.text_or("assessment_name"), "", body};
    for (const char* kind : {"feedback", "expectation", "issue"}) {
      if (body.find(kind) != nullptr) assessment.kind = kind;
    }
    if (!assessment.kind.empty()) trace.assessments.push_back(std::move(assessment));
  }
  return trace;
}

}  // namespace

Result<std::vector<std::string>> fetch_trace_ids(MlflowServer& server, std::int64_t experiment_id,
                                                 const std::string& run) {
  std::vector<std::string> ids;
  Json experiment = Json::object({{"experiment_id", std::to_string(experiment_id)}});
  Json location = Json::object({{"type", "MLFLOW_EXPERIMENT"}, {"mlflow_experiment", std::move(experiment)}});
  Json search =
      Json::object({{"locations", Json(Json::Array{std::move(location)})}, {"max_results", kTracesPage}});
  search.set("order_by", Json(Json::Array{"timestamp_ms ASC"}));
  if (!run.empty()) search.set("filter", "attributes.run_id = '" + run + "'");
  while (true) {
    const Result<Json> page = server.post_v3("/traces/search", search);
    if (!page && page.error().code == ErrorCode::not_found) {
      return fail(ErrorCode::unsupported, "the server tells no traces as MLflow 3 does",
                  "bring it to MLflow 3.17, or import its database file");
    }
    if (!page) return fail(page.error());
    const Json& traces = (*page)["traces"];
    for (const Json& info : traces.is_array() ? traces.as_array() : Json::Array())
      ids.push_back(info.text_or("trace_id"));
    const std::string token = page->text_or("next_page_token");
    if (token.empty()) return ids;
    search.set("page_token", token);
  }
}

Result<registry::ImportedTrace> fetch_trace(MlflowServer& server, const std::string& id) {
  registry::ImportedTrace imported;
  const Json reply = TRY(server.get_v3("/traces/" + percent_encoded(id)));
  imported.trace = TRY(trace_of(reply["trace"]["trace_info"]));
  bool has_spans = false;
  for (const registry::KeyValue& tag : imported.trace.tags) {
    has_spans = has_spans ||
                (tag.key == registry::kSpansLocation && !tag.value.empty() && tag.value != "ARTIFACT_REPO");
  }
  // The others lie in a file.
  if (!has_spans) return imported;
  const Json whole = TRY(server.get_v3("/traces/get", {{"trace_id", id}, {"allow_partial", "true"}}));
  const Json& spans = whole["trace"]["spans"];
  for (const Json& span : spans.is_array() ? spans.as_array() : Json::Array())
    imported.spans.push_back(TRY(registry::read_span_body(span)));
  return imported;
}

}  // namespace trimtab::bridges
