// Traces: what a program did while it answered. Today's API under 3.0, the one before it under 2.0; MLflow's
// client uses some of each.
#include <utility>

#include "api/mlflow/route_rows.h"
#include "api/mlflow/trace_json.h"
#include "base/clock.h"
#include "base/id.h"
#include "registry/imported_traces.h"
#include "registry/traces.h"

namespace trimtab::api {
namespace {

using registry::Trace;

constexpr std::int64_t kSearchMax = 500;
constexpr std::int64_t kSearched = 100;

http::Reply json_text(std::string text) { return {200, "application/json", std::move(text), {}}; }

registry::Written<Trace> send_info(http::ReplyPromise promise) {
  return [promise](const Result<Trace>& trace) mutable {
    if (!trace) return promise.send(mlflow_error(trace.error()));
    Json info = Json::object({{"trace_info", trace_info_json(*trace)}});
    promise.send(http::Reply::json(Json::object({{"trace", std::move(info)}})));
  };
}

Result<http::Answer> start(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise promise) {
  TRY(parameters.require("trace"));
  const std::optional<MlflowParameters> trace = TRY(parameters.member("trace"));
  const std::optional<MlflowParameters> info = TRY(trace->member("trace_info"));
  if (!info) return fail(ErrorCode::invalid, "Missing value for required parameter 'trace.trace_info'.");
  registry::start_trace(rooms.home, TRY(read_trace_info(*info, rooms.clock.now())),
                        send_info(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get_info(RecordRooms& rooms, Parameters, Request request, http::ReplyPromise) {
  const Trace trace = TRY(registry::find_trace(rooms.home, request.path_values[0]));
  Json info = Json::object({{"trace_info", trace_info_json(trace)}});
  return http::Reply::json(Json::object({{"trace", std::move(info)}}));
}

// A trace whose spans have not come yet is found only by who wants what there is.
Result<http::Answer> get_trace(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const std::string id = TRY(parameters.text("trace_id"));
  const bool allow_partial = TRY(parameters.flag("allow_partial"));
  const std::vector<Trace> found = TRY(registry::find_traces(rooms.home, {id}, {}));
  if (found.empty()) return fail(ErrorCode::not_found, "Trace with ID " + id + " is not found.");
  const std::vector<std::string> spans = TRY(registry::find_spans(rooms.home, id));
  if (spans.empty() && !allow_partial) {
    return fail(ErrorCode::not_found,
                "Trace with ID " + id + " is not fully exported yet, please try again later.");
  }
  return json_text("{\"trace\":" + trace_text(found.front(), spans) + "}");
}

Result<std::vector<Trace>> read_batch(RecordRooms& rooms, Parameters parameters) {
  const std::vector<std::string> ids = TRY(parameters.texts("trace_ids"));
  if (ids.empty()) TRY(parameters.require("trace_ids"));
  std::vector<std::int64_t> experiments;
  for (const std::string& id : TRY(parameters.texts("experiment_ids")))
    experiments.push_back(TRY(parse_experiment_id(id)));
  return registry::find_traces(rooms.home, ids, experiments);
}

Result<http::Answer> get_batch(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  std::string text;
  for (const Trace& trace : TRY(read_batch(rooms, parameters))) {
    const std::vector<std::string> spans = TRY(registry::find_spans(rooms.home, trace.id));
    if (!spans.empty()) text += (text.empty() ? "" : ",") + trace_text(trace, spans);
  }
  return json_text(text.empty() ? "{}" : "{\"traces\":[" + text + "]}");
}

Result<http::Answer> get_batch_infos(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  Json infos = Json::array();
  for (const Trace& trace : TRY(read_batch(rooms, parameters))) infos.push(trace_info_json(trace));
  Json json = Json::object();
  if (!infos.as_array().empty()) json.set("trace_infos", std::move(infos));
  return http::Reply::json(json);
}

// The rest of both searches, whose ways to say where differ.
Result<http::Answer> answer_search(RecordRooms& rooms, Parameters parameters, registry::TraceSearch search,
                                   Json (*info_json)(const Trace&)) {
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  search.max_results = TRY(parameters.find_integer("max_results")).value_or(kSearched);
  if (search.max_results > kSearchMax)
    return fail(parameters.wrong_type("max_results", parameters.json()["max_results"]));
  search.order_by = TRY(parameters.texts("order_by"));
  const std::optional<std::string> token = TRY(parameters.find_text("page_token"));
  TRY(check_max_results(search.max_results, kSearchMax));
  search.offset = TRY(page_offset(token));
  Json traces = Json::array();
  for (const Trace& trace : TRY(registry::search_traces(rooms.home, search))) traces.push(info_json(trace));
  const auto count = static_cast<std::int64_t>(traces.as_array().size());
  Json json = Json::object();
  if (count > 0) json.set("traces", std::move(traces));
  // A full page may have been the last one: the next is empty then, as in MLflow.
  if (count == search.max_results) json.set("next_page_token", page_token(search.offset + count));
  return http::Reply::json(json);
}

Result<http::Answer> search(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  TRY(parameters.require("locations"));
  registry::TraceSearch search;
  for (Parameters location : TRY(parameters.entries("locations"))) {
    const std::optional<MlflowParameters> experiment = TRY(location.member("mlflow_experiment"));
    if (experiment) search.experiment_ids.push_back(TRY(experiment->experiment_id("experiment_id")));
  }
  return answer_search(rooms, parameters, std::move(search), trace_info_json);
}

Result<http::Answer> search_v2(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  registry::TraceSearch search;
  const std::vector<std::string> ids = TRY(parameters.texts("experiment_ids"));
  if (ids.empty()) TRY(parameters.require("experiment_ids"));
  for (const std::string& id : ids) search.experiment_ids.push_back(TRY(parse_experiment_id(id)));
  return answer_search(rooms, parameters, std::move(search), trace_info_v2_json);
}

Result<http::Answer> remove_trace(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  registry::TraceDeletion deletion;
  deletion.experiment_id = TRY(parameters.experiment_id("experiment_id"));
  deletion.request_ms_max = TRY(parameters.find_integer("max_timestamp_millis"));
  deletion.count_max = TRY(parameters.find_integer("max_traces"));
  deletion.ids = TRY(parameters.texts("request_ids"));
  if (!deletion.request_ms_max && deletion.ids.empty()) {
    return fail(ErrorCode::invalid, "Either `max_timestamp_millis` or `trace_ids` must be specified.");
  }
  if (deletion.request_ms_max && !deletion.ids.empty()) {
    return fail(ErrorCode::invalid, "Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
  }
  if (!deletion.ids.empty() && deletion.count_max) {
    return fail(ErrorCode::invalid, "`max_traces` can't be specified if `trace_ids` is specified.");
  }
  if (deletion.count_max && *deletion.count_max <= 0) {
    return fail(ErrorCode::invalid, "`max_traces` must be a positive integer, received " +
                                        std::to_string(*deletion.count_max) + ".");
  }
  registry::delete_traces(rooms.home, std::move(deletion),
                          [promise](const Result<std::int64_t>& count) mutable {
                            if (!count) return promise.send(mlflow_error(count.error()));
                            promise.send(http::Reply::json(Json::object({{"traces_deleted", *count}})));
                          });
  return http::Pending{};
}

// What MLflow's server sets itself.
Status check_changeable(const std::string& key, const char* done) {
  for (const std::string_view fixed :
       {std::string_view("mlflow.artifactLocation"), std::string_view("mlflow.trace.spansLocation"),
        std::string_view("mlflow.trace.archiveLocation")}) {
    if (key != fixed) continue;
    return fail(ErrorCode::invalid, "Tag '" + key + "' is immutable and cannot be " + done + " on a trace.");
  }
  return {};
}

Result<http::Answer> set_tag(RecordRooms& rooms, Parameters parameters, Request request,
                             http::ReplyPromise promise) {
  registry::KeyValue tag{TRY(parameters.text("key")), TRY(parameters.find_text("value")).value_or("")};
  TRY(check_changeable(tag.key, "set"));
  registry::set_trace_tag(rooms.home, request.path_values[0], std::move(tag), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_tag(RecordRooms& rooms, Parameters parameters, Request request,
                                http::ReplyPromise promise) {
  std::string key = TRY(parameters.text("key"));
  TRY(check_changeable(key, "deleted"));
  registry::delete_trace_tag(rooms.home, request.path_values[0], std::move(key),
                             send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> link_to_run(RecordRooms& rooms, Parameters parameters, Request,
                                 http::ReplyPromise promise) {
  std::vector<std::string> ids = TRY(parameters.texts("trace_ids"));
  if (ids.empty()) TRY(parameters.require("trace_ids"));
  std::string run_id = TRY(parameters.text("run_id"));
  TRY(rooms.runs.find(run_id));
  registry::link_traces(rooms.home, std::move(ids), std::move(run_id), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> link_prompts(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  std::string id = TRY(parameters.text("trace_id"));
  TRY(parameters.require("prompt_versions"));
  std::vector<registry::KeyValue> prompts;
  for (Parameters prompt : TRY(parameters.entries("prompt_versions"))) {
    std::string name = TRY(prompt.text("name"));
    prompts.push_back({std::move(name), TRY(prompt.text("version"))});
  }
  registry::link_prompts(rooms.home, std::move(id), std::move(prompts), send_done(std::move(promise)));
  return http::Pending{};
}

registry::Written<Trace> send_info_v2(http::ReplyPromise promise) {
  return [promise](const Result<Trace>& trace) mutable {
    if (!trace) return promise.send(mlflow_error(trace.error()));
    promise.send(http::Reply::json(Json::object({{"trace_info", trace_info_v2_json(*trace)}})));
  };
}

// Before MLflow 3 a trace began with a request that gave it its id.
Result<http::Answer> start_v2(RecordRooms& rooms, Parameters parameters, Request,
                              http::ReplyPromise promise) {
  Trace trace;
  trace.id = "tr-" + base::ordered_id(rooms.clock.now());
  trace.experiment_id = TRY(parameters.experiment_id("experiment_id"));
  trace.request_ms = TRY(parameters.find_integer("timestamp_ms")).value_or(0);
  trace.metadata = TRY(parameters.key_values("request_metadata"));
  trace.tags = TRY(parameters.key_values("tags"));
  trace.state = "IN_PROGRESS";
  registry::start_trace(rooms.home, std::move(trace), send_info_v2(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> end_v2(RecordRooms& rooms, Parameters parameters, Request request,
                            http::ReplyPromise promise) {
  const std::int64_t end_ms = TRY(parameters.find_integer("timestamp_ms")).value_or(0);
  const std::string status = TRY(parameters.find_text("status")).value_or("TRACE_STATUS_UNSPECIFIED");
  Trace trace = TRY(registry::find_trace(rooms.home, request.path_values[0]));
  trace.duration_ms = end_ms - trace.request_ms;
  trace.state = status == "OK" || status == "ERROR" || status == "IN_PROGRESS" ? status : "STATE_UNSPECIFIED";
  trace.metadata = TRY(parameters.key_values("request_metadata"));
  trace.tags = TRY(parameters.key_values("tags"));
  trace.assessments.clear();
  registry::start_trace(rooms.home, std::move(trace), send_info_v2(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get_info_v2(RecordRooms& rooms, Parameters, Request request, http::ReplyPromise) {
  const Trace trace = TRY(registry::find_trace(rooms.home, request.path_values[0]));
  return http::Reply::json(Json::object({{"trace_info", trace_info_v2_json(trace)}}));
}

http::Reply assessment_reply(const Result<registry::Assessment>& assessment) {
  if (!assessment) return mlflow_error(assessment.error());
  return http::Reply::json(Json::object({{"assessment", assessment->body}}));
}

registry::Written<registry::Assessment> send_assessment(http::ReplyPromise promise) {
  return [promise](const Result<registry::Assessment>& assessment) mutable {
    promise.send(assessment_reply(assessment));
  };
}

Result<http::Answer> create_assessment(RecordRooms& rooms, Parameters parameters, Request request,
                                       http::ReplyPromise promise) {
  TRY(parameters.require("assessment"));
  const std::optional<MlflowParameters> given = TRY(parameters.member("assessment"));
  const std::string& trace_id = request.path_values[0];
  registry::Assessment assessment = TRY(read_assessment(given->json(), trace_id, rooms.clock.now()));
  std::string overrides = TRY(given->find_text("overrides")).value_or("");
  registry::create_assessment(rooms.home, trace_id, std::move(assessment), std::move(overrides),
                              send_assessment(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get_assessment(RecordRooms& rooms, Parameters, Request request, http::ReplyPromise) {
  return assessment_reply(
      registry::find_assessment(rooms.home, request.path_values[0], request.path_values[1]));
}

// The mask names what is to change: "feedback,rationale", in camel case or not.
Result<http::Answer> update_assessment(RecordRooms& rooms, Parameters parameters, Request request,
                                       http::ReplyPromise promise) {
  TRY(parameters.require("assessment"));
  const std::optional<MlflowParameters> given = TRY(parameters.member("assessment"));
  const std::string mask = "," + TRY(parameters.text("update_mask")) + ",";
  Json change = Json::object();
  for (const auto& [name, camel] :
       {std::pair("assessment_name", "assessmentName"), std::pair("expectation", "expectation"),
        std::pair("feedback", "feedback"), std::pair("rationale", "rationale"),
        std::pair("metadata", "metadata")}) {
    const bool is_named = mask.find("," + std::string(name) + ",") != std::string::npos ||
                          mask.find("," + std::string(camel) + ",") != std::string::npos;
    if (is_named && given->json().find(name) != nullptr) change.set(name, given->json()[name]);
  }
  registry::update_assessment(rooms.home, request.path_values[0], request.path_values[1], std::move(change),
                              registry::trace_time_text(rooms.clock.now() / base::kMillisecondUs),
                              send_assessment(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_assessment(RecordRooms& rooms, Parameters, Request request,
                                       http::ReplyPromise promise) {
  registry::delete_assessment(rooms.home, request.path_values[0], request.path_values[1],
                              send_done(std::move(promise)));
  return http::Pending{};
}

constexpr RouteRow kTraceRows[] = {
    {"POST", "/mlflow/traces", "Keeps what is known of a trace", start},
    {"GET", "/mlflow/traces/get", "A trace with its spans", get_trace},
    {"GET", "/mlflow/traces/batchGet", "Traces with their spans", get_batch},
    {"POST", "/mlflow/traces/batchGetInfos", "Traces without their spans", get_batch_infos},
    {"POST", "/mlflow/traces/search", "Traces that a filter matches, in an order", search},
    {"POST", "/mlflow/traces/delete-traces", "Deletes traces", remove_trace},
    {"GET", "/mlflow/traces/{trace_id}", "A trace without its spans", get_info},
    {"PATCH", "/mlflow/traces/{trace_id}/tags", "Sets a tag of a trace", set_tag},
    {"DELETE", "/mlflow/traces/{trace_id}/tags", "Removes a tag of a trace", delete_tag},
    {"POST", "/mlflow/traces/{trace_id}/assessments", "Says something of a trace", create_assessment},
    {"GET", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", "What was said of a trace",
     get_assessment},
    {"PATCH", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", "Says it otherwise",
     update_assessment},
    {"DELETE", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", "Takes it back", delete_assessment},
};

constexpr RouteRow kOldRows[] = {
    {"POST", "/mlflow/traces", "Begins a trace, for clients before MLflow 3", start_v2},
    {"GET", "/mlflow/traces", "Traces that a filter matches, for clients before MLflow 3", search_v2},
    {"PATCH", "/mlflow/traces/{request_id}", "Ends a trace, for clients before MLflow 3", end_v2},
    {"GET", "/mlflow/traces/{request_id}/info", "A trace, for clients before MLflow 3", get_info_v2},
    {"PATCH", "/mlflow/traces/{request_id}/tags", "Sets a tag of a trace", set_tag},
    {"DELETE", "/mlflow/traces/{request_id}/tags", "Removes a tag of a trace", delete_tag},
    {"POST", "/mlflow/traces/delete-traces", "Deletes traces", remove_trace},
    {"POST", "/mlflow/traces/link-to-run", "Adds traces to a run", link_to_run},
    {"POST", "/mlflow/traces/link-prompts", "Notes the prompts that a trace used", link_prompts},
};

}  // namespace

std::vector<http::Route> trace_routes(RecordRooms& rooms) {
  std::vector<http::Route> routes = routes_of(rooms, kTraceRows, {"3.0"});
  const std::vector<http::Route> old = routes_of(rooms, kOldRows, {"2.0"});
  routes.insert(routes.end(), old.begin(), old.end());
  return routes;
}

}  // namespace trimtab::api
