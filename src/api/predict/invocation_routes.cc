// Our own route for predictions. It has the path of Amazon's SageMaker runtime, so that boto3 pointed here
// with endpoint_url finds an endpoint by its name; such callers, known by their signature, are refused in
// that service's words. Signatures are not checked: predictions need no permission.
#include "api/predict/inference.h"
#include "api/predict/predict_routes.h"
#include "api/predict/predict_schemas.h"
#include "api/predict/refusals.h"
#include "api/predict/reply_shapes.h"

namespace trimtab::api {
namespace {

constexpr const char* kVariant = "champion";  // The one production variant that every endpoint has.

http::Reply refusal_for(const http::Request& request, const Error& error) {
  return is_aws_caller(request) ? aws_refusal(error) : http::error_reply(error);
}

// A model that a multi-model endpoint is to use, as its archive's name. An endpoint of ours has one model.
Status check_target(const heal::Ward& ward, const http::Request& request) {
  std::string_view model = request.header("X-Amzn-SageMaker-Target-Model");
  if (model.starts_with('/')) model.remove_prefix(1);
  if (model.ends_with(".tar.gz")) model.remove_suffix(7);
  if (!model.empty() && model != ward.declared().model && model != ward.name()) {
    return fail(ErrorCode::not_found, "endpoint '" + ward.name() + "' serves the model '" +
                                          ward.declared().model + "', not '" + std::string(model) + "'");
  }
  const std::string_view variant = request.header("X-Amzn-SageMaker-Target-Variant");
  if (variant.empty() || variant == kVariant || variant == "AllTraffic") return {};
  return fail(ErrorCode::not_found,
              "endpoint '" + ward.name() + "' has no variant '" + std::string(variant) + "'",
              std::string("its one variant is '") + kVariant + "'");
}

Result<http::Reply> answer_invocation(const ServerRooms& rooms, const http::Request& request) {
  heal::Ward& ward = *TRY(rooms.ward(request.path_values[0]));
  TRY(check_target(ward, request));
  ReplyShape shape = reply_shape(request.header("Accept"));
  http::Reply reply{200, std::move(shape.content_type), TRY(infer(ward, request, {}, shape.write)), {}};
  if (is_aws_caller(request)) reply.headers.emplace_back("x-Amzn-Invoked-Production-Variant", kVariant);
  return reply;
}

}  // namespace

std::vector<http::Route> invocation_routes(ServerRooms& rooms) {
  return {{.method = "POST",
           .path = "/endpoints/{name}/invocations",
           .summary = "Predicts for one or more rows",
           .permission = http::Permission::open,
           .placement = http::Placement::io,
           .request_schema = rows_schema(),
           .reply_schema = predictions_schema(),
           .handler = predict_handler(
               rooms,
               [&rooms](const http::Request& request) {
                 Result<http::Reply> reply = answer_invocation(rooms, request);
                 return reply ? std::move(*reply) : refusal_for(request, reply.error());
               },
               refusal_for),
           .content_types = row_media_types()}};
}

}  // namespace trimtab::api
