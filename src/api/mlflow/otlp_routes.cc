// OpenTelemetry's door for spans (OTLP over HTTP), which MLflow's client uses as well. The experiment stands
// in a header.
#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/otlp_spans.h"
#include "api/mlflow/wire.h"
#include "registry/traces.h"

namespace trimtab::api {
namespace {

// FastAPI's shape of a refusal, which this one door has at MLflow's.
http::Reply detail_reply(const std::string& detail, int status) {
  return http::Reply::json(Json::object({{"detail", detail}}), status);
}

Result<std::vector<registry::Span>> read_spans(const http::Request& request) {
  const std::string_view type = request.header("content-type");
  const std::string_view media = type.substr(0, type.find(';'));
  const std::string_view encoding = request.header("content-encoding");
  if (!encoding.empty() && encoding != "identity") {
    return fail(ErrorCode::malformed, "Unsupported Content-Encoding: " + std::string(encoding),
                "set OTEL_EXPORTER_OTLP_COMPRESSION=none");
  }
  if (media == "application/json") return read_otlp_json(request.body);
  if (media == "application/x-protobuf") return read_otlp_protobuf(request.body);
  return fail(ErrorCode::malformed, "Invalid Content-Type: " + std::string(type.empty() ? "None" : type) +
                                        ". Expected: application/x-protobuf or application/json");
}

http::Answer take_spans(RecordRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const std::string_view given = request.header("x-mlflow-experiment-id");
  if (given.empty()) return detail_reply("the header x-mlflow-experiment-id is missing", 422);
  const Result<std::int64_t> experiment = parse_experiment_id(given);
  if (!experiment) return mlflow_error(experiment.error());
  Result<std::vector<registry::Span>> spans = read_spans(request);
  if (!spans)
    return detail_reply(spans.error().message, spans.error().code == ErrorCode::malformed ? 400 : 422);
  registry::log_spans(
      rooms.home, *experiment, std::string(request.header("x-mlflow-run-id")), *std::move(spans),
      [promise](const Result<bool>& done) mutable {
        // An empty ExportTraceServiceResponse.
        promise.send(done ? http::Reply{200, "application/x-protobuf", "", {}} : mlflow_error(done.error()));
      });
  return http::Pending{};
}

}  // namespace

std::vector<http::Route> otlp_routes(RecordRooms& rooms) {
  http::Route route;
  route.method = "POST";
  route.path = "/v1/traces";
  route.summary = "Takes spans, as OpenTelemetry's exporters send them";
  route.permission = http::Permission::open;
  route.content_types = {"*/*"};
  route.handler = [&rooms](const http::Request& request, http::ReplyPromise promise) {
    return take_spans(rooms, request, std::move(promise));
  };
  return {std::move(route)};
}

}  // namespace trimtab::api
