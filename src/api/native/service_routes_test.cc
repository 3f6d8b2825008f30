// What says that the server is there, and what it can do.
#include <gtest/gtest.h>
#include <set>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

TEST(ServiceRoutes, TheServerSaysThatItIsThere) {
  ServedProject world;
  EXPECT_EQ(world.get("/healthz").text, "ok\n");
  EXPECT_EQ(world.get("/readyz").text, "ready\n");
  EXPECT_EQ(world.get("/version").text, "0.0.0");
}

TEST(ServiceRoutes, EveryRouteDeclaresItsPermission) {
  ServedProject world;
  // /models is SageMaker's: its requests to load and unload are answered with what is, and change nothing.
  const std::set<std::string> predict = world.predict_paths();
  for (const http::Route& route : world.routes()) {
    EXPECT_NE(route.permission, http::Permission::undeclared) << route.method << ' ' << route.path;
    EXPECT_FALSE(route.summary.empty()) << route.method << ' ' << route.path;
    // What changes things is not for everybody who reaches the port. Predictions are, and so is the API of
    // MLflow's clients, which know no token, until there are people and permissions.
    const bool is_predict = predict.contains(route.path);
    const bool is_record = route.path.find("mlflow") != std::string::npos || route.path == "/v1/traces" ||
                           route.path.ends_with("/heartbeat");
    const bool is_question = route.path.ends_with("/what-if");
    const bool changes = route.method != "GET" && !is_predict && !is_record && !is_question;
    EXPECT_EQ(changes && route.permission == http::Permission::open, false) << route.path;
  }
}

TEST(ServiceRoutes, OneRouteWithoutAPermissionAndTheServerDoesNotStart) {
  ServedProject world;
  std::vector<http::Route> routes = world.routes();
  routes.push_back({.method = "POST", .path = "/api/v1/forgotten", .handler = routes.front().handler});
  const Result<http::Router> router = http::Router::make(std::move(routes));
  ASSERT_FALSE(router);
  EXPECT_EQ(router.error().message, "the route POST /api/v1/forgotten declares no permission");
}

TEST(ServiceRoutes, TheDescriptionNamesEveryRoute) {
  ServedProject world;
  const Json paths = world.get("/openapi.json").body["paths"];
  for (const http::Route& route : world.routes()) {
    if (route.path == "/openapi.json") continue;
    std::string described = route.path;  // OpenAPI knows no {name*}.
    std::erase(described, '*');
    EXPECT_NE(paths.find(described), nullptr) << route.path;
  }
}

TEST(ServiceRoutes, AnUnknownPathIsAnsweredWithTheNearest) {
  ServedProject world;
  const Answered answer = world.get("/api/v1/endpoint");
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(answer.text.find("/api/v1/endpoints"), std::string::npos) << answer.text;
}

}  // namespace
}  // namespace trimtab::api
