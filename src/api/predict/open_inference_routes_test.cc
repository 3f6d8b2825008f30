// The Open Inference Protocol over HTTP.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kInfer = "/v2/models/late/infer";
constexpr const char* kRow = R"({"id":"r1","inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1]}],)"
                             R"("outputs":[{"name":"predictions"}]})";

TEST(OpenInference, TheServerAndItsModelsSayWhatTheyAre) {
  ServedProject world;
  EXPECT_EQ(world.get("/v2").text, R"({"name":"trimtab","version":"0.0.0",)"
                                   R"("extensions":["binary_tensor_data"]})");
  EXPECT_EQ(world.get("/v2/health/live").text, R"({"live":true})");
  EXPECT_EQ(world.get("/v2/health/ready").text, R"({"ready":true})");
  EXPECT_EQ(world.get("/v2/models/late/ready").text, R"({"name":"late","ready":true})");
  EXPECT_EQ(world.get("/v2/models/late").text,
            R"({"name":"late","versions":["2"],"platform":"trimtab","inputs":[{"name":"x",)"
            R"("datatype":"FP64","shape":[-1]},)"
            R"({"name":"at","datatype":"BYTES","shape":[-1],)"
            R"("parameters":{"optional":true}}],"outputs":[)"
            R"({"name":"predictions","datatype":"FP64","shape":[-1]},)"
            R"({"name":"prediction_ids","datatype":"BYTES","shape":[-1]}]})");
}

TEST(OpenInference, TheRepositoryIsTheEndpoints) {
  ServedProject world(true, "  second: {model: m}\n");
  const std::string late = R"({"name":"late","version":"2","state":"READY","reason":""})";
  const std::string second =
      R"({"name":"second","version":"","state":"UNAVAILABLE","reason":"no version serves here yet"})";
  EXPECT_EQ(world.post("/v2/repository/index", "").text, "[" + late + "," + second + "]");
  EXPECT_EQ(world.post("/v2/repository/index", R"({"ready":true})").text, "[" + late + "]");
  EXPECT_EQ(world.post("/v2/repository/index", "{").status, 400);
}

TEST(OpenInference, ARequestIsAnsweredByItsIdOnce) {
  ServedProject world;
  const char* reply = R"({"model_name":"late","model_version":"2","id":"r1",)"
                      R"("outputs":[{"name":"predictions","datatype":"FP64","shape":[1],"data":[0.75]}]})";
  EXPECT_EQ(world.post(kInfer, kRow).text, reply);
  EXPECT_EQ(world.post("/v2/models/late/versions/2/infer", kRow).text, reply);
  std::string other = kRow;
  other.replace(other.find("[1]}"), 3, "[5]");
  const Answered conflict = world.post(kInfer, other);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_TRUE(
      conflict.body.text_or("error").starts_with("the prediction id 'r1' was used for another input"));
}

TEST(OpenInference, ABinaryTensorIsTheSameRow) {
  ServedProject world;
  const std::string json =
      R"({"inputs":[{"name":"x","datatype":"FP64","shape":[1,1],"parameters":{"binary_data_size":8}}],)"
      R"("outputs":[{"name":"predictions","parameters":{"binary_data":true}}]})";
  const double one = 1;
  const Answered answer =
      world.send({.path = kInfer,
                  .body = json + std::string(reinterpret_cast<const char*>(&one), sizeof one),
                  .type = "application/octet-stream",
                  .headers = {{"Inference-Header-Content-Length", std::to_string(json.size())}}});
  EXPECT_EQ(answer.status, 200) << answer.text;
  const double score = 0.75;
  EXPECT_TRUE(answer.text.ends_with(R"("shape":[1],"parameters":{"binary_data_size":8}}]})" +
                                    std::string(reinterpret_cast<const char*>(&score), sizeof score)));
}

TEST(OpenInference, RefusalsHaveItsShape) {
  ServedProject world;
  const auto error_of = [](const Answered& answer) { return answer.body.text_or("error"); };
  EXPECT_EQ(world.get("/v2/models/lat/ready").text,
            R"~({"error":"there is no endpoint 'lat' (did you mean 'late'?)"})~");
  const Answered version = world.post("/v2/models/late/versions/9/infer", kRow);
  EXPECT_EQ(version.status, 404);
  EXPECT_EQ(error_of(version), "version '9' of 'late' does not serve (version 2 does)");
  EXPECT_EQ(error_of(world.post(kInfer, "{}")), "the request has no list 'inputs'");
  const char* stranger = R"({"inputs":[{"name":"z","datatype":"INT8","shape":[1],"data":[1]}]})";
  EXPECT_EQ(error_of(world.post(kInfer, stranger)), "there is no column 'z' (did you mean 'x'?)");
  const Answered size =
      world.send({.path = kInfer, .body = "{}", .headers = {{"Inference-Header-Content-Length", "2x"}}});
  EXPECT_EQ(error_of(size), "Inference-Header-Content-Length is no whole number: '2x'");
}

}  // namespace
}  // namespace trimtab::api
