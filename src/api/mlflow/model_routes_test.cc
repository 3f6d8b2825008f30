// The routes of models and artifacts over a real home: the journey of MLflow 3's log_model, register and
// load, one request at a time.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

#include "api/mlflow/route_world_test.h"
#include "base/hash.h"
#include "http/body_file.h"

namespace trimtab::api {
namespace {

class ModelRoutes : public RouteWorld {
 protected:
  std::string artifact(const std::string& path) const { return "/api/2.0/mlflow-artifacts/artifacts" + path; }
  static std::string content(http::Reply reply) {
    if (!reply.file) return reply.body;
    return http::read_part(*reply.file, 1u << 20).value();
  }
};

TEST_F(ModelRoutes, AModelIsLoggedRegisteredAndFoundByItsAlias) {
  const Json made = call("POST", "logged-models", R"({"experiment_id":"0","name":"tree","model_type":"t"})");
  const std::string id = made["model"]["info"].text_or("model_id");
  const std::string uri = made["model"]["info"].text_or("artifact_uri");
  EXPECT_EQ(uri, "mlflow-artifacts:/0/models/" + id + "/artifacts");
  EXPECT_EQ(made["model"]["info"].text_or("status"), "LOGGED_MODEL_PENDING");

  EXPECT_EQ(ask("PUT", artifact("/0/models/" + id + "/artifacts/MLmodel"), "flavors: {}").status, 200);
  const Json ready = call("PATCH", "logged-models/" + id, R"({"model_id":")" + id + R"(","status":2})");
  EXPECT_EQ(ready["model"]["info"].text_or("status"), "LOGGED_MODEL_READY");

  call("POST", "registered-models/create", R"({"name":"late"})");
  const Json version = call("POST", "model-versions/create",
                            R"({"name":"late","source":"models:/)" + id + R"(","model_id":")" + id + R"("})");
  EXPECT_EQ(version["model_version"].text_or("version"), "1");
  EXPECT_EQ(ask("POST", "/api/2.0/mlflow/registered-models/alias",
                R"({"name":"late","alias":"champion","version":"1"})")
                .body,
            "{}");
  const Json found = call("GET", "registered-models/alias?name=late&alias=champion")["model_version"];
  EXPECT_EQ(found["aliases"].dump(), R"(["champion"])");
  EXPECT_EQ(call("GET", "model-versions/get-download-uri?name=late&version=1").text_or("artifact_uri"), uri);
  const std::string path = "/0/models/" + id + "/artifacts/MLmodel";
  EXPECT_EQ(content(ask("GET", artifact(path))), "flavors: {}");
  EXPECT_EQ(content(ask("GET", "/model-versions/get-artifact?name=late&version=1&path=MLmodel")),
            "flavors: {}");
  EXPECT_EQ(call("GET", "logged-models/" + id + "/artifacts/directories")["files"].dump(),
            R"([{"path":"MLmodel","is_dir":false,"file_size":11}])");
}

TEST_F(ModelRoutes, ALongFileIsMovedAndNotCopied) {
  http::ReceivedFile file{home_->make_staging("bodies").value() / "body", 5, base::sha256("hello")};
  std::ofstream(file.path) << "hello";
  EXPECT_EQ(ask("PUT", artifact("/0/x.bin"), {}, &file).status, 200);
  EXPECT_FALSE(std::filesystem::exists(file.path));
  EXPECT_TRUE(home_->blobs().has(file.sha256));
  EXPECT_EQ(content(ask("GET", artifact("/0/x.bin"))), "hello");
}

TEST_F(ModelRoutes, ARunListsItsArtifacts) {
  const Json run = call("POST", "runs/create", R"({"experiment_id":"0"})")["run"]["info"];
  const std::string id = run.text_or("run_id");
  ask("PUT", artifact("/0/" + id + "/artifacts/plots/a.html"), "<script>");
  ask("PUT", artifact("/0/" + id + "/artifacts/note.txt"), "n");
  const Json root = call("GET", "artifacts/list?run_id=" + id);
  EXPECT_EQ(root.text_or("root_uri"), run.text_or("artifact_uri"));
  EXPECT_EQ(root["files"].dump(),
            R"([{"path":"note.txt","is_dir":false,"file_size":1},{"path":"plots","is_dir":true}])");
  EXPECT_EQ(call("GET", "artifacts/list?path=plots&run_id=" + id)["files"].dump(),
            R"([{"path":"plots/a.html","is_dir":false,"file_size":8}])");
  EXPECT_EQ(content(ask("GET", "/get-artifact?path=note.txt&run_id=" + id)), "n");
  const http::Reply page = ask("GET", artifact("/0/" + id + "/artifacts/plots/a.html"));
  EXPECT_EQ(page.content_type, "text/html");
  const auto is_sandboxed = [](const auto& header) { return header.second == "sandbox; default-src 'none'"; };
  EXPECT_TRUE(std::any_of(page.headers.begin(), page.headers.end(), is_sandboxed));

  EXPECT_EQ(ask("DELETE", artifact("/0/" + id + "/artifacts/plots")).body, "{}");
  EXPECT_EQ(call("GET", "artifacts/list?path=plots&run_id=" + id).find("files"), nullptr);
}

TEST_F(ModelRoutes, NoPathLeavesItsRoot) {
  for (const char* path : {"?path=..", "?path=%252e%252e", "?path=a%5Cb", "?path=/etc", "?path=a%2500b"}) {
    const http::Reply reply = ask("GET", artifact(path));
    EXPECT_EQ(reply.status, 400) << path;
    EXPECT_EQ(base::parse_json(reply.body)->text_or("message"), "Invalid path");
  }
  for (const char* method : {"PUT", "GET", "DELETE"}) {
    for (const char* path : {"/0/%252e%252e/x", "/0/a%5cb", "/0/a%23b", "/0/%2e%2e/x", "/0/a%00b"}) {
      // Some are no path at all for the router; the others reach the route.
      if (!router_->find(method, artifact(path))) continue;
      EXPECT_EQ(ask(method, artifact(path)).status, 400) << path;
    }
  }
  EXPECT_EQ(refusal("GET", "artifacts/list?path=../x&run_id=r"), "INVALID_PARAMETER_VALUE: Invalid path");
}

TEST_F(ModelRoutes, WhatIsMissingIsSaidInMlflowsWords) {
  EXPECT_EQ(refusal("GET", "registered-models/get?name=zz"),
            "RESOURCE_DOES_NOT_EXIST: Registered Model with name=zz not found");
  EXPECT_EQ(refusal("GET", "registered-models/get"),
            "INVALID_PARAMETER_VALUE: Missing value for required parameter 'name'. See the API docs for more "
            "information about request parameters.");
  EXPECT_EQ(refusal("GET", "registered-models/search?max_results=5000"),
            "INVALID_PARAMETER_VALUE: Invalid value \"5000\" for parameter 'max_results' supplied:  Hint: "
            "Value was "
            "of type 'str'. See the API docs for more information about request parameters.");
  EXPECT_EQ(refusal("GET", "logged-models/m-none"),
            "RESOURCE_DOES_NOT_EXIST: Logged model with ID 'm-none' not found.");
  EXPECT_EQ(refusal("POST", "logged-models", R"({"experiment_id":"77"})"),
            "RESOURCE_DOES_NOT_EXIST: No Experiment with id=77 exists");
  const http::Reply none = ask("GET", artifact("/0/none.txt"));
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(base::parse_json(none.body)->text_or("message"), "No such artifact: '0/none.txt'");
}

TEST_F(ModelRoutes, ATokenOfLoggedModelsBelongsToItsSearch) {
  for (int i = 0; i < 3; ++i) call("POST", "logged-models", R"({"experiment_id":"0"})");
  const Json first = call("POST", "logged-models/search", R"({"experiment_ids":["0"],"max_results":2})");
  const std::string token = first.text_or("next_page_token");
  EXPECT_EQ(first["models"].as_array().size(), 2u);
  const std::string rest = R"(,"max_results":2,"page_token":")" + token + R"("})";
  const Json second = call("POST", "logged-models/search", R"({"experiment_ids":["0"])" + rest);
  EXPECT_EQ(second["models"].as_array().size(), 1u);
  EXPECT_EQ(second.find("next_page_token"), nullptr);
  EXPECT_EQ(
      refusal("POST", "logged-models/search", R"({"experiment_ids":["0"],"filter":"name = 'x'")" + rest),
      "INVALID_PARAMETER_VALUE: Invalid page token: it belongs to a search of other experiments, another "
      "filter "
      "or another order.");
}

}  // namespace
}  // namespace trimtab::api
