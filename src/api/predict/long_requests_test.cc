#include <future>
#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kPath = "/endpoints/late/invocations";

std::string many_rows() {
  std::string rows = R"({"instances":[)";
  for (int i = 0; i < 2000; ++i) rows += std::string(i > 0 ? "," : "") + R"({"x":1.0000000000001})";
  return rows + "]}";
}

// Keeps the thread for long requests at work until it is let go.
class Busy {
 public:
  explicit Busy(ServedProject& world) {
    EXPECT_TRUE(world.rooms().long_requests->submit([this] {
      begun_.set_value();
      let_go_.get_future().wait();
    }));
    begun_.get_future().wait();
  }
  void let_go() { let_go_.set_value(); }

 private:
  std::promise<void> begun_, let_go_;
};

TEST(LongRequests, AreAnsweredLikeShortOnes) {
  ServedProject world;
  const Answered answer = world.post(kPath, many_rows());
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body["predictions"].as_array().size(), 2000u);
  EXPECT_EQ(world.post("/invocations", many_rows()).status, 200);
}

TEST(LongRequests, ShortOnesDoNotWaitForThem) {
  ServedProject world;
  Busy busy(world);
  EXPECT_EQ(world.post(kPath, R"({"instances":[{"x":1}]})").status, 200);
  busy.let_go();
}

TEST(LongRequests, WhatWaitedLongerThanItsDeadlineIsRefused) {
  ServedProject world;
  Busy busy(world);
  Sent sent{.path = kPath, .body = many_rows(), .headers = {{"X-Trimtab-Deadline-Ms", "1"}}};
  auto late = std::async(std::launch::async, [&] { return world.send(sent); });
  while (world.rooms().long_requests->waiting() == 0) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  busy.let_go();
  const Answered answer = late.get();
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(answer.refusal().starts_with("busy: the request waited for ")) << answer.text;
  EXPECT_TRUE(answer.refusal().ends_with(
      "ms, longer than its deadline (send it again, later or with more patience)"));
}

TEST(LongRequests, ADeadlineIsAWholeNumber) {
  ServedProject world;
  const Sent sent{.path = kPath, .body = many_rows(), .headers = {{"X-Trimtab-Deadline-Ms", "soon"}}};
  EXPECT_EQ(world.send(sent).refusal(),
            "malformed: X-Trimtab-Deadline-Ms is no whole number of milliseconds: 'soon'");
}

// Tensors and Vertex' instances are long in the same way, and hear it in their own words.
TEST(LongRequests, EveryDialectWaitsAndIsRefusedInItsWords) {
  ServedProject world;
  std::string data;
  for (int i = 0; i < 2000; ++i) data += std::string(i > 0 ? "," : "") + "1.0000000000000001";
  const std::string tensors =
      R"({"inputs":[{"name":"x","datatype":"FP64","shape":[2000],"data":[)" + data + "]}]}";
  EXPECT_EQ(world.post("/v2/models/late/infer", tensors).status, 200);
  EXPECT_EQ(world.post("/v1/endpoints/late:predict", many_rows()).status, 200);
  Busy busy(world);
  while (world.rooms().long_requests->submit([] {})) {
  }
  const std::string words =
      "too many long requests for predictions are waiting (send it again a little later)";
  const auto check = [&world](Sent sent, const std::string& body) {
    const Answered answer = world.send(sent);
    ASSERT_EQ(answer.status, 503) << sent.path;
    EXPECT_EQ(answer.text, body);
  };
  check({.path = "/v2/models/late/infer", .body = tensors}, R"({"error":")" + words + "\"}");
  check({.path = "/v1/endpoints/late:predict", .body = many_rows()},
        R"({"error":{"code":503,"message":")" + words + R"(","status":"UNAVAILABLE"}})");
  check({.path = "/serving-endpoints/late/invocations", .body = many_rows()},
        R"({"error_code":"TEMPORARILY_UNAVAILABLE","message":")" + words + "\"}");
  check({.path = kPath, .body = many_rows(), .headers = {{"Authorization", "AWS4-HMAC-SHA256 Credential=a"}}},
        R"({"Message":")" + words + "\"}");
  busy.let_go();
}

TEST(LongRequests, ACompressedBodyIsRefusedAsSuch) {
  ServedProject world;
  const std::string words = "a compressed body (Content-Encoding: gzip) is not taken here";
  Sent sent{.path = kPath, .body = "\x1f\x8b", .headers = {{"Content-Encoding", "gzip"}}};
  EXPECT_EQ(world.send(sent).refusal(), "unsupported: " + words + " (send it as it is)");
  sent.path = "/v2/models/late/infer";
  EXPECT_EQ(world.send(sent).text, R"({"error":")" + words + R"~( (send it as it is)"})~");
  sent = {.path = kPath, .body = R"({"instances":[{"x":1}]})", .headers = {{"Content-Encoding", "identity"}}};
  EXPECT_EQ(world.send(sent).status, 200);
}

TEST(LongRequests, AFullQueueRefuses) {
  ServedProject world;
  Busy busy(world);
  while (world.rooms().long_requests->submit([] {})) {
  }
  const Answered answer = world.post(kPath, many_rows());
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.refusal(),
            "busy: too many long requests for predictions are waiting (send it again a little later)");
  busy.let_go();
}

}  // namespace
}  // namespace trimtab::api
