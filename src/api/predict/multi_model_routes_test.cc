// SageMaker's container of several models.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

TEST(MultiModel, EndpointsAreItsModels) {
  ServedProject world;
  const char* late = R"({"modelName":"late","modelUrl":"/opt/ml/models/late/model"})";
  EXPECT_EQ(world.get("/models").text, std::string(R"({"models":[)") + late + "]}");
  EXPECT_EQ(world.get("/models/late").text, late);
  EXPECT_EQ(world.get("/models/lat").body.text_or("message"),
            "there is no endpoint 'lat' (did you mean 'late'?)");
  const Answered answer = world.send({.path = "/models/late/invoke", .body = "x\n1\n", .type = "text/csv"});
  EXPECT_EQ(answer.body["predictions"].dump(), "[0.75]") << answer.text;
  EXPECT_EQ(world.post("/models/lat/invoke", R"({"inputs":{"x":[1]}})").status, 404);
}

TEST(MultiModel, ModelsAreListedInPages) {
  ServedProject world(true, "  second: {model: m}\n  third: {model: m}\n");
  const auto names = [&world](const std::string& query) {
    const Answered page = world.get("/models" + query);
    std::string text;
    for (const Json& model : page.body["models"].as_array()) text += model.text_or("modelName") + " ";
    return text + page.body.text_or("nextPageToken", "-");
  };
  EXPECT_EQ(names(""), "late second third -");
  EXPECT_EQ(names("?limit=2"), "late second 2");
  EXPECT_EQ(names("?limit=2&next_page_token=2"), "third -");
  EXPECT_EQ(names("?next_page_token=99"), "-");
  const Answered wrong = world.get("/models?limit=all");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_TRUE(wrong.body.text_or("message").find("limit is no whole number: 'all'") != std::string::npos)
      << wrong.text;
}

TEST(MultiModel, NothingIsLoadedOrUnloadedOnRequest) {
  ServedProject world;
  const Answered loaded = world.post("/models", R"({"model_name":"late",)"
                                                R"("url":"/opt/ml/models/late/model"})");
  EXPECT_EQ(loaded.status, 409);
  EXPECT_EQ(loaded.body.text_or("message"), "the model 'late' is loaded already");
  const Answered other = world.post("/models", R"({"model_name":"other","url":"/x"})");
  EXPECT_EQ(other.status, 501);
  EXPECT_EQ(other.body.text_or("message"),
            "no model is loaded on request (declare an endpoint in trimtab.yaml and apply it)");
  const Answered gone = world.send("DELETE", "/models/late", "", "");
  EXPECT_EQ(gone.status, 501);
  EXPECT_EQ(gone.body.text_or("message"),
            "no model is unloaded on request (remove the endpoint from trimtab.yaml and apply it)");
  EXPECT_EQ(world.post("/models", "{").status, 400);
  EXPECT_EQ(world.post("/models", "{}").status, 400);
}

}  // namespace
}  // namespace trimtab::api
