// What MLflow's clients ask about the server itself, and how a path that is none of ours is refused to them.
#include <array>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"

namespace trimtab::api {
namespace {

// The flags that 3.17.2's clients look at before they try something. What is false they do without.
Json server_info() {
  return Json::object({{"store_type", "SqlStore"},
                       {"workspaces_enabled", false},
                       {"trace_archival_enabled", false},
                       {"multipart_uploads_enabled", true},
                       {"multipart_downloads_enabled", false},
                       {"presigned_upload_run_id_supported", false},
                       {"presigned_upload_model_id_supported", false},
                       {"features_enabled", Json::object({{"gateway", false}})}});
}

struct UnsupportedGroup {
  std::string_view path;  // Below "/api/3.0/mlflow/"; what is below it is meant as well.
  std::string_view name;
};

constexpr std::array kUnsupported = {
    UnsupportedGroup{"gateway", "AI gateway"},
    UnsupportedGroup{"scorers", "scorers of answers"},
    UnsupportedGroup{"label-schemas", "label schemas"},
    UnsupportedGroup{"review-queues", "review queues"},
    UnsupportedGroup{"issues", "issues of traces"},
    UnsupportedGroup{"prompt-optimization", "prompt optimisation"},
    UnsupportedGroup{"datasets", "evaluation datasets"},
    UnsupportedGroup{"workspaces", "workspaces"},
    UnsupportedGroup{"unified-traces", "traces of other stores"},
    UnsupportedGroup{"get-online-trace-details", "traces of other stores"},
    UnsupportedGroup{"get-trace-artifact", "traces that are kept as files"},
    UnsupportedGroup{"traces/metrics", "statistics of traces"},
    UnsupportedGroup{"traces/calculate-filter-correlation", "statistics of traces"},
    UnsupportedGroup{"runs/create-promptlab-run", "prompt lab"},
    UnsupportedGroup{"gateway-proxy", "AI gateway"},
    UnsupportedGroup{"ui-telemetry", "telemetry"},
};

// What stands behind the version of an MLflow path; nothing for any other path.
std::optional<std::string_view> below_mlflow(std::string_view path) {
  for (const std::string_view prefix : {"/api/", "/ajax-api/"}) {
    if (!path.starts_with(prefix)) continue;
    for (const std::string_view version : {"2.0/mlflow/", "3.0/mlflow/"}) {
      if (path.substr(prefix.size()).starts_with(version)) return path.substr(prefix.size() + version.size());
    }
  }
  return std::nullopt;
}

Json mlflow_refusal(std::string_view code, std::string message, const std::string& hint) {
  Json body = Json::object({{"error_code", code}, {"message", std::move(message)}});
  if (!hint.empty()) body.set("hint", hint);
  return body;
}

http::Reply unsupported(std::string_view what) {
  const std::string message = "This server does not support MLflow's " + std::string(what) + ".";
  return http::Reply::json(mlflow_refusal("ENDPOINT_NOT_FOUND", message, {}), 404);
}

}  // namespace

std::optional<http::Reply> mlflow_no_route(std::string_view path, const Error& error, int status) {
  // The router refuses paths of artifacts that walk up or hold NUL before any route sees them.
  const bool is_artifact =
      path.starts_with("/api/2.0/mlflow-artifacts/") || path.starts_with("/ajax-api/2.0/mlflow-artifacts/");
  if (is_artifact && status == 400) {
    return http::Reply::json(mlflow_refusal("INVALID_PARAMETER_VALUE", "Invalid path", error.message), 400);
  }
  if (path == "/graphql") return unsupported("GraphQL API, which only its web page uses");
  const std::optional<std::string_view> below = below_mlflow(path);
  if (!below) return std::nullopt;
  for (const UnsupportedGroup& group : kUnsupported) {
    const bool is_below = below->starts_with(group.path) &&
                          (below->size() == group.path.size() || (*below)[group.path.size()] == '/');
    if (!is_below) continue;
    return unsupported(group.name);
  }
  // What its server says of a filter that it does not take, however long.
  if (status == 414) {
    return http::Reply::json(mlflow_refusal("INVALID_PARAMETER_VALUE", error.message, error.hint), 400);
  }
  const std::string_view code = status == 404 ? "ENDPOINT_NOT_FOUND" : "BAD_REQUEST";
  return http::Reply::json(mlflow_refusal(code, error.message, error.hint), status);
}

std::vector<http::Route> server_routes(RecordRooms&) {
  using Parameters = const MlflowParameters&;
  using Request = const http::Request&;
  using Promise = const http::ReplyPromise&;
  RouteList routes;
  const std::string info = server_info().dump();
  routes.add(mlflow_route(
      "GET", "/mlflow/server-info", "What this server can do", http::Permission::open,
      [info](Parameters, Request, Promise) { return http::Reply{200, "application/json", info, {}}; },
      {"3.0"}, http::Placement::io));
  routes.add({{.method = "GET",
               .path = "/health",
               .summary = "The process answers, in MLflow's word",
               .permission = http::Permission::open,
               .placement = http::Placement::io,
               .handler = [](const http::Request&, const http::ReplyPromise&) -> http::Answer {
                 return http::Reply::text("OK");
               }}});
  return routes.take();
}

}  // namespace trimtab::api
