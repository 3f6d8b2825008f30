// Databricks model serving.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

TEST(Databricks, RowsAreScoredAsMlflowDoes) {
  ServedProject world;
  const char* door = "/serving-endpoints/late/invocations";
  const Answered answer = world.post(door, R"({"dataframe_records":[{"x":1,"nobody_knows":2}]})");
  EXPECT_EQ(answer.body["predictions"].dump(), "[0.75]") << answer.text;
  EXPECT_EQ(world.post(door, "{}").body.text_or("error_code"), "BAD_REQUEST");
  const Answered other = world.post("/serving-endpoints/lat/invocations", "{}");
  EXPECT_EQ(other.body.text_or("error_code"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(other.body.text_or("message"), "there is no endpoint 'lat' (did you mean 'late'?)");
}

TEST(Databricks, AnEndpointIsShownWithTheVersionThatItServes) {
  ServedProject world;
  const std::string late = R"({"name":"late","id":"late","state":{"ready":"READY",)"
                           R"("config_update":"NOT_UPDATING"},"config":{)"
                           R"("served_entities":[{"name":"m-2","entity_name":"m","entity_version":"2",)"
                           R"("scale_to_zero_enabled":false}],)"
                           R"("config_version":1}})";
  EXPECT_EQ(world.get("/api/2.0/serving-endpoints/late").text, late);
  EXPECT_EQ(world.get("/api/2.0/serving-endpoints").text, R"({"endpoints":[)" + late + "]}");
  EXPECT_EQ(world.get("/api/2.0/serving-endpoints/lat").status, 404);
  EXPECT_EQ(world.get("/.well-known/databricks-config").text, "{}");
}

}  // namespace
}  // namespace trimtab::api
