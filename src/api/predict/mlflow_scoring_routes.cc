#include "api/predict/mlflow_scoring.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"
#include "api/predict/reply_shapes.h"

namespace trimtab::api {
namespace {

http::Reply wrong_type(const http::Request& request) {
  const std::string sent(request.header("Content-Type"));
  return http::Reply::text(
      "This predictor only supports the following content types: Types: ['text/csv', "
      "'application/json', 'application/jsonlines']. Got '" +
          sent + "'.",
      415);
}

http::Route ping_route(const ServerRooms& rooms, const std::string& path) {
  return {.method = "GET",
          .path = path,
          .summary = "Some version serves (an empty line), or none does yet (404)",
          .permission = http::Permission::open,
          .placement = http::Placement::io,
          .handler = [&rooms](const http::Request&, const http::ReplyPromise&) -> http::Answer {
            return mlflow_ping(rooms);
          }};
}

}  // namespace

http::Reply mlflow_ping(const ServerRooms& rooms) {
  return {all_serve(rooms) ? 200 : 404, "application/json", "\n", {}};
}

http::Reply mlflow_score(const Result<heal::Ward*>& ward, const http::Request& request) {
  if (!ward) {
    Error error = ward.error();
    const std::string code(base::error_row(error.code).mlflow_code);
    return http::Reply::json(Json::object({{"error_code", code}, {"message", text_of(error)}}),
                             base::error_row(error.code).http_status);
  }
  ReplyShape shape = reply_shape(request.header("Accept"));
  Result<std::string> body = infer(**ward, request, {.ignores_unknown = true}, shape.write);
  if (body) return {200, std::move(shape.content_type), std::move(*body), {}};
  if (body.error().code == ErrorCode::unsupported) return wrong_type(request);
  return mlflow_scoring_refusal(body.error());
}

std::vector<http::Route> mlflow_scoring_routes(ServerRooms& rooms) {
  return {
      ping_route(rooms, "/ping"),
      {.method = "POST",
       .path = "/invocations",
       .summary = "Predicts with the only endpoint of this home, as MLflow's scoring server does",
       .permission = http::Permission::open,
       .placement = http::Placement::io,
       .request_schema = rows_schema(),
       .reply_schema = predictions_schema(),
       .handler = predict_handler(
           rooms, [&rooms](const http::Request& request) { return mlflow_score(only_ward(rooms), request); },
           [](const http::Request&, const Error& error) { return mlflow_scoring_refusal(error); }),
       // So that another type is refused in MLflow's words; none but rows is read.
       .content_types = {"*/*"}}};
}

std::vector<http::Route> container_routes(ServerRooms& rooms, const ContainerContract& contract,
                                          const std::string& version) {
  std::vector<http::Route> routes = predict_routes(rooms, version);
  routes.push_back(ping_route(rooms, "/health"));
  routes.push_back({.method = "GET",
                    .path = "/version",
                    .summary = "The program's version",
                    .permission = http::Permission::open,
                    .placement = http::Placement::io,
                    .handler = [version](const http::Request&, const http::ReplyPromise&) -> http::Answer {
                      return http::Reply::text(version);
                    }});
  std::vector<http::Route> asked_for = vertex_container_routes(rooms, contract);
  for (const http::Route& asked : asked_for) {
    std::erase_if(routes, [&asked](const http::Route& other) {
      return other.method == asked.method && other.path == asked.path;
    });
  }
  routes.insert(routes.end(), asked_for.begin(), asked_for.end());
  return routes;
}

}  // namespace trimtab::api
