// The door for predictions: dialects, ids, refusals.
#include "api/predict/predict_routes.h"

#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kDoor = "/endpoints/late/invocations";

TEST(PredictRoutes, EveryDialectIsAnsweredByTheChampion) {
  ServedProject world;
  for (const char* body : {R"({"dataframe_records":[{"x":1},{"x":null}]})",
                           R"({"dataframe_split":{"columns":["x"],"data":[[1],[2]]}})",
                           R"({"instances":[{"x":1},{"x":2}]})", R"({"inputs":{"x":[1,2]}})"}) {
    const Answered answer = world.post(kDoor, body);
    EXPECT_EQ(answer.status, 200) << body << answer.text;
    EXPECT_EQ(answer.body["predictions"].dump(), "[0.75,0.75]") << body;
    EXPECT_EQ(answer.body["model_version"].dump(), "\"2\"");
    EXPECT_EQ(answer.body["prediction_ids"].as_array().size(), 2u);
  }
}

TEST(PredictRoutes, ARepeatedIdIsAnsweredAsBeforeAndAnotherInputIsAConflict) {
  ServedProject world;
  const std::string first = R"({"instances":[{"prediction_id":"p1","x":1}]})";
  EXPECT_EQ(world.post(kDoor, first).text, world.post(kDoor, first).text);
  const Answered other = world.post(kDoor, R"({"instances":[{"prediction_id":"p1","x":2}]})");
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(
      other.refusal(),
      "conflict: the prediction id 'p1' was used for another input (use an id once, or send the same row "
      "again to get the same answer)");
}

struct BadRequest {
  const char* body;
  int status;
  const char* refusal;
};

TEST(PredictRoutes, WhatIsWrongWithARequestIsSaid) {
  ServedProject world;
  const BadRequest cases[] = {
      {"", 400, "malformed: "},
      {"{", 400, "malformed: "},
      {"{}", 400, "malformed: The input must be a JSON dictionary with exactly one of the input fields"},
      {R"({"instances":[]})", 400, "invalid: the request has no rows"},
      {R"({"instances":[{"y":1}]})", 400, "invalid: the request lacks the column 'x' (null says that"},
      {R"({"instances":[{"x":1,"xx":1}]})", 400, "invalid: there is no column 'xx' (did you mean 'x'?)"},
      {R"({"instances":[{"x":"much"}]})", 400, "invalid: row 1: "},
      {R"({"instances":[7]})", 400, "invalid: row 1: it is no object"},
  };
  for (const BadRequest& bad : cases) {
    const Answered answer = world.post(kDoor, bad.body);
    EXPECT_EQ(answer.status, bad.status) << bad.body;
    EXPECT_EQ(answer.refusal().substr(0, std::string(bad.refusal).size()), bad.refusal) << bad.body;
  }
}

TEST(PredictRoutes, AnEndpointThatIsNotThereIsNamedWithTheOneThatWasMeant) {
  ServedProject world;
  const Answered answer = world.post("/endpoints/lat/invocations", R"({"instances":[{"x":1}]})");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.refusal(), "not_found: there is no endpoint 'lat' (did you mean 'late'?)");
  EXPECT_EQ(world.get(kDoor).status, 405);
}

TEST(PredictRoutes, WhetherToExplainIsTrueOrFalse) {
  ServedProject world;
  const auto ask = [&world](const std::string& flag) {
    return world.post("/endpoints/late/invocations?explain=" + flag, R"({"instances":[{"x":1}]})");
  };
  EXPECT_TRUE(ask("True").body["explanations"].is_array());
  EXPECT_TRUE(ask("1").body["explanations"].is_array());
  EXPECT_TRUE(ask("false").body["explanations"].is_null());
  EXPECT_EQ(ask("yes").refusal(), "malformed: the query parameter 'explain' is true or false, not 'yes'");
}

}  // namespace
}  // namespace trimtab::api
