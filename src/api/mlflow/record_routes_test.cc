// The routes of experiments, runs and metrics over a real home: what a client is answered, in MLflow's words.
// tests/differential compares many more answers with MLflow's own.
#include <gtest/gtest.h>
#include <thread>

#include "api/mlflow/route_world_test.h"

namespace trimtab::api {
namespace {

class RecordRoutes : public RouteWorld {
 protected:
  std::string new_run(const std::string& name = "one") const {
    return post("runs/create", R"({"experiment_id":"0","run_name":")" + name + R"("})")["run"]["info"]
        .text_or("run_id");
  }
};

TEST_F(RecordRoutes, TheDefaultExperimentIsThereFromTheStart) {
  const Json experiment = get("experiments/get?experiment_id=0")["experiment"];
  EXPECT_EQ(experiment.text_or("name"), "Default");
  EXPECT_EQ(experiment.text_or("artifact_location"), "mlflow-artifacts:/0");
  EXPECT_EQ(experiment.text_or("lifecycle_stage"), "active");
}

TEST_F(RecordRoutes, AnExperimentKeepsItsNameWhileItIsDeleted) {
  const std::string id = post("experiments/create", R"({"name":"late"})").text_or("experiment_id");
  post("experiments/delete", R"({"experiment_id":")" + id + R"("})");
  const http::Reply again = ask("POST", "/api/2.0/mlflow/experiments/create", R"({"name":"late"})");
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(base::parse_json(again.body)->text_or("error_code"), "RESOURCE_ALREADY_EXISTS");
}

TEST_F(RecordRoutes, ALocationThatLeadsElsewhereIsRefused) {
  const auto refusal = [this](const std::string& location) {
    return post("experiments/create", R"({"name":"x","artifact_location":")" + location + R"("})")
        .text_or("message");
  };
  EXPECT_EQ(refusal("s3://b/x#y"), "'artifact_location' URL can't include fragments or params.");
  EXPECT_EQ(refusal("a;b"), "'artifact_location' URL can't include fragments or params.");
  EXPECT_EQ(refusal("s3://b/x?y=%252e%252e/z"), "Invalid query string");
  EXPECT_EQ(refusal("runs:/a/b"), "Artifact location cannot be a runs:/ URI. Given: 'runs:/a/b'");
  EXPECT_TRUE(refusal(std::string(2049, 'x')).starts_with("Invalid artifact path length."));
}

TEST_F(RecordRoutes, ARunIsAnsweredInTheSameWordsByGetAndSearch) {
  const std::string id = new_run();
  post("runs/log-batch",
       R"({"run_id":")" + id + R"(","metrics":[{"key":"acc","value":0.5,"timestamp":1},)" +
           R"({"key":"loss","value":"NaN","timestamp":1},)" +
           R"({"key":"cost","value":"-Infinity","timestamp":2,"step":-3}],)" +
           R"("params":[{"key":"lr","value":"0.1"}],"tags":[{"key":"t","value":"a\"\u00e9"}]})");
  post("runs/log-metric", R"({"run_id":")" + id + R"(","key":"acc","value":0.75,"timestamp":2,"step":1})");
  post("runs/log-inputs", R"({"run_id":")" + id + R"(","datasets":[{"dataset":{"name":"n","digest":"d",)" +
                              R"("source_type":"t","source":"s"}}]})");
  const Json run = get("runs/get?run_id=" + id)["run"];
  const Json found = post("runs/search", R"({"experiment_ids":["0"]})")["runs"].as_array().at(0);
  EXPECT_EQ(found.dump(), run.dump());
  EXPECT_EQ(run["info"].text_or("artifact_uri"), "mlflow-artifacts:/0/" + id + "/artifacts");
  EXPECT_EQ(run["data"]["metrics"].as_array().size(), 3u);
  EXPECT_EQ(run["outputs"].dump(), "{}");
}

TEST_F(RecordRoutes, ANumberThatIsNoneIsNotTakenForZero) {
  const std::string id = new_run();
  for (const char* wrong : {R"("nan")", "true", "[1]", R"("1e999")"}) {
    const Json reply = post("runs/log-metric",
                            R"({"run_id":")" + id + R"(","key":"m","value":)" + wrong + R"(,"timestamp":1})");
    EXPECT_TRUE(reply.text_or("message").starts_with("Invalid value " + std::string(wrong))) << reply.dump();
  }
  EXPECT_EQ(get("metrics/get-history?run_id=" + id + "&metric_key=m").dump(), "{}");
}

TEST_F(RecordRoutes, ManyClientsAtATimeLoseNothing) {
  const std::string id = new_run();
  std::vector<std::jthread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([this, &id, client] {
      for (int i = 0; i < 50; ++i) {
        const std::string step = std::to_string(client * 50 + i);
        post("runs/log-metric",
             R"({"run_id":")" + id + R"(","key":"m","value":1,"timestamp":1,"step":)" + step + "}");
        get("runs/get?run_id=" + id);
        post("runs/search", R"({"experiment_ids":["0"],"filter":"metrics.m > 0"})");
      }
    });
  }
  clients.clear();
  const Json history = get("metrics/get-history?run_id=" + id + "&metric_key=m")["metrics"];
  ASSERT_EQ(history.as_array().size(), 400u);
  for (std::int64_t step = 0; step < 400; ++step) {
    EXPECT_EQ(history.as_array()[static_cast<std::size_t>(step)].int_or("step"), step);
  }
}

TEST_F(RecordRoutes, AStatusThatIsNoneIsRefused) {
  const std::string id = new_run();
  EXPECT_EQ(post("runs/update", R"({"run_id":")" + id + R"(","status":"DONE"})").text_or("message"),
            "Invalid value \"DONE\" for parameter 'status' supplied: It must be one of RUNNING, SCHEDULED, "
            "FINISHED, FAILED and KILLED.");
}

TEST_F(RecordRoutes, AHistoryIsSampledEvenlyAndKeepsItsLastPoint) {
  const std::string id = new_run();
  std::string points;
  for (int step = 0; step < 10; ++step) {
    points += std::string(step > 0 ? "," : "") + R"({"key":"m","value":1,"timestamp":1,"step":)" +
              std::to_string(step) + "}";
  }
  post("runs/log-batch", R"({"run_id":")" + id + R"(","metrics":[)" + points + "]}");
  const auto steps = [&](const std::string& query) {
    std::string text;
    const Json reply = get("metrics/get-history-bulk-interval?run_ids=" + id + "&metric_key=m" + query);
    for (const Json& point : reply["metrics"].as_array()) text += std::to_string(point.int_or("step")) + " ";
    return text;
  };
  EXPECT_EQ(steps(""), "0 1 2 3 4 5 6 7 8 9 ");
  EXPECT_EQ(steps("&max_results=3"), "0 4 9 ");
  EXPECT_EQ(steps("&max_results=1"), "9 ");
  EXPECT_EQ(steps("&start_step=2&end_step=4"), "2 3 4 ");
}

TEST_F(RecordRoutes, AChartGetsTheExtremesOfALongCourse) {
  const std::string id = new_run();
  std::string points;
  for (int step = 0; step < 900; ++step) {
    points += std::string(step > 0 ? "," : "") + R"({"key":"a/b","timestamp":1,"step":)" +
              std::to_string(step) + R"(,"value":)" +
              (step == 451   ? "-7"
               : step == 450 ? "9"
                             : "0") +
              "}";
  }
  post("runs/log-batch", R"({"run_id":")" + id + R"(","metrics":[)" + points + "]}");
  const Json reply =
      base::parse_json(ask("GET", "/api/v1/runs/" + id + "/metrics/a/b?max_points=20").body).value();
  EXPECT_LE(reply["metrics"].as_array().size(), 20u);
  double least = 0;
  double greatest = 0;
  for (const Json& point : reply["metrics"].as_array()) {
    least = std::min(least, point["value"].as_double());
    greatest = std::max(greatest, point["value"].as_double());
  }
  EXPECT_EQ(least, -7);
  EXPECT_EQ(greatest, 9);
}

TEST_F(RecordRoutes, AChartOfAnImpossibleWidthIsRefused) {
  const std::string id = new_run();
  for (const char* width : {"0", "1", "x", "100001", "-5", ""}) {
    const http::Reply reply = ask("GET", "/api/v1/runs/" + id + "/metrics/m?max_points=" + width);
    EXPECT_EQ(reply.status, 400) << width;
    EXPECT_EQ(base::parse_json(reply.body).value()["error"].text_or("message"),
              "max_points is no whole number from 2 to 100000");
  }
}

TEST_F(RecordRoutes, AChartOfARunThatIsNotThereSaysSo) {
  const http::Reply reply = ask("GET", "/api/v1/runs/nobody/metrics/m");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(base::parse_json(reply.body).value()["error"].text_or("message"), "Run with id=nobody not found");
  EXPECT_EQ(ask("GET", "/api/v1/runs/" + new_run() + "/metrics/m").body, R"({"metrics":[]})");
}

TEST_F(RecordRoutes, AModelOfAnOldClientIsNotedInTheRunsTag) {
  const std::string id = new_run();
  const auto log = [&](const std::string& model) {
    return post("runs/log-model", Json::object({{"run_id", id}, {"model_json", model}}).dump());
  };
  const std::string model =
      R"({"artifact_path":"m","flavors":{"f":{"config":1,"a":2}},"utc_time_created":"t",)"
      R"("run_id":"r","signature":"s"})";
  log(model);
  log(model);
  const Json run = get("runs/get?run_id=" + id)["run"];
  std::string history;
  for (const Json& tag : run["data"]["tags"].as_array()) {
    if (tag.text_or("key") == "mlflow.log-model.history") history = tag.text_or("value");
  }
  const std::string entry =
      R"({"run_id":"r","utc_time_created":"t","artifact_path":"m","flavors":{"f":{"a":2}}})";
  EXPECT_EQ(history, "[" + entry + "," + entry + "]");
  EXPECT_EQ(log(R"({"flavors":{},"run_id":"r"})").text_or("message"),
            "Model json is missing mandatory fields: {'artifact_path', 'utc_time_created'}");
}

TEST_F(RecordRoutes, DatasetsOfExperimentsAreListedOnce) {
  for (const std::string& id : {new_run("a"), new_run("b")}) {
    post("runs/log-inputs", R"({"run_id":")" + id +
                                R"(","datasets":[{"tags":[{"key":"mlflow.data.context",)" +
                                R"("value":"train"}],"dataset":{"name":"n","digest":"d","source_type":"t",)" +
                                R"("source":"s"}}]})");
  }
  EXPECT_EQ(post("experiments/search-datasets", R"({"experiment_ids":["0"]})").dump(),
            R"({"dataset_summaries":[{"experiment_id":"0","name":"n","digest":"d","context":"train"}]})");
}

TEST(MlflowNoRoute, IsWordedForItsClientsAlone) {
  const Error error{ErrorCode::not_found, "there is nothing at 'x'", "did you mean 'y'?", std::nullopt,
                    nullptr};
  EXPECT_FALSE(mlflow_no_route("/api/v1/nothing", error, 404));
  const std::optional<http::Reply> unknown = mlflow_no_route("/api/2.0/mlflow/nothing", error, 404);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->body, R"({"error_code":"ENDPOINT_NOT_FOUND","message":"there is nothing at 'x'",)"
                           R"("hint":"did you mean 'y'?"})");
  const std::optional<http::Reply> scorers = mlflow_no_route("/api/3.0/mlflow/scorers/list", error, 404);
  ASSERT_TRUE(scorers);
  EXPECT_EQ(scorers->body, R"({"error_code":"ENDPOINT_NOT_FOUND",)"
                           R"("message":"This server does not support MLflow's scorers of answers."})");
  const Error address{ErrorCode::too_large, "the address is too long", "send a body", std::nullopt, nullptr};
  EXPECT_FALSE(mlflow_no_route("/api/v1/nothing", address, 414));
  const std::optional<http::Reply> filter =
      mlflow_no_route("/api/2.0/mlflow/registered-models/search", address, 414);
  ASSERT_TRUE(filter);
  EXPECT_EQ(filter->status, 400);
  EXPECT_EQ(filter->body, R"({"error_code":"INVALID_PARAMETER_VALUE","message":"the address is too long",)"
                          R"("hint":"send a body"})");
}

}  // namespace
}  // namespace trimtab::api
