#include "api/predict/predict_routes.h"

#include "serve/endpoint.h"

namespace trimtab::api {
namespace {

http::Answer invoke(ServerRooms& rooms, const http::Request& request) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  if (!ward) return http::error_reply(ward.error());
  const serve::PredictRequest predict{.body = request.body,
                                      .content_type = request.header("Content-Type"),
                                      .inference_id = request.header("X-Amzn-SageMaker-Inference-Id")};
  Result<std::string> body = (*ward)->endpoint().predict(predict);
  if (!body) return http::error_reply(body.error());
  return http::Reply{200, "application/json", std::move(*body), {}};
}

}  // namespace

std::vector<http::Route> predict_routes(ServerRooms& rooms) {
  const Json rows = Json::object(
      {{"type", "object"}, {"description", "dataframe_split, dataframe_records, instances or inputs"}});
  const Json reply = Json::object({{"type", "object"}, {"required", Json::array().push("predictions")}});
  return {{.method = "POST",
           .path = "/endpoints/{name}/invocations",
           .summary = "Predicts for one or more rows",
           .permission = http::Permission::open,
           .placement = http::Placement::io,
           .request_schema = rows,
           .reply_schema = reply,
           .handler = [&rooms](const http::Request& request, const http::ReplyPromise&) {
             return invoke(rooms, request);
           }}};
}

}  // namespace trimtab::api
