// Databricks model serving: MLflow's scoring protocol under another path, and the endpoint's description as
// its SDK asks for it before it calls.
#include "api/predict/mlflow_scoring.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"

namespace trimtab::api {
namespace {

Json endpoint_json(heal::Ward& ward) {
  Json entities = Json::array();
  if (const std::optional<std::string> version = served_version(ward)) {
    entities.push(Json::object({{"name", ward.declared().model + "-" + *version},
                                {"entity_name", ward.declared().model},
                                {"entity_version", *version},
                                {"scale_to_zero_enabled", false}}));
  }
  const char* ready = entities.as_array().empty() ? "NOT_READY" : "READY";
  return Json::object({{"name", ward.name()},
                       {"id", ward.name()},
                       {"state", Json::object({{"ready", ready}, {"config_update", "NOT_UPDATING"}})},
                       {"config", Json::object({{"served_entities", entities}, {"config_version", 1}})}});
}

http::Reply list_endpoints(const ServerRooms& rooms, const http::Request&) {
  Json endpoints = Json::array();
  for (const auto& ward : rooms.wards) endpoints.push(endpoint_json(*ward));
  return http::Reply::json(Json::object({{"endpoints", endpoints}}));
}

http::Reply show_endpoint(const ServerRooms& rooms, const http::Request& request) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  return ward ? http::Reply::json(endpoint_json(**ward)) : mlflow_scoring_refusal(ward.error());
}

http::Reply invoke(const ServerRooms& rooms, const http::Request& request) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  http::Reply reply = mlflow_score(ward, request);
  if (ward && reply.status == 200) reply.headers.emplace_back("served-model-name", (*ward)->declared().model);
  return reply;
}

// Where to log in; nowhere.
http::Reply no_login(const ServerRooms&, const http::Request&) { return http::Reply::json(Json::object()); }

}  // namespace

std::vector<http::Route> databricks_routes(ServerRooms& rooms) {
  const auto route = [&rooms](const char* method, const char* path, const char* summary, Answerer answer) {
    return quick_route(rooms, {method, path, summary}, answer);
  };
  std::vector<http::Route> routes = {
      route("GET", "/.well-known/databricks-config", "Where Databricks' SDK would log in: nowhere", no_login),
      route("GET", "/api/2.0/serving-endpoints", "The endpoints, as Databricks lists them", list_endpoints),
      route("GET", "/api/2.0/serving-endpoints/{name}", "One endpoint, as Databricks shows it",
            show_endpoint),
      route("POST", "/serving-endpoints/{name}/invocations", "Predicts, as Databricks model serving does",
            invoke)};
  routes.back().handler = predict_handler(
      rooms, [&rooms](const http::Request& request) { return invoke(rooms, request); },
      [](const http::Request&, const Error& error) { return mlflow_scoring_refusal(error); });
  routes.back().request_schema = rows_schema();
  routes.back().reply_schema = predictions_schema();
  routes.back().content_types = {"*/*"};
  return routes;
}

}  // namespace trimtab::api
