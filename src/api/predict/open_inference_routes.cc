// The Open Inference Protocol, version 2, over HTTP, as Triton, KServe and MLServer have it. An endpoint is a
// model there, its columns are tensors, and its one version is the one that serves.
#include <charconv>

#include "api/predict/inference.h"
#include "api/predict/oip_tensors.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"

namespace trimtab::api {
namespace {

http::Reply worded(Result<http::Reply> reply) {
  return reply ? std::move(*reply) : oip_refusal(reply.error());
}

// The model that the path names.
Result<heal::Ward*> model_of(const ServerRooms& rooms, const http::Request& request) {
  const bool has_version = request.path_values.size() > 1;
  return serving_ward(rooms, request.path_values[0], has_version ? request.path_values[1] : "");
}

Json tensor_json(const table::Column& column) {
  return Json::object(
      {{"name", column.name}, {"datatype", oip_type(column.type)}, {"shape", Json::array().push(-1)}});
}

Json output_json(const char* name, const char* type) {
  return Json::object({{"name", name}, {"datatype", type}, {"shape", Json::array().push(-1)}});
}

Result<http::Reply> describe(const ServerRooms& rooms, const http::Request& request) {
  heal::Ward& ward = *TRY(model_of(rooms, request));
  const auto columns = TRY(ward.endpoint().request_columns());
  Json inputs = Json::array();
  for (const table::Column& column : columns->required.columns()) inputs.push(tensor_json(column));
  for (const table::Column& column : columns->optional.columns()) {
    inputs.push(tensor_json(column).set("parameters", Json::object({{"optional", true}})));
  }
  Json outputs = Json::array();
  outputs.push(output_json(kScoresTensor, "FP64")).push(output_json(kIdsTensor, "BYTES"));
  Json versions = Json::array();
  if (const auto version = served_version(ward)) versions.push(*version);
  return http::Reply::json(Json::object({{"name", ward.name()},
                                         {"versions", versions},
                                         {"platform", "trimtab"},
                                         {"inputs", inputs},
                                         {"outputs", outputs}}));
}

Result<http::Reply> model_ready(const ServerRooms& rooms, const http::Request& request) {
  heal::Ward& ward = *TRY(model_of(rooms, request));
  const bool ready = served_version(ward).has_value();
  return http::Reply::json(Json::object({{"name", ward.name()}, {"ready", ready}}), ready ? 200 : 503);
}

// Triton's list of what its repository holds, which other servers of the protocol have as well.
Result<http::Reply> repository_index(const ServerRooms& rooms, const http::Request& request) {
  const Json wish = request.body.empty() ? Json::object() : TRY(base::parse_json(request.body));
  const bool only_ready = wish.bool_or("ready");
  Json models = Json::array();
  for (const auto& ward : rooms.wards) {
    const std::optional<std::string> version = served_version(*ward);
    if (only_ready && !version) continue;
    models.push(Json::object({{"name", ward->name()},
                              {"version", version.value_or("")},
                              {"state", version ? "READY" : "UNAVAILABLE"},
                              {"reason", version ? "" : "no version serves here yet"}}));
  }
  return http::Reply::json(models);
}

Result<std::optional<std::size_t>> json_size_of(const http::Request& request) {
  const std::string_view text = request.header("Inference-Header-Content-Length");
  if (text.empty()) return std::optional<std::size_t>();
  std::size_t size = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (wrong == std::errc() && end == text.data() + text.size()) return std::optional<std::size_t>(size);
  return fail(ErrorCode::malformed,
              "Inference-Header-Content-Length is no whole number: '" + std::string(text) + "'");
}

Result<http::Reply> infer_tensors(const ServerRooms& rooms, const http::Request& request) {
  heal::Ward& ward = *TRY(model_of(rooms, request));
  const OipRequest tensors = TRY(read_oip_request(request.body, TRY(json_size_of(request))));
  std::optional<std::size_t> json_size;
  std::string body = TRY(ward.endpoint().predict({.body = tensors.rows}, [&](const serve::Answers& answers) {
    OipReply reply = write_oip_reply(tensors, ward.name(), answers);
    json_size = reply.json_size;
    return std::move(reply.body);
  }));
  http::Reply reply{200, "application/json", std::move(body), {}};
  if (json_size) {
    reply.content_type = "application/octet-stream";
    reply.headers.emplace_back("Inference-Header-Content-Length", std::to_string(*json_size));
  }
  return reply;
}

http::Reply about_server(const std::string& version) {
  return http::Reply::json(Json::object(
      {{"name", "trimtab"}, {"version", version}, {"extensions", Json::array().push("binary_tensor_data")}}));
}

using Answerer = std::function<Result<http::Reply>(const http::Request&)>;

http::Route get(const std::string& path, const std::string& summary, Answerer answer) {
  return {.method = "GET",
          .path = path,
          .summary = summary,
          .permission = http::Permission::open,
          .placement = http::Placement::io,
          .reply_schema = any_object(),
          .handler = [answer = std::move(answer)](const http::Request& request, const http::ReplyPromise&)
              -> http::Answer { return worded(answer(request)); }};
}

http::Route infer_route(const ServerRooms& rooms, const std::string& path) {
  http::Route route = get(path, "Predicts for the rows of tensors, one for each column", {});
  route.method = "POST";
  route.handler = predict_handler(
      rooms, [&rooms](const http::Request& request) { return worded(infer_tensors(rooms, request)); },
      [](const http::Request&, const Error& error) { return oip_refusal(error); });
  route.request_schema = Json::object({{"type", "object"}, {"required", Json::array().push("inputs")}});
  route.content_types = {"application/json", "application/octet-stream"};
  return route;
}

}  // namespace

std::vector<http::Route> open_inference_routes(ServerRooms& rooms, const std::string& version) {
  std::vector<http::Route> routes = {
      get("/v2", "The server, as the Open Inference Protocol names it",
          [version](const http::Request&) { return about_server(version); }),
      get("/v2/health/live", "The process answers",
          [](const http::Request&) { return http::Reply::json(Json::object({{"live", true}})); }),
      get("/v2/health/ready", "Some version serves at every endpoint, or not (503)",
          [&rooms](const http::Request&) {
            const bool ready = all_serve(rooms);
            return http::Reply::json(Json::object({{"ready", ready}}), ready ? 200 : 503);
          })};
  routes.push_back(get("/v2/repository/index", "The endpoints, as Triton lists its repository",
                       [&rooms](const http::Request& request) { return repository_index(rooms, request); }));
  routes.back().method = "POST";
  for (const std::string model : {"/v2/models/{name}", "/v2/models/{name}/versions/{version}"}) {
    routes.push_back(get(model, "An endpoint's columns as tensors",
                         [&rooms](const http::Request& request) { return describe(rooms, request); }));
    routes.push_back(get(model + "/ready", "Some version serves at this endpoint, or not (503)",
                         [&rooms](const http::Request& request) { return model_ready(rooms, request); }));
    routes.push_back(infer_route(rooms, model + "/infer"));
  }
  return routes;
}

}  // namespace trimtab::api
