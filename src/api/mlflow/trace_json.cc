#include "api/mlflow/trace_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/id.h"
#include "registry/imported_traces.h"

namespace trimtab::api {
namespace {

using registry::Assessment;
using registry::KeyValue;
using registry::Trace;

constexpr std::array<std::string_view, 4> kStates = {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"};

Json map_json(const std::vector<KeyValue>& pairs) {
  Json json = Json::object();
  for (const KeyValue& pair : pairs) json.set(pair.key, pair.value);
  return json;
}

// "0.182s", "3s": protobuf writes no, three, six or nine decimals.
std::string duration_text(std::int64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000 == 0) return text + "s";
  const std::string decimals = std::to_string(1000 + std::abs(ms % 1000)).substr(1);
  return (ms < 0 && text == "0" ? "-0" : text) + "." + decimals + "s";
}

Result<std::optional<std::int64_t>> read_duration(const MlflowParameters& info) {
  const std::optional<std::string> text = TRY(info.find_text("execution_duration"));
  if (!text) return TRY(info.find_integer("execution_duration_ms"));
  double seconds = 0;
  const bool has_unit = text->ends_with('s');
  const char* last = text->data() + text->size() - (has_unit ? 1 : 0);
  const auto [end, failed] = std::from_chars(text->data(), last, seconds);
  if (!has_unit || failed != std::errc() || end != last || std::abs(seconds) > 1e12)
    return fail(info.wrong_type("execution_duration", *text));
  return std::optional(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

Result<std::vector<KeyValue>> read_map(const MlflowParameters& info, std::string_view name) {
  std::vector<KeyValue> pairs;
  const std::optional<MlflowParameters> map = TRY(info.member(name));
  if (!map) return pairs;
  for (const Json::Member& member : map->json().as_object())
    pairs.push_back({member.first, TRY(map->find_text(member.first)).value_or("")});
  return pairs;
}

// What a program was asked and said, whatever that is; a name is checked more strictly.
Result<std::optional<std::string>> read_preview(const MlflowParameters& info, std::string_view name) {
  const Json& preview = info.json()[name];
  if (preview.is_string()) return std::optional(preview.as_string());
  return info.find_text(name);
}

Result<std::string> read_state(const MlflowParameters& info) {
  const Json* state = info.json().find("state");
  if (state == nullptr || state->is_null()) return std::string(kStates[0]);
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (*state == Json(kStates[i]) || *state == Json(static_cast<std::int64_t>(i)))
      return std::string(kStates[i]);
  }
  return fail(info.wrong_type("state", *state));
}

}  // namespace

Json trace_info_json(const Trace& trace) {
  Json json = Json::object({{"trace_id", trace.id}});
  if (trace.client_id) json.set("client_request_id", *trace.client_id);
  Json experiment = Json::object({{"experiment_id", std::to_string(trace.experiment_id)}});
  json.set("trace_location",
           Json::object({{"type", "MLFLOW_EXPERIMENT"}, {"mlflow_experiment", std::move(experiment)}}));
  json.set("request_time", registry::trace_time_text(trace.request_ms));
  if (trace.duration_ms) json.set("execution_duration", duration_text(*trace.duration_ms));
  json.set("state", trace.state);
  if (!trace.metadata.empty()) json.set("trace_metadata", map_json(trace.metadata));
  if (!trace.assessments.empty()) {
    Json list = Json::array();
    for (const Assessment& assessment : trace.assessments) list.push(assessment.body);
    json.set("assessments", std::move(list));
  }
  if (!trace.tags.empty()) json.set("tags", map_json(trace.tags));
  if (trace.request_preview) json.set("request_preview", *trace.request_preview);
  if (trace.response_preview) json.set("response_preview", *trace.response_preview);
  return json;
}

std::string trace_text(const Trace& trace, const std::vector<std::string>& spans) {
  std::string text = "{\"trace_info\":" + trace_info_json(trace).dump();
  for (std::size_t i = 0; i < spans.size(); ++i) text += (i == 0 ? ",\"spans\":[" : ",") + spans[i];
  return text + (spans.empty() ? "}" : "]}");
}

Json trace_info_v2_json(const Trace& trace) {
  Json json =
      Json::object({{"request_id", trace.id}, {"experiment_id", std::to_string(trace.experiment_id)}});
  json.set("timestamp_ms", trace.request_ms);
  if (trace.duration_ms) json.set("execution_time_ms", *trace.duration_ms);
  json.set("status", trace.state == kStates[0] ? "TRACE_STATUS_UNSPECIFIED" : trace.state);
  if (!trace.metadata.empty()) json.set("request_metadata", key_values_json(trace.metadata));
  if (!trace.tags.empty()) json.set("tags", key_values_json(trace.tags));
  return json;
}

Result<Trace> read_trace_info(const MlflowParameters& info, TimeUs now) {
  Trace trace;
  trace.id = TRY(info.text("trace_id"));
  const std::optional<MlflowParameters> location = TRY(info.member("trace_location"));
  const std::optional<MlflowParameters> experiment =
      location ? TRY(location->member("mlflow_experiment")) : std::nullopt;
  trace.experiment_id = experiment ? TRY(experiment->experiment_id("experiment_id")) : 0;
  if (const std::optional<std::string> time = TRY(info.find_text("request_time"))) {
    const Result<TimeUs> parsed = base::parse_time(*time);
    if (!parsed) return fail(info.wrong_type("request_time", *time));
    trace.request_ms = *parsed / base::kMillisecondUs;
  }
  trace.duration_ms = TRY(read_duration(info));
  trace.state = TRY(read_state(info));
  trace.client_id = TRY(info.find_text("client_request_id"));
  trace.request_preview = TRY(read_preview(info, "request_preview"));
  trace.response_preview = TRY(read_preview(info, "response_preview"));
  trace.tags = TRY(read_map(info, "tags"));
  trace.metadata = TRY(read_map(info, "trace_metadata"));
  for (const MlflowParameters& assessment : TRY(info.entries("assessments")))
    trace.assessments.push_back(TRY(read_assessment(assessment.json(), trace.id, now)));
  return trace;
}

Result<Assessment> read_assessment(const Json& json, const std::string& trace_id, TimeUs now) {
  Assessment assessment;
  for (const char* kind : {"feedback", "expectation"}) {
    const Json* value = json.find(kind);
    if (value != nullptr && value->is_object()) assessment.kind = kind;
  }
  if (assessment.kind.empty()) return fail(ErrorCode::invalid, "Unknown assessment type: None");
  assessment.name = json.text_or("assessment_name");
  assessment.id = json.text_or("assessment_id");
  if (assessment.id.empty()) assessment.id = "a-" + base::random_id();
  Json& body = assessment.body = json;
  body.set("assessment_id", assessment.id).set("trace_id", trace_id);
  for (const char* time : {"create_time", "last_update_time"}) {
    if (body.text_or(time).empty()) body.set(time, registry::trace_time_text(now / base::kMillisecondUs));
  }
  if (body.find("source") == nullptr) {
    body.set("source", Json::object({{"source_type", "CODE"}, {"source_id", "default"}}));
  }
  body.set("valid", json.bool_or("valid", true));
  return assessment;
}

}  // namespace trimtab::api
