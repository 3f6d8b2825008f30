// Vertex AI's online prediction.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kDoor = "/v1/projects/p/locations/l/endpoints/late:predict?$alt=json;enum-encoding=int";

TEST(Vertex, InstancesAreObjectsOrListsInTheSchemasOrder) {
  ServedProject world;
  const Answered answer = world.post(kDoor, R"({"instances":[{"x":1,"prediction_id":"a"}],)"
                                            R"("parameters":{}})");
  EXPECT_EQ(answer.text, R"({"predictions":[0.75],"deployedModelId":"2","model":"models/m",)"
                         R"("modelDisplayName":"late",)"
                         R"("modelVersionId":"2","metadata":{"prediction_ids":["a"]}})");
  EXPECT_EQ(world
                .post("/v1/endpoints/late:predict", R"({"instances":[[1],)"
                                                    R"([null]]})")
                .body["predictions"]
                .dump(),
            "[0.75,0.75]");
}

// "code status: message" of a refusal.
std::string refusal_of(const Answered& answer) {
  const Json& error = answer.body["error"];
  EXPECT_EQ(error["code"].dump(), std::to_string(answer.status));
  return error["code"].dump() + " " + error.text_or("status") + ": " + error.text_or("message");
}

TEST(Vertex, RefusalsHaveTheShapeOfGooglesApis) {
  ServedProject world;
  EXPECT_EQ(refusal_of(world.post(kDoor, "{}")),
            "400 INVALID_ARGUMENT: the body has no list \"instances\" (send "
            "{\"instances\":[{\"column\":value, …}, …]})");
  EXPECT_EQ(refusal_of(world.post(kDoor, R"({"instances":[{"x":1},[1]]})")),
            "400 INVALID_ARGUMENT: objects and lists do not go together");
  EXPECT_EQ(refusal_of(world.post("/v1/endpoints/lat:predict", R"({"instances":[[1]]})")),
            "404 NOT_FOUND: there is no endpoint 'lat' (did you mean 'late'?)");
  EXPECT_EQ(refusal_of(world.post("/v1/endpoints/late:explain", "{}")),
            "404 NOT_FOUND: an endpoint has no method 'explain' (call …/endpoints/late:predict)");
  EXPECT_EQ(world.post("/v1/endpoints/late", "{}").status, 404);
}

}  // namespace
}  // namespace trimtab::api
