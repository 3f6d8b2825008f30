// MLflow's scoring protocol: shapes, texts and statuses of `mlflow models serve`.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kDoor = "/invocations";

TEST(MlflowScoring, EveryShapeOfRowsIsAnswered) {
  ServedProject world;
  for (const char* body :
       {R"({"dataframe_records":[{"x":1},{"x":null}]})",
        R"({"dataframe_split":{"columns":["x"],"data":[[1],[2]]}})", R"({"instances":[{"x":1},{"x":2}]})",
        R"({"inputs":{"x":[1,2]},"params":{"any":1}})"}) {
    const Answered answer = world.post(kDoor, body);
    EXPECT_EQ(answer.status, 200) << body << answer.text;
    EXPECT_EQ(answer.body["predictions"].dump(), "[0.75,0.75]") << body;
  }
  const Answered csv = world.send({.path = kDoor, .body = "x\n1\n\n", .type = "text/csv; charset=utf-8"});
  EXPECT_EQ(csv.body["predictions"].dump(), "[0.75]") << csv.text;
}

TEST(MlflowScoring, AnExtraColumnIsPassedOverHereAndRefusedAtOurOwnRoute) {
  ServedProject world;
  const char* body = R"({"dataframe_records":[{"x":1,"nobody_knows":2}]})";
  EXPECT_EQ(world.post(kDoor, body).status, 200);
  EXPECT_EQ(world.post("/endpoints/late/invocations", body).status, 400);
  EXPECT_EQ(world.post(kDoor, body).status, 200);
}

constexpr const char* kOneField =
    "BAD_REQUEST: The input must be a JSON dictionary with exactly one of the input fields "
    "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}";

std::string refusal_of(const Answered& answer) {
  EXPECT_EQ(answer.body.as_object().size(), 2u) << answer.text;
  return answer.body.text_or("error_code") + ": " + answer.body.text_or("message");
}

TEST(MlflowScoring, RefusalsHaveMlflowsShapeAndWords) {
  ServedProject world;
  for (const char* body : {"{}", "[1]", "7", R"({"instances":[{"x":1}],"inputs":{"x":1}})"})
    EXPECT_EQ(refusal_of(world.post(kDoor, body)), kOneField) << body;
  EXPECT_EQ(refusal_of(world.post(kDoor, R"({"instances":[[1]]})")),
            "BAD_REQUEST: Invalid input. Data is not compatible with model signature. row 1: it is no object "
            "(columns are matched by name: send {\"column\": value, …})");
  EXPECT_EQ(refusal_of(world.post(kDoor, R"({"inputs":{"z":[1]}})")),
            "INVALID_PARAMETER_VALUE: Failed to predict data. \nError: Failed to enforce schema of data. "
            "Error: the request lacks the column 'x' (null says that a value is not known)");
  const Answered broken = world.post(kDoor, "{");
  EXPECT_EQ(broken.body.text_or("error_code"), "BAD_REQUEST");
  EXPECT_TRUE(
      broken.body.text_or("message").starts_with("Ensure that input is a valid JSON formatted string."))
      << broken.text;
  const Answered wrong = world.post(kDoor, R"({"inputs":{"x":["much"]}})");
  EXPECT_EQ(wrong.body.text_or("error_code"), "BAD_REQUEST");
  EXPECT_TRUE(wrong.body.text_or("message").starts_with(
      "Invalid input. Data is not compatible with model signature. row 1: "))
      << wrong.text;
}

TEST(MlflowScoring, AnotherMediaTypeIsRefusedInPlainText) {
  ServedProject world;
  const Answered answer = world.send({.path = kDoor, .body = "x", .type = "text/plain"});
  EXPECT_EQ(answer.status, 415);
  EXPECT_EQ(
      answer.text,
      "This predictor only supports the following content types: Types: ['text/csv', 'application/json', "
      "'application/jsonlines']. Got 'text/plain'.");
}

TEST(MlflowScoring, AReplyIsLinesWhenTheyAreAskedFor) {
  ServedProject world;
  Sent sent{.path = kDoor, .body = "1\n2\n", .type = "text/csv", .headers = {{"Accept", "text/csv"}}};
  EXPECT_EQ(world.send(sent).text, "0.75\n0.75\n");
  sent = {.path = kDoor,
          .body = "{\"x\":1,\"prediction_id\":\"a\"}\n[",
          .type = "application/jsonlines",
          .headers = {{"Accept", "application/jsonlines"}}};
  EXPECT_TRUE(world.send(sent).body.text_or("message").find("line 2 of the JSON lines: ") !=
              std::string::npos);
  sent.body.pop_back();
  EXPECT_EQ(world.send(sent).text, R"({"prediction":0.75,"prediction_id":"a",)"
                                   R"("model_version":"2"})"
                                   "\n");
}

TEST(MlflowScoring, PingIsAnEmptyLine) {
  ServedProject world;
  const Answered answer = world.get("/ping");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.text, "\n");
}

TEST(MlflowScoring, WithSeveralEndpointsTheCallerIsToldToNameOne) {
  ServedProject world(true, "  soon: {model: m}\n");
  const Answered answer = world.post(kDoor, R"({"inputs":{"x":[1]}})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(refusal_of(answer),
            "INVALID_PARAMETER_VALUE: this home has several endpoints: 'late', 'soon' (name one of them: "
            "/endpoints/{name}/invocations)");
}

TEST(MlflowScoring, UntilEveryEndpointHasAVersionTheServerIsNotWell) {
  ServedProject world(true, "  soon: {model: m}\n");
  EXPECT_EQ(world.get("/ping").status, 404);
  EXPECT_EQ(world.get("/v2/health/ready").status, 503);
  EXPECT_EQ(world.get("/v2/models/soon/ready").text, R"({"name":"soon","ready":false})");
  EXPECT_EQ(world.get("/v2/models/late/ready").status, 200);
  const Answered answer = world.post("/models/soon/invoke", R"({"inputs":{"x":[1]}})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(refusal_of(answer), "TEMPORARILY_UNAVAILABLE: no version serves here yet (run `trimtab apply`)");
}

TEST(ContainerRoutes, ThePlatformsPathsWinOverOthers) {
  ServedProject world;
  const std::vector<http::Route> routes = world.container_routes({"/health", "/invocations"});
  ASSERT_TRUE(http::Router::make(routes));
  int predict = 0;
  for (const http::Route& route : routes) {
    EXPECT_FALSE(route.path.starts_with("/api/v1")) << route.path;
    if (route.path != "/invocations") continue;
    EXPECT_NE(route.summary.find("Vertex"), std::string::npos);
    ++predict;
  }
  EXPECT_EQ(predict, 1);
}

}  // namespace
}  // namespace trimtab::api
