// MLflow 3's logged models: made before their files are put, and ready after.
#include "api/mlflow/model_json.h"
#include "api/mlflow/route_rows.h"
#include "registry/experiments.h"
#include "registry/logged_models.h"

namespace trimtab::api {
namespace {

using registry::LoggedModel;

constexpr std::int64_t kResultsMax = 1000;

http::Reply model_reply(const Result<LoggedModel>& model) {
  if (!model) return mlflow_error(model.error());
  return http::Reply::json(Json::object({{"model", logged_model_json(*model)}}));
}

registry::Written<LoggedModel> send_model(http::ReplyPromise promise) {
  return [promise](const Result<LoggedModel>& model) mutable { promise.send(model_reply(model)); };
}

Result<http::Answer> create(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise promise) {
  registry::NewLoggedModel model;
  model.experiment_id = TRY(parameters.experiment_id("experiment_id"));
  model.name = TRY(parameters.find_text("name")).value_or("");
  model.model_type = TRY(parameters.find_text("model_type")).value_or("");
  model.source_run_id = TRY(parameters.find_text("source_run_id")).value_or("");
  model.params = TRY(parameters.key_values("params"));
  model.tags = TRY(parameters.key_values("tags"));
  const registry::ExperimentFacts experiment =
      TRY(registry::find_experiment(rooms.home, model.experiment_id));
  if (experiment.is_deleted) {
    return fail(ErrorCode::invalid, "The experiment " + std::to_string(experiment.id) +
                                        " must be in the 'active' state. Current state is deleted.");
  }
  model.experiment_location = experiment.artifact_location;
  registry::create_logged_model(writer(rooms, parameters), std::move(model), send_model(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get(RecordRooms& rooms, Parameters parameters, Request request, http::ReplyPromise) {
  const bool also_deleted = parameters.json().text_or("allow_deleted") == "true";
  return model_reply(registry::find_logged_model(rooms.home, request.path_values[0], also_deleted));
}

Result<http::Answer> finalize(RecordRooms& rooms, Parameters parameters, Request,
                              http::ReplyPromise promise) {
  std::string id = TRY(parameters.text("model_id"));
  TRY(parameters.require("status"));
  const Json& status = parameters.json()["status"];
  const std::string name = status.is_string() ? status.as_string() : status.dump();
  registry::finalize_logged_model(writer(rooms, parameters), std::move(id),
                                  registry::read_logged_model_status(name), send_model(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> remove(RecordRooms& rooms, Parameters parameters, Request request,
                            http::ReplyPromise promise) {
  registry::delete_logged_model(writer(rooms, parameters), request.path_values[0],
                                send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> set_tags(RecordRooms& rooms, Parameters parameters, Request request,
                              http::ReplyPromise promise) {
  registry::set_logged_model_tags(writer(rooms, parameters), request.path_values[0],
                                  TRY(parameters.key_values("tags")), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_tag(RecordRooms& rooms, Parameters parameters, Request request,
                                http::ReplyPromise promise) {
  registry::delete_logged_model_tag(writer(rooms, parameters), request.path_values[0], request.path_values[1],
                                    send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> log_params(RecordRooms& rooms, Parameters parameters, Request request,
                                http::ReplyPromise promise) {
  TRY(parameters.text("model_id"));
  registry::log_logged_model_params(writer(rooms, parameters), request.path_values[0],
                                    TRY(parameters.key_values("params")), send_done(std::move(promise)));
  return http::Pending{};
}

Result<registry::LoggedModelSearch> read_search(Parameters parameters) {
  registry::LoggedModelSearch search;
  TRY(parameters.require("experiment_ids"));
  for (const std::string& id : TRY(parameters.texts("experiment_ids"))) {
    search.experiment_ids.push_back(TRY(parse_experiment_id(id)));
  }
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  for (Parameters dataset : TRY(parameters.entries("datasets"))) {
    search.datasets.push_back({TRY(dataset.find_text("dataset_name")).value_or(""),
                               TRY(dataset.find_text("dataset_digest")).value_or("")});
    if (!search.datasets.back().name.empty()) continue;
    return fail(ErrorCode::invalid, "`dataset_name` in the `datasets` clause must be specified.");
  }
  const std::int64_t wanted = TRY(parameters.find_integer("max_results")).value_or(0);
  if (wanted < 0 || wanted > kResultsMax) TRY(check_max_results(wanted, kResultsMax));
  if (wanted != 0) search.max_results = wanted;
  for (Parameters order : TRY(parameters.entries("order_by"))) {
    search.order_by.push_back({TRY(order.text("field_name")), TRY(order.flag("ascending", true)),
                               TRY(order.find_text("dataset_name")).value_or(""),
                               TRY(order.find_text("dataset_digest")).value_or("")});
  }
  return search;
}

// A token belongs to its search: on another one it would skip what it has no right to skip.
Json token_json(Parameters parameters, std::int64_t offset) {
  Json token = Json::object();
  for (const char* part : {"experiment_ids", "filter", "order_by"}) {
    token.set(part, parameters.json()[part]);
  }
  return token.set("offset", offset);
}

Result<std::int64_t> token_offset(Parameters parameters) {
  const std::string text = TRY(parameters.find_text("page_token")).value_or("");
  if (text.empty()) return 0;
  const Json token = TRY(read_json_token(text));
  const std::int64_t offset = token.int_or("offset");
  if (token == token_json(parameters, offset) && offset >= 0) return offset;
  return fail(
      ErrorCode::invalid,
      "Invalid page token: it belongs to a search of other experiments, another filter or another order.");
}

Result<http::Answer> search(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  registry::LoggedModelSearch search = TRY(read_search(parameters));
  search.offset = TRY(token_offset(parameters));
  const registry::LoggedModelPage page = TRY(registry::search_logged_models(rooms.home, search));
  Json list = Json::array();
  for (const LoggedModel& model : page.models) list.push(logged_model_json(model));
  Json json = Json::object();
  if (!page.models.empty()) json.set("models", std::move(list));
  if (page.has_more) {
    json.set("next_page_token", json_token(token_json(parameters, search.offset + search.max_results)));
  }
  return http::Reply::json(json);
}

constexpr RouteRow kLoggedModelRows[] = {
    {"POST", "/mlflow/logged-models", "Begins a logged model", create},
    {"GET", "/mlflow/logged-models/{model_id}", "A logged model", get},
    {"PATCH", "/mlflow/logged-models/{model_id}", "Says that a logged model is ready, or failed", finalize},
    {"DELETE", "/mlflow/logged-models/{model_id}", "Marks a logged model as deleted", remove},
    {"POST", "/mlflow/logged-models/{model_id}/params", "Adds params to a logged model", log_params},
    {"PATCH", "/mlflow/logged-models/{model_id}/tags", "Sets tags of a logged model", set_tags},
    {"DELETE", "/mlflow/logged-models/{model_id}/tags/{tag_key}", "Removes a tag of a logged model",
     delete_tag},
    {"POST", "/mlflow/logged-models/search", "Logged models that a filter matches", search},
};

}  // namespace

std::vector<http::Route> logged_model_routes(RecordRooms& rooms) {
  return routes_of(rooms, kLoggedModelRows);
}

}  // namespace trimtab::api
