#include <gtest/gtest.h>

#include "api/served_project.h"

namespace trimtab::api {
namespace {

constexpr const char* kPath = "/api/v1/endpoints/late/what-if";

TEST(WhatIf, AnswersTheRowAndEachChangeAndLogsNothing) {
  ServedProject world;
  const std::int64_t logged = world.ward().log().rows();
  const Answered answer = world.post(kPath, R"({"row":{"x":1},"changes":[{"x":2},{"x":null}]})");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.body.text_or("model_version"), "2");
  EXPECT_EQ(answer.body["base"]["prediction"].dump(), "0.75");
  EXPECT_EQ(answer.body["base"]["explanation"]["contributions"].dump(), R"({"x":0.0})");
  ASSERT_EQ(answer.body["changes"].as_array().size(), 2u);
  const Json& second = answer.body["changes"].as_array()[1];
  EXPECT_EQ(second["change"].dump(), R"({"x":null})");
  EXPECT_EQ(second["difference"].dump(), "0.0");
  EXPECT_EQ(world.ward().log().rows(), logged);
}

TEST(WhatIf, SaysWhatIsWrong) {
  ServedProject world;
  EXPECT_EQ(world.post(kPath, R"({"changes":[]})").refusal(),
            "malformed: 'row' is an object and 'changes' a list of objects (send "
            R"({"row":{"column":value,…},"changes":[{"column":other},…]}))");
  EXPECT_EQ(world.post(kPath, R"({"row":{"x":1},"changes":[5]})").refusal(),
            "malformed: change 1 is no object: 5");
  EXPECT_EQ(world.post("/api/v1/endpoints/lat/what-if", "{}").status, 404);
}

TEST(Explanations, AreGivenOnRequest) {
  ServedProject world;
  const std::string path = "/endpoints/late/invocations";
  const std::string rows = R"({"instances":[{"x":1}]})";
  EXPECT_TRUE(world.post(path, rows).body["explanations"].is_null());
  EXPECT_EQ(world.post(path + "?explain=false", rows).body["explanations"].is_null(), true);
  for (const Answered& answer : {world.post(path + "?explain=true", rows),
                                 world.post(path, R"({"explain":true,"instances":[{"x":1}]})")}) {
    ASSERT_EQ(answer.body["explanations"].as_array().size(), 1u) << answer.text;
    const Json& why = answer.body["explanations"].as_array()[0];
    EXPECT_EQ(why.text_or("model_version"), "2");
    EXPECT_NEAR(why["base"].as_double(), 1.0986122886681098, 1e-12) << "the log-odds of 0.75";
  }
}

TEST(WhatIf, TooManyChangesAndColumnsAreRefused) {
  ServedProject world;
  std::string changes = "{}";
  for (int i = 1; i < 100; ++i) changes += ",{}";
  EXPECT_EQ(world.post("/api/v1/endpoints/late/what-if", R"({"row":{"x":1},"changes":[)" + changes + "]}")
                .refusal(),
            "too_large: there are 100 changes (send at most 99 at once)");
  std::string wide = R"({"x":1)";
  for (int i = 0; i < 10'001; ++i) wide += ",\"c" + std::to_string(i) + "\":1";
  wide += "}";
  const char* path = "/api/v1/endpoints/late/what-if";
  EXPECT_EQ(world.post(path, R"({"row":)" + wide + "}").refusal(),
            "too_large: 'row' has more than 10000 columns");
  EXPECT_EQ(world.post(path, R"({"row":{"x":1},"changes":[)" + wide + "]}").refusal(),
            "too_large: change 1 has too many columns");
}

}  // namespace
}  // namespace trimtab::api
