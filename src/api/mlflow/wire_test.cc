#include "api/mlflow/wire.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace trimtab::api {
namespace {

constexpr std::string_view kSeeDocs = " See the API docs for more information about request parameters.";

http::Request post(std::string_view body) {
  http::Request request;
  request.method = "POST";
  request.body = body;
  request.headers = {{"Content-Type", "application/json; charset=utf-8"}};
  return request;
}

MlflowParameters sent(std::string_view body) {
  Result<MlflowParameters> read = MlflowParameters::read(post(body));
  EXPECT_TRUE(read) << body;
  return *std::move(read);
}

MlflowParameters asked(std::string_view query) {
  http::Request request;
  request.method = "GET";
  request.query = query;
  Result<MlflowParameters> read = MlflowParameters::read(request);
  EXPECT_TRUE(read) << query;
  return *std::move(read);
}

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "(no refusal)" : result.error().message;
}

TEST(MlflowParameters, ReadsABodyAsOldAndNewClientsSendIt) {
  EXPECT_EQ(*sent(R"({"name":"a"})").text("name"), "a");
  EXPECT_EQ(*sent(R"("{\"name\":\"a\"}")").text("name"), "a") << "encoded twice";
  EXPECT_EQ(*sent("").find_text("name"), std::nullopt);
  EXPECT_EQ(*sent("null").find_text("name"), std::nullopt);
}

TEST(MlflowParameters, RefusesABodyThatIsNoObjectOfParameters) {
  EXPECT_EQ(refusal(MlflowParameters::read(post("[]"))),
            "the request's body is a JSON array, not an object with the parameters");
  EXPECT_EQ(MlflowParameters::read(post("{")).error().code, ErrorCode::malformed);
  EXPECT_EQ(MlflowParameters::read(post(std::string(100'000, '['))).error().code, ErrorCode::malformed);
}

// A page of another site can send these types without asking first.
TEST(MlflowParameters, RefusesOtherMediaTypesInMlflowsWords) {
  http::Request request = post("{}");
  request.headers = {{"Content-Type", "text/plain"}};
  EXPECT_EQ(refusal(MlflowParameters::read(request)),
            "Bad Request. Content-Type must be one of ['application/json'].");
  request.headers.clear();
  EXPECT_EQ(refusal(MlflowParameters::read(request)), "Bad Request. Content-Type header is missing.");
}

TEST(MlflowParameters, ReadsAQueryWithRepeatedNamesAsLists) {
  const MlflowParameters query = asked("run_id=a%20b&max_results=5&ids=1&ids=2&flag=True");
  EXPECT_EQ(*query.text("run_id"), "a b");
  EXPECT_EQ(*query.find_integer("max_results"), 5);
  EXPECT_EQ(*query.texts("ids"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(*query.texts("run_id"), std::vector<std::string>{"a b"});
  EXPECT_EQ(*query.text("ids"), "1");
  EXPECT_TRUE(*query.flag("flag"));
  EXPECT_EQ(refusal(asked("flag=yes").flag("flag")),
            "Invalid boolean value: yes, must be 'true' or 'false'.");
}

TEST(MlflowParameters, NamesWhatIsMissingInMlflowsWords) {
  for (const char* body : {"{}", R"({"name":null})", R"({"name":""})"}) {
    EXPECT_EQ(refusal(sent(body).text("name")),
              "Missing value for required parameter 'name'." + std::string(kSeeDocs));
  }
  EXPECT_EQ(refusal(sent("{}").integer("timestamp")),
            "Missing value for required parameter 'timestamp'." + std::string(kSeeDocs));
  EXPECT_EQ(refusal(sent(R"({"tags":[{"key":"a"},{"value":"b"}]})").key_values("tags")),
            "Missing value for required parameter 'tags[1].key'." + std::string(kSeeDocs));
}

TEST(MlflowParameters, ShowsAValueOfTheWrongTypeAsPythonWritesIt) {
  const auto shown = [](std::string value, std::string type) {
    const std::string body = R"({"name":)" + value + "}";
    EXPECT_EQ(refusal(sent(body).text("name")),
              "Invalid value " + value + " for parameter 'name' supplied:  Hint: Value was of type '" + type +
                  "'." + std::string(kSeeDocs));
  };
  shown("123", "int");
  shown("1.5", "float");
  shown("true", "bool");
  shown("[1,2]", "list");
  shown(R"({"a":1,"b":2})", "dict");
  EXPECT_NE(
      refusal(sent(R"({"name":{"b":"é😀","a":1}})").text("name")).find(R"({"a":1,"b":"\u00e9\ud83d\ude00"})"),
      std::string::npos);
}

TEST(MlflowParameters, NamesTheParameterThatHoldsANul) {
  const std::string said = R"(Invalid value "a\u0000b" for parameter ')";
  EXPECT_EQ(refusal(sent(R"({"name":"a\u0000b"})").text("name")),
            said + "name' supplied: It holds a NUL character.");
  EXPECT_EQ(refusal(sent(R"({"run_name":"a\u0000b"})").find_text("run_name")),
            said + "run_name' supplied: It holds a NUL character.");
  EXPECT_EQ(refusal(sent(R"({"tags":[{"key":"k"},{"key":"l","value":"a\u0000b"}]})").key_values("tags")),
            said + "tags[1].value' supplied: It holds a NUL character.");
}

TEST(MlflowParameters, TakesIntegersAsProtobufDoes) {
  EXPECT_EQ(*sent(R"({"step":7})").integer("step"), 7);
  EXPECT_EQ(*sent(R"({"step":"7"})").integer("step"), 7);
  EXPECT_EQ(*sent(R"({"step":7.0})").integer("step"), 7);
  for (const char* wrong : {R"("x")", "1.5", "true", R"("1e3")", "[]"}) {
    EXPECT_FALSE(sent(R"({"step":)" + std::string(wrong) + "}").integer("step")) << wrong;
  }
}

TEST(MlflowParameters, TakesWhatJsonCannotSayOfANumberAsText) {
  EXPECT_TRUE(std::isnan(*sent(R"({"value":"NaN"})").number("value")));
  EXPECT_TRUE(std::isinf(*sent(R"({"value":"-Infinity"})").number("value")));
  EXPECT_EQ(*sent(R"({"value":"0.5"})").number("value"), 0.5);
  EXPECT_EQ(*sent(R"({"value":3})").number("value"), 3);
  EXPECT_FALSE(sent(R"({"value":"nan"})").number("value"));
  EXPECT_FALSE(sent(R"({"value":true})").number("value"));
}

TEST(MlflowParameters, KnowsARunByItsOldNameToo) {
  EXPECT_EQ(*sent(R"({"run_uuid":"a"})").run_id(), "a");
  EXPECT_EQ(*sent(R"({"run_uuid":"a","run_id":"b"})").run_id(), "b");
  EXPECT_EQ(refusal(sent("{}").run_id()),
            "Missing value for required parameter 'run_id'." + std::string(kSeeDocs));
}

TEST(MlflowParameters, RefusesAnExperimentIdThatIsNoNumber) {
  EXPECT_EQ(*sent(R"({"experiment_id":"12"})").experiment_id("experiment_id"), 12);
  EXPECT_EQ(refusal(sent(R"({"experiment_id":"abc"})").experiment_id("experiment_id")),
            "Invalid experiment ID 'abc'. Experiment ID must be a valid integer.");
}

TEST(MlflowReplies, SayErrorsWithMlflowsCodeAndStatus) {
  const http::Reply reply = mlflow_error({ErrorCode::already_exists, "there", {}, std::nullopt, nullptr});
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, R"({"error_code":"RESOURCE_ALREADY_EXISTS","message":"there"})");
  EXPECT_EQ(mlflow_error({ErrorCode::storage_full, "full", {}, std::nullopt, nullptr}).status, 503);
  EXPECT_EQ(mlflow_error({ErrorCode::too_large, "long", {}, std::nullopt, nullptr}).status, 400);
  EXPECT_EQ(mlflow_reply(Status()).body, "{}");
}

TEST(PageToken, IsPythonsBase64OfTheOffset) {
  EXPECT_EQ(page_token(5), "eyJvZmZzZXQiOiA1fQ==");
  EXPECT_EQ(*page_offset("eyJvZmZzZXQiOiA1fQ=="), 5);
  EXPECT_EQ(*page_offset(std::nullopt), 0);
  EXPECT_EQ(*page_offset(""), 0);
  for (const std::int64_t offset : {1, 9, 10, 99, 100, 123456789})
    EXPECT_EQ(*page_offset(page_token(offset)), offset);
}

TEST(PageToken, IsRefusedInMlflowsWordsWhenItIsNone) {
  EXPECT_EQ(refusal(page_offset("abc")), "Invalid page token, could not base64-decode");
  EXPECT_EQ(refusal(page_offset("eHl6")), "Invalid page token, decoded value=b'xyz'");
  EXPECT_EQ(refusal(page_offset("e30=")), "Invalid page token, parsed value={}");
}

TEST(MetricNumber, KeepsWhatJsonCannotSay) {
  EXPECT_EQ(metric_number(std::nan("")).dump(), R"("NaN")");
  EXPECT_EQ(metric_number(-std::numeric_limits<double>::infinity()).dump(), "-1.7976931348623157e+308");
}

TEST(MlflowRoute, StandsUnderBothPrefixesAndEachVersion) {
  const auto routes =
      mlflow_route("POST", "/mlflow/runs/create", "Creates a run", http::Permission::open,
                   [](const MlflowParameters&, const http::Request&, http::ReplyPromise) -> http::Answer {
                     return http::Reply::text("made");
                   },
                   {"2.0", "3.0"});
  ASSERT_EQ(routes.size(), 4u);
  EXPECT_EQ(routes[0].path, "/api/2.0/mlflow/runs/create");
  EXPECT_EQ(routes[3].path, "/ajax-api/3.0/mlflow/runs/create");
  const http::Request wrong = post("[]");
  const http::Answer answer = routes[0].handler(wrong, http::ReplyPromise([](http::Reply) {}));
  EXPECT_EQ(std::get<http::Reply>(answer).status, 400);
}

}  // namespace
}  // namespace trimtab::api
