// SageMaker's contract for containers of several models: which models are there, and predictions by name.
// Endpoints come and go with trimtab.yaml, so nothing is loaded or unloaded on request.
#include <algorithm>
#include <charconv>
#include <span>

#include "api/predict/inference.h"
#include "api/predict/mlflow_scoring.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"

namespace trimtab::api {
namespace {

constexpr std::size_t kPageOfModels = 100;

Json model_json(const heal::Ward& ward) {
  return Json::object({{"modelName", ward.name()}, {"modelUrl", "/opt/ml/models/" + ward.name() + "/model"}});
}

// A whole number in the query of GET /models. Errors: malformed.
Result<std::size_t> number_in(const http::Request& request, const char* name, std::size_t unless) {
  const std::optional<std::string> text = TRY(request.query_value(name));
  if (!text) return unless;
  std::size_t number = 0;
  const auto [end, wrong] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (wrong == std::errc() && end == text->data() + text->size()) return number;
  return fail(ErrorCode::malformed, std::string(name) + " is no whole number: '" + *text + "'",
              "leave it away, or send what the page before said");
}

// The token of a page is how many models come before it.
Result<http::Reply> list_models(const ServerRooms& rooms, const http::Request& request) {
  const std::size_t count = rooms.wards.size();
  const std::size_t begin = std::min(TRY(number_in(request, "next_page_token", 0)), count);
  const std::size_t limit = TRY(number_in(request, "limit", kPageOfModels));
  const std::size_t size = std::min(std::clamp<std::size_t>(limit, 1, kPageOfModels), count - begin);
  Json models = Json::array();
  for (const auto& ward : std::span(rooms.wards).subspan(begin, size)) models.push(model_json(*ward));
  Json page = Json::object({{"models", models}});
  if (begin + size < count) page.set("nextPageToken", std::to_string(begin + size));
  return http::Reply::json(page);
}

http::Reply list(const ServerRooms& rooms, const http::Request& request) {
  Result<http::Reply> page = list_models(rooms, request);
  return page ? std::move(*page) : mlflow_scoring_refusal(page.error());
}

http::Reply refused(ErrorCode code, std::string message, std::string hint = {}) {
  return mlflow_scoring_refusal({code, std::move(message), std::move(hint), std::nullopt, nullptr});
}

// 409: what is asked for is loaded already.
http::Reply load_model(const ServerRooms& rooms, const http::Request& request) {
  const Result<Json> body = base::parse_json(request.body);
  if (!body) return mlflow_scoring_refusal(body.error());
  const std::string name = body->text_or("model_name");
  if (name.empty()) return refused(ErrorCode::malformed, "the body has no text 'model_name'");
  if (rooms.ward(name)) return refused(ErrorCode::conflict, "the model '" + name + "' is loaded already");
  return refused(ErrorCode::unsupported, "no model is loaded on request",
                 "declare an endpoint in trimtab.yaml and apply it");
}

http::Reply show_model(const ServerRooms& rooms, const http::Request& request) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  return ward ? http::Reply::json(model_json(**ward)) : mlflow_scoring_refusal(ward.error());
}

http::Reply unload_model(const ServerRooms& rooms, const http::Request& request) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  if (!ward) return mlflow_scoring_refusal(ward.error());
  return refused(ErrorCode::unsupported, "no model is unloaded on request",
                 "remove the endpoint from trimtab.yaml and apply it");
}

http::Reply invoke(const ServerRooms& rooms, const http::Request& request) {
  return mlflow_score(rooms.ward(request.path_values[0]), request);
}

}  // namespace

std::vector<http::Route> multi_model_routes(ServerRooms& rooms) {
  const auto route = [&rooms](const char* method, const char* path, const char* summary, Answerer answer) {
    return quick_route(rooms, {method, path, summary}, answer);
  };
  std::vector<http::Route> routes = {
      route("GET", "/models", "The endpoints, as SageMaker lists the models of a container", list),
      route("POST", "/models", "Whether a model is loaded (409); none is loaded on request", load_model),
      route("GET", "/models/{name}", "One endpoint, as SageMaker shows a model of a container", show_model),
      route("DELETE", "/models/{name}", "Refused: endpoints are removed in trimtab.yaml", unload_model),
      route("POST", "/models/{name}/invoke", "Predicts with the endpoint of that name", invoke)};
  routes.back().handler = predict_handler(
      rooms, [&rooms](const http::Request& request) { return invoke(rooms, request); },
      [](const http::Request&, const Error& error) { return mlflow_scoring_refusal(error); });
  routes[1].request_schema = any_object();
  routes.back().request_schema = rows_schema();
  routes.back().content_types = {"*/*"};
  return routes;
}

}  // namespace trimtab::api
