// Vertex AI: online prediction as its API has it, and the two paths that it asks of a container.
#include "api/predict/inference.h"
#include "api/predict/json_lines.h"
#include "api/predict/mlflow_scoring.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"
#include "base/json_view.h"
#include "serve/answer_text.h"

namespace trimtab::api {
namespace {

// The members of google.cloud.aiplatform.v1.PredictResponse; the ids by which labels are sent are metadata.
std::string vertex_reply(const std::string& endpoint, const std::string& model,
                         const serve::Answers& answers) {
  const std::string version = std::to_string(answers.version);
  std::string reply = R"({"predictions":)";
  serve::append_scores(reply, answers.scores);
  reply += R"(,"deployedModelId":)";
  base::append_json_string(reply, version);
  reply += R"(,"model":)";
  base::append_json_string(reply, "models/" + model);
  reply += R"(,"modelDisplayName":)";
  base::append_json_string(reply, endpoint);
  reply += R"(,"modelVersionId":")" + version + R"(","metadata":{"prediction_ids":)";
  serve::append_ids(reply, answers.ids);
  return reply + "}}";
}

// The body as endpoints read it. Instances are objects, or lists of the required columns' values in the order
// of GET …/schema; `made` keeps what is not the body itself.
Result<std::string_view> vertex_rows(std::string_view body, const serve::RequestColumns& columns,
                                     std::string& made) {
  base::JsonText text;
  const JsonView parsed = TRY(text.parse(body));
  const JsonView instances = parsed.find("instances").value_or(JsonView());
  if (!instances.is_array()) {
    return fail(ErrorCode::malformed, R"(the body has no list "instances")",
                R"(send {"instances":[{"column":value, …}, …]})");
  }
  std::size_t lists = 0;
  instances.each_item([&lists](JsonView instance) { lists += instance.is_array() ? 1 : 0; });
  if (lists == 0) return body;
  if (lists < instances.size()) return fail(ErrorCode::invalid, "objects and lists do not go together");
  made = begin_unnamed_rows(columns);
  instances.each_item([&made](JsonView instance) {
    if (made.back() != '[') made += ',';
    made += instance.to_json().dump();
  });
  made += "]}}";
  return std::string_view(made);
}

Result<std::string> predict(const Result<heal::Ward*>& found, const http::Request& request) {
  heal::Ward& ward = *TRY(found);
  const auto columns = TRY(ward.endpoint().request_columns());
  std::string made;
  const std::string_view rows = TRY(vertex_rows(request.body, *columns, made));
  return ward.endpoint().predict({.body = rows}, [&ward](const serve::Answers& answers) {
    return vertex_reply(ward.name(), ward.declared().model, answers);
  });
}

http::Reply reply_to(Result<std::string> body) {
  if (!body) return vertex_refusal(body.error());
  return {200, "application/json", std::move(*body), {}};
}

// The last step of the path is "endpoint:method".
std::string called_endpoint(const http::Request& request) {
  const std::string& step = request.path_values.back();
  return step.substr(0, step.rfind(':'));
}

http::Reply call(const ServerRooms& rooms, const http::Request& request) {
  const std::string& step = request.path_values.back();
  const std::size_t colon = step.rfind(':');
  const std::string method = colon == std::string::npos ? "" : step.substr(colon + 1);
  if (method != "predict") {
    return vertex_refusal({ErrorCode::not_found, "an endpoint has no method '" + method + "'",
                           "call …/endpoints/" + called_endpoint(request) + ":predict", std::nullopt,
                           nullptr});
  }
  return reply_to(predict(rooms.ward(called_endpoint(request)), request));
}

http::Route predict_route(const std::string& path, const std::string& summary, http::Handler handler) {
  return {.method = "POST",
          .path = path,
          .summary = summary,
          .permission = http::Permission::open,
          .placement = http::Placement::io,
          .request_schema = rows_schema(),
          .reply_schema = predictions_schema(),
          .handler = std::move(handler)};
}

}  // namespace

std::vector<http::Route> vertex_routes(ServerRooms& rooms) {
  const http::Handler handler = predict_handler(
      rooms, [&rooms](const http::Request& request) { return call(rooms, request); },
      [](const http::Request&, const Error& error) { return vertex_refusal(error); }, called_endpoint);
  return {
      predict_route("/v1/endpoints/{call}", "Predicts, as Vertex AI does: {name}:predict", handler),
      predict_route("/v1/projects/{project}/locations/{location}/endpoints/{call}",
                    "Predicts, as Vertex AI does: {name}:predict; project and location may be any", handler)};
}

std::vector<http::Route> vertex_container_routes(ServerRooms& rooms, const ContainerContract& contract) {
  std::vector<http::Route> routes;
  if (!contract.health_route.empty()) {
    routes.push_back({.method = "GET",
                      .path = contract.health_route,
                      .summary = "Some version serves, or none does yet (404)",
                      .permission = http::Permission::open,
                      .placement = http::Placement::io,
                      .handler = [&rooms](const http::Request&, const http::ReplyPromise&) -> http::Answer {
                        return mlflow_ping(rooms);
                      }});
  }
  if (!contract.predict_route.empty()) {
    routes.push_back(predict_route(
        contract.predict_route, "Predicts with the only endpoint of this home, as Vertex AI asks a container",
        predict_handler(
            rooms,
            [&rooms](const http::Request& request) { return reply_to(predict(only_ward(rooms), request)); },
            [](const http::Request&, const Error& error) { return vertex_refusal(error); })));
  }
  return routes;
}

}  // namespace trimtab::api
