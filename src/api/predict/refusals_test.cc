// What the server refuses by itself, in the words of the dialect whose path was asked.
#include "api/predict/refusals.h"

#include <gtest/gtest.h>

namespace trimtab::api {
namespace {

// The status and body of the server's own refusal, as the caller of that path gets it.
std::string refused(std::string_view path, const Error& error, int status,
                    const std::string& authorization = {}) {
  http::Request request;
  request.method = "POST";
  request.path = path;
  if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
  http::Reply reply = http::error_reply(error, status);
  reword_refusal(request, reply);
  std::string text = std::to_string(reply.status) + " " + reply.body;
  for (const auto& [name, value] : reply.headers) text += " " + name + ": " + value;
  return text;
}

const Error kNothing{ErrorCode::not_found, "there is nothing here", "look there", std::nullopt, nullptr};
const Error kType{ErrorCode::unsupported, "not this type", {}, std::nullopt, nullptr};

TEST(Refusals, OfTheServerHaveTheShapeOfTheDialect) {
  EXPECT_EQ(refused("/v2/models/m/config", kNothing, 404),
            R"~(404 {"error":"there is nothing here (look there)"})~");
  EXPECT_EQ(
      refused("/v1/endpoints/m:predict/", kNothing, 404),
      R"~(404 {"error":{"code":404,"message":"there is nothing here (look there)","status":"NOT_FOUND"}})~");
  EXPECT_EQ(refused("/v1/projects/p/locations/l/endpoints/m:predict", kType, 415),
            R"(415 {"error":{"code":415,"message":"not this type","status":"INVALID_ARGUMENT"}})");
  for (const char* path :
       {"/invocations", "/models/m", "/serving-endpoints/m", "/api/2.0/serving-endpoints/m/x"})
    EXPECT_EQ(refused(path, kNothing, 404),
              R"~(404 {"error_code":"ENDPOINT_NOT_FOUND","message":"there is nothing here (look there)"})~");
  EXPECT_EQ(refused("/invocations", kType, 405),
            R"(405 {"error_code":"BAD_REQUEST","message":"not this type"})");
}

TEST(Refusals, OfTheServerAreAmazonsForWhoSigns) {
  const std::string signature = "AWS4-HMAC-SHA256 Credential=a";
  EXPECT_EQ(refused("/endpoints/m/async-invocations", kNothing, 404, signature),
            R"~(400 {"Message":"there is nothing here (look there)"} x-amzn-ErrorType: ValidationError)~");
  EXPECT_EQ(refused("/endpoints/m/invocations", kType, 415, signature),
            R"(424 {"Message":"Received client error (415) from primary with message \"not this type\".",)"
            R"("OriginalStatusCode":415,"OriginalMessage":"not this type"} x-amzn-ErrorType: ModelError)");
  const Error busy{ErrorCode::busy, "later", {}, std::nullopt, nullptr};
  EXPECT_EQ(refused("/endpoints/m/invocations", busy, 503, signature),
            R"(503 {"Message":"later"} Retry-After: 1 x-amzn-ErrorType: ServiceUnavailable)");
  const Error who{ErrorCode::unauthenticated, "who?", {}, std::nullopt, nullptr};
  EXPECT_TRUE(
      refused("/endpoints/m/invocations", who, 401, signature).starts_with(R"(403 {"Message":"who?"})"));
}

TEST(Refusals, OfOtherPathsStayAsTheyAre) {
  const std::string ours =
      R"(404 {"error":{"code":"not_found","message":"there is nothing here","hint":"look there"}})";
  for (const char* path : {"/api/v1/endpoints/m", "/endpoints/m/invocations", "/v2x", "/modelsx", "/"})
    EXPECT_EQ(refused(path, kNothing, 404), ours) << path;
  http::Request request;
  request.path = "/v2";
  http::Reply page = http::Reply::text("no JSON", 404);
  reword_refusal(request, page);
  EXPECT_EQ(page.body, "no JSON");
}

}  // namespace
}  // namespace trimtab::api
