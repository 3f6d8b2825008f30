// Our own route as boto3's sagemaker-runtime calls it.
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

const std::pair<std::string, std::string> kSigned = {"Authorization",
                                                     "AWS4-HMAC-SHA256 Credential=a, Signature=b"};
constexpr const char* kRow = R"({"instances":[{"x":1}]})";

TEST(SageMakerRuntime, ACallerThatSignsIsAnsweredAndRefusedInAmazonsWords) {
  ServedProject world;
  Sent sent{.path = "/endpoints/late/invocations", .body = kRow, .headers = {kSigned}};
  EXPECT_EQ(world.send(sent).body["predictions"].dump(), "[0.75]");
  sent.body = R"({"instances":[{"y":1}]})";
  const Answered model = world.send(sent);
  EXPECT_EQ(model.status, 424);
  EXPECT_EQ(model.body.text_or("OriginalMessage"),
            "the request lacks the column 'x' (null says that a value is not known)");
  EXPECT_EQ(model.body["OriginalStatusCode"].dump(), "400");
  EXPECT_EQ(model.body.text_or("Message"),
            "Received client error (400) from primary with message \"the request lacks the column 'x' "
            "(null says that a value is not known)\".");
  sent.path = "/endpoints/lat/invocations";
  const Answered none = world.send(sent);
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.text, R"~({"Message":"there is no endpoint 'lat' (did you mean 'late'?)"})~");
}

TEST(SageMakerRuntime, TargetsAreCheckedAgainstWhatTheEndpointHas) {
  ServedProject world;
  const auto status = [&world](const char* header, const char* value) {
    return world.send({.path = "/endpoints/late/invocations", .body = kRow, .headers = {{header, value}}})
        .status;
  };
  for (const char* model : {"m", "m.tar.gz", "/m.tar.gz", "late"})
    EXPECT_EQ(status("X-Amzn-SageMaker-Target-Model", model), 200) << model;
  EXPECT_EQ(status("X-Amzn-SageMaker-Target-Variant", "champion"), 200);
  EXPECT_EQ(status("X-Amzn-SageMaker-Target-Variant", "AllTraffic"), 200);
  EXPECT_EQ(status("X-Amzn-SageMaker-Target-Variant", "blue"), 404);
  const Answered other = world.send({.path = "/endpoints/late/invocations",
                                     .body = kRow,
                                     .headers = {{"X-Amzn-SageMaker-Target-Model", "n.tar.gz"}}});
  EXPECT_EQ(other.refusal(), "not_found: endpoint 'late' serves the model 'm', not 'n'");
}

TEST(SageMakerRuntime, RowsMayBeCsvWithoutAHeader) {
  ServedProject world;
  const Answered answer = world.send({.path = "/endpoints/late/invocations",
                                      .body = "1\n\n2\n",
                                      .type = "text/csv",
                                      .headers = {{"X-Amzn-SageMaker-Inference-Id", "of-two"}}});
  EXPECT_EQ(answer.body["predictions"].dump(), "[0.75,0.75]") << answer.text;
  EXPECT_EQ(answer.body["prediction_ids"].dump(), R"(["of-two-1","of-two-2"])");
  EXPECT_EQ(
      world.send({.path = "/endpoints/late/invocations", .body = "1,2\n", .type = "text/csv"}).refusal(),
      "malformed: line 1 of the CSV: it has 2 cells for 1 columns (without a header the columns are x)");
}

}  // namespace
}  // namespace trimtab::api
