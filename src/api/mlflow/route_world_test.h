// For tests: MLflow's routes over a real home, asked one request at a time.
#pragma once

#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>

#include "api/mlflow/mlflow_routes.h"
#include "store/scratch_folder.h"

namespace trimtab::api {

class RouteWorld : public testing::Test {
 protected:
  RouteWorld() {
    std::vector<http::Route> routes = experiment_routes(rooms_);
    for (auto part : {run_routes(rooms_), metric_routes(rooms_), model_routes(rooms_),
                      logged_model_routes(rooms_), artifact_routes(rooms_), trace_routes(rooms_),
                      otlp_routes(rooms_), webhook_routes(rooms_), server_routes(rooms_)}) {
      routes.insert(routes.end(), part.begin(), part.end());
    }
    router_ = std::make_unique<http::Router>(http::Router::make(std::move(routes)).value());
  }

  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;
  // The answer, once it is durable.
  http::Reply ask(std::string_view method, std::string_view path, std::string_view body = {},
                  const http::ReceivedFile* file = nullptr,
                  const Headers& headers = {{"Content-Type", "application/json"}}) const {
    http::Request request;
    request.method = method;
    const std::size_t mark = path.find('?');
    request.path = path.substr(0, mark);
    if (mark != std::string_view::npos) request.query = path.substr(mark + 1);
    request.body = body;
    request.body_file = file;
    request.headers = headers;
    const http::Router::Match match = router_->find(method, request.path).value();
    EXPECT_NE(match.route, nullptr) << path;
    request.path_values = match.path_values;
    auto later = std::make_shared<std::promise<http::Reply>>();
    http::Answer answer = match.route->handler(
        request, http::ReplyPromise([later](http::Reply reply) { later->set_value(std::move(reply)); }));
    if (http::Reply* reply = std::get_if<http::Reply>(&answer)) return std::move(*reply);
    return later->get_future().get();
  }
  // `path` is below the version: "runs/get?run_id=…".
  Json call(std::string_view method, const std::string& path, std::string_view body = {},
            const std::string& version = "2.0") const {
    return base::parse_json(ask(method, "/api/" + version + "/mlflow/" + path, body).body).value();
  }
  Json post(const std::string& path, std::string_view body) const { return call("POST", path, body); }
  Json get(const std::string& path) const { return call("GET", path); }
  // "INVALID_PARAMETER_VALUE: …"
  std::string refusal(std::string_view method, const std::string& path, std::string_view body = {},
                      const std::string& version = "2.0") const {
    const Json answer = call(method, path, body, version);
    return answer.text_or("error_code") + ": " + answer.text_or("message");
  }

  store::ScratchFolder folder_;
  base::SystemClock clock_;
  std::unique_ptr<store::Home> home_ = store::Home::open(folder_ / "home", clock_).value();
  std::unique_ptr<registry::RunBook> runs_ = registry::RunBook::open(*home_, clock_).value();
  notify::Courier courier_{*home_, clock_};
  RecordRooms rooms_{*home_, clock_, *runs_, courier_};
  std::unique_ptr<http::Router> router_;
};

}  // namespace trimtab::api
