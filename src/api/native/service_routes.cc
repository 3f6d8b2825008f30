#include "api/native/native_routes.h"

namespace trimtab::api {
namespace {

// The version of the API that MLflow's clients are answered with; they look at it before they send spans.
constexpr const char* kMlflowVersion = "3.17.2";

http::Route version_route(const std::string& version) {
  return {.method = "GET",
          .path = "/version",
          .summary = "The program's version; to a client of MLflow that of the API which it speaks",
          .permission = http::Permission::open,
          .placement = http::Placement::io,
          .handler = [version](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
            const bool is_mlflow = !request.header("x-mlflow-client-version").empty();
            return http::Reply::text(is_mlflow ? kMlflowVersion : version);
          }};
}

}  // namespace

std::vector<http::Route> service_routes(const std::vector<http::Route>& described,
                                        const std::string& version) {
  const auto text_route = [](const std::string& path, const std::string& summary, const std::string& text) {
    return http::Route{.method = "GET",
                       .path = path,
                       .summary = summary,
                       .permission = http::Permission::open,
                       .placement = http::Placement::io,
                       .handler = [text](const http::Request&, const http::ReplyPromise&) -> http::Answer {
                         return http::Reply::text(text);
                       }};
  };
  std::vector<http::Route> routes = {text_route("/healthz", "The process answers", "ok\n"),
                                     text_route("/readyz", "The server is ready for requests", "ready\n"),
                                     version_route(version)};
  std::vector<http::Route> all = described;
  all.insert(all.end(), routes.begin(), routes.end());
  const std::string document = http::openapi(all, version).dump();
  routes.push_back({.method = "GET",
                    .path = "/openapi.json",
                    .summary = "This API's description",
                    .permission = http::Permission::open,
                    .placement = http::Placement::io,
                    .handler = [document](const http::Request&, const http::ReplyPromise&) -> http::Answer {
                      return http::Reply{200, "application/json", document, {}};
                    }});
  return routes;
}

}  // namespace trimtab::api
