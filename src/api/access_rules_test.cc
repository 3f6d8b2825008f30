#include "api/access_rules.h"

#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

std::string access_of(const std::vector<http::Route>& routes, const std::string& method,
                      const std::string& path) {
  for (const http::Route& route : routes) {
    if (route.method == method && route.path == path) return access_text(route);
  }
  return "no such route";
}

TEST(AccessRules, SayWhoMayWhat) {
  ServedProject world;
  const std::vector<http::Route> routes = world.routes();
  const auto access = [&](const char* method, const char* path) { return access_of(routes, method, path); };
  EXPECT_EQ(access("GET", "/healthz"), "anybody");
  EXPECT_EQ(access("GET", "/api/2.0/mlflow/runs/get"), "viewer of the run");
  EXPECT_EQ(access("POST", "/ajax-api/2.0/mlflow/runs/log-batch"), "editor of the run");
  EXPECT_EQ(access("POST", "/api/2.0/mlflow/registered-models/alias"), "deployer of the model");
  EXPECT_EQ(access("GET", "/api/2.0/mlflow/registered-models/alias"), "viewer of the model");
  EXPECT_EQ(access("POST", "/api/2.0/mlflow/model-versions/create"), "editor of the model and its source");
  EXPECT_EQ(access("GET", "/api/2.0/mlflow/experiments/search"), "whoever is signed in");
  EXPECT_EQ(access("PUT", "/api/2.0/mlflow-artifacts/artifacts/{artifact_path*}"), "editor of the artifacts");
  EXPECT_EQ(access("POST", "/endpoints/{name}/invocations"), "viewer of the project");
  EXPECT_EQ(access("POST", "/api/v1/apply"), "deployer of the project");
  EXPECT_EQ(access("POST", "/api/v1/account/tokens"), "admin of one's own");
  EXPECT_EQ(access("GET", "/api/3.0/mlflow/users/permissions/get"), "admin of the resource");
  EXPECT_EQ(access("GET", "/api/v1/models/{name}/history"), "viewer of the model");
  EXPECT_EQ(access("POST", "/v1/traces"), "editor of the experiment");
  EXPECT_EQ(access("POST", "/api/3.0/mlflow/traces"), "editor of the experiment");
  EXPECT_EQ(access("POST", "/api/3.0/mlflow/traces/search"), "viewer of the experiments");
  EXPECT_EQ(access("GET", "/api/3.0/mlflow/traces/{trace_id}"), "viewer of the trace");
  EXPECT_EQ(access("PATCH", "/ajax-api/2.0/mlflow/traces/{request_id}/tags"), "editor of the trace");
  EXPECT_EQ(access("PUT", "/api/2.0/mlflow-artifacts/mpu/part/{upload_id}/{number}"), "anybody");
  EXPECT_EQ(access("POST", "/api/2.0/mlflow-artifacts/mpu/create/{artifact_path*}"),
            "editor of the artifacts");
}

TEST(AccessRules, ARouteThatNobodyThoughtOfIsForAdminsOfTheServer) {
  EXPECT_EQ(access_text({.method = "GET", .path = "/api/v1/forgotten"}), "admin of the server");
  EXPECT_EQ(access_text({.method = "GET", .path = "/api/2.0/mlflow/forgotten"}), "admin of the server");
  EXPECT_EQ(access_text({.method = "DELETE", .path = "/healthz"}), "admin of the server");
}

}  // namespace
}  // namespace trimtab::api
