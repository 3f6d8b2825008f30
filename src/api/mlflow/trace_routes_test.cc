// Traces, spans and webhooks over a real home: what a client is answered and what is refused, whatever is
// sent. tests/clients drives the same with MLflow's own client.
#include <rapidcheck.h>

#include "api/mlflow/otlp_spans.h"
#include "api/mlflow/route_world_test.h"

namespace trimtab::api {
namespace {

std::string field(int number, std::string_view bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (std::size_t size = bytes.size(); true; size >>= 7) {
    out += static_cast<char>(size < 128 ? size : (size & 127) | 128);
    if (size < 128) return out + std::string(bytes);
  }
}

std::string fixed(int number, std::uint64_t value) {
  std::string out(1, static_cast<char>(number << 3 | 1));
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string attribute(std::string_view key, std::string_view any_value) {
  return field(9, field(1, key) + field(2, any_value));
}

// One root span in its request.
std::string request_of(const std::string& more = {}) {
  const std::string span =
      field(1, "0123456789abcdef") + field(2, "ABCDEFGH") + field(5, "answer") + fixed(7, 1'000'000'000) +
      fixed(8, 1'250'000'000) + attribute("mlflow.spanType", field(1, "LLM")) +
      attribute("depth", std::string("\x18\x03", 2)) + field(15, std::string("\x18\x01", 2)) + more;
  return field(1, field(2, field(2, span)));
}

const std::string kTrace = "tr-30313233343536373839616263646566";

class TraceRoutes : public RouteWorld {
 protected:
  http::Reply send(std::string_view bytes, std::string_view type = "application/x-protobuf") const {
    return ask("POST", "/v1/traces", bytes, nullptr,
               {{"Content-Type", type}, {"x-mlflow-experiment-id", "0"}});
  }
  Json trace(const std::string& rest, std::string_view method = "GET", std::string_view body = {}) const {
    return call(method, "traces/" + rest, body, "3.0");
  }
};

TEST_F(TraceRoutes, SpansAloneMakeATrace) {
  ASSERT_EQ(send(request_of()).status, 200);
  const Json kept = trace("get?trace_id=" + kTrace)["trace"];
  EXPECT_EQ(kept["trace_info"].text_or("request_time"), "1970-01-01T00:00:01Z");
  EXPECT_EQ(kept["trace_info"].text_or("execution_duration"), "0.250s");
  EXPECT_EQ(kept["trace_info"].text_or("state"), "OK");
  EXPECT_EQ(
      kept["spans"].as_array().at(0).dump(),
      R"({"trace_id":"MDEyMzQ1Njc4OWFiY2RlZg==","span_id":"QUJDREVGR0g=","name":"answer",)"
      R"("start_time_unix_nano":1000000000,"end_time_unix_nano":1250000000,"attributes":[)"
      R"({"key":"mlflow.spanType","value":{"string_value":"LLM"}},{"key":"depth","value":{"int_value":3}},)"
      R"({"key":"mlflow.traceRequestId","value":{"string_value":")" +
          kTrace + R"("}}],"status":{"code":"STATUS_CODE_OK"}})");
}

TEST_F(TraceRoutes, JsonSaysTheSameAsProtobuf) {
  const auto json = read_otlp_json(
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"30313233343536373839616263646566",)"
      R"("spanId":"4142434445464748","name":"answer","startTimeUnixNano":"1000000000",)"
      R"("endTimeUnixNano":"1250000000",)"
      R"("attributes":[{"key":"mlflow.spanType","value":{"stringValue":"LLM"}},)"
      R"({"key":"depth","value":{"intValue":"3"}}],"status":{"code":1}}]}]}]})");
  EXPECT_EQ(json.value().at(0).body, read_otlp_protobuf(request_of()).value().at(0).body);
}

TEST_F(TraceRoutes, HostileProtobufIsRefused) {
  EXPECT_EQ(send("").body, R"({"detail":"Invalid OpenTelemetry format - no spans found"})");
  for (const std::string& bytes :
       {std::string("\x0a\xff\xff\xff\xff\x0f", 6),
        std::string("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12), std::string("\x0b"),
        std::string("\x00\x00", 2), std::string("\x0a"), field(1, field(2, "\x12\x7f")),
        request_of(field(5, "\xff\xfe")), request_of(fixed(7, UINT64_MAX))}) {
    const http::Reply reply = send(bytes);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body, R"({"detail":"Invalid OpenTelemetry format"})");
  }
  std::string deep = field(1, "x");
  for (int i = 0; i < 10'000; ++i) deep = field(5, field(1, deep));
  EXPECT_EQ(send(request_of(attribute("deep", deep))).status, 400);
  EXPECT_EQ(send(field(1, field(2, field(2, field(5, "no ids"))))).body,
            R"({"detail":"Cannot convert OpenTelemetry span to MLflow span"})");
  EXPECT_EQ(send(request_of(), "text/plain").body,
            R"({"detail":"Invalid Content-Type: text/plain. Expected: )"
            R"(application/x-protobuf or application/json"})");
  EXPECT_EQ(
      ask("POST", "/v1/traces", request_of(), nullptr, {{"Content-Type", "application/x-protobuf"}}).status,
      422);
}

TEST(OtlpSpans, NoBytesBringItDown) {
  rc::check([](const std::string& bytes) {
    static_cast<void>(read_otlp_protobuf(bytes));
    static_cast<void>(read_otlp_json(bytes));
  });
}

TEST(OtlpSpans, NoCutBringsItDown) {
  const std::string whole = request_of();
  for (std::size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(read_otlp_protobuf(std::string_view(whole).substr(0, size))) << size;
}

TEST_F(TraceRoutes, RefusalsAreInMlflowsWords) {
  EXPECT_EQ(refusal("GET", "traces/tr-nobody", {}, "3.0"),
            "RESOURCE_DOES_NOT_EXIST: Trace with ID 'tr-nobody' not found.");
  EXPECT_EQ(refusal("GET", "traces/get?trace_id=tr-nobody", {}, "3.0"),
            "RESOURCE_DOES_NOT_EXIST: Trace with ID tr-nobody is not found.");
  EXPECT_EQ(refusal("POST", "traces/search", R"({"locations":[],"max_results":501})", "3.0").substr(0, 25),
            "INVALID_PARAMETER_VALUE: ");
  EXPECT_EQ(refusal("POST", "traces/delete-traces", R"({"experiment_id":"0"})", "3.0"),
            "INVALID_PARAMETER_VALUE: Either `max_timestamp_millis` or `trace_ids` must be specified.");
  EXPECT_EQ(
      refusal("PATCH", "traces/t/tags", R"({"key":"mlflow.artifactLocation","value":"/etc"})", "3.0"),
      "INVALID_PARAMETER_VALUE: Tag 'mlflow.artifactLocation' is immutable and cannot be set on a trace.");
  EXPECT_EQ(refusal("POST", "traces/t/assessments", R"({"assessment":{"assessment_name":"x"}})", "3.0"),
            "INVALID_PARAMETER_VALUE: Unknown assessment type: None");
}

TEST_F(TraceRoutes, HostileFiltersAreRefusedAtOnce) {
  std::string terms = "tags.a = '1'";
  for (int i = 0; i < 5'000; ++i) terms += " AND tags.a = '1'";
  for (const std::string& filter : {std::string(100'000, 'x'), terms, std::string(500, '\'')}) {
    const Json body = Json::object({{"locations", Json::array()}, {"filter", filter}});
    const TimeUs begin = base::steady_now();
    EXPECT_EQ(trace("search", "POST", body.dump()).text_or("error_code"), "INVALID_PARAMETER_VALUE");
    EXPECT_LT(base::steady_now() - begin, 2 * base::kSecondUs);
  }
}

TEST_F(TraceRoutes, OldClientsBeginAndEndThem) {
  const Json begun =
      post("traces", R"({"experiment_id":"0","timestamp_ms":1000,"tags":[{"key":"a","value":"b"}]})");
  const std::string id = begun["trace_info"].text_or("request_id");
  EXPECT_EQ(begun["trace_info"].text_or("status"), "IN_PROGRESS");
  const Json ended = call("PATCH", "traces/" + id, R"({"timestamp_ms":1500,"status":"OK"})")["trace_info"];
  EXPECT_EQ(ended.int_or("execution_time_ms"), 500);
  EXPECT_EQ(get("traces/" + id + "/info")["trace_info"].text_or("status"), "OK");
  EXPECT_EQ(get("traces?experiment_ids=0")["traces"].as_array().size(), 1u);
}

TEST_F(TraceRoutes, UploadsComeInParts) {
  const std::string at = "/api/2.0/mlflow-artifacts/mpu/";
  const auto json = [&](const std::string& path, const std::string& body) {
    return base::parse_json(ask("POST", at + path, body).body).value();
  };
  const Json made = json("create/0/x", R"({"path":"/home/me/f.bin","num_parts":2})");
  const std::string id = made.text_or("upload_id");
  ASSERT_EQ(made["credentials"].as_array().size(), 2u);
  const auto put = [&](const std::string& part, const std::string& body) {
    return ask("PUT", at + "part/" + id + "/" + part, body);
  };
  const auto tag = [](const http::Reply& reply) {
    return reply.headers.empty() ? "" : reply.headers[0].second;
  };
  const std::string first = tag(put("1", "abc"));
  const std::string second = tag(put("2", "def"));
  EXPECT_EQ(put("3", "x").status, 400);
  EXPECT_EQ(ask("PUT", at + "part/0123456789abcdef0123456789abcdef/1", "x").status, 404);
  const auto parts = [&](const std::string& a, const std::string& b) {
    const auto part = [](int number, const std::string& etag) {
      return Json::object({{"part_number", number}, {"etag", etag}});
    };
    return Json::object({{"path", "f.bin"},
                         {"upload_id", id},
                         {"parts", Json::array().push(part(1, a)).push(part(2, b))}})
        .dump();
  };
  EXPECT_EQ(json("complete/0/x", parts(first, first)).text_or("error_code"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(json("complete/0/other", parts(first, second)).text_or("error_code"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(json("complete/0/x", parts(first, second)).dump(), "{}");
  const http::Reply whole = ask("GET", "/api/2.0/mlflow-artifacts/artifacts/0/x/f.bin");
  EXPECT_EQ(whole.file->size, 6u);
  EXPECT_EQ(json("abort/0/x", R"({"path":"f.bin","upload_id":"nobody"})").dump(), "{}");
  EXPECT_EQ(json("create/0/x", R"({"path":"f","num_parts":10001})").text_or("error_code"),
            "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(json("create/0/x", R"({"path":"..","num_parts":1})").text_or("error_code"),
            "INVALID_PARAMETER_VALUE");
}

TEST_F(TraceRoutes, WebhooksAreKeptWithoutTheirSecret) {
  const std::string body =
      R"({"name":"ci",)"
      R"("url":"https://8.8.8.8/x","secret":"s","events":[{"entity":"MODEL_VERSION","action":"CREATED"}]})";
  const Json made = post("webhooks", body)["webhook"];
  EXPECT_EQ(made["events"].dump(), R"([{"entity":"MODEL_VERSION","action":"CREATED"}])");
  EXPECT_EQ(made.find("secret"), nullptr);
  EXPECT_EQ(get("webhooks")["webhooks"].as_array().size(), 1u);
  const std::string path = "webhooks/" + made.text_or("webhook_id");
  EXPECT_EQ(call("PATCH", path, R"({"status":"DISABLED"})")["webhook"].text_or("status"), "DISABLED");
  EXPECT_EQ(
      refusal("PATCH", path, R"({"url":"https://169.254.169.254/"})"),
      "INVALID_PARAMETER_VALUE: Webhook URL must not resolve to a non-public IP address. '169.254.169.254' "
      "resolves to 169.254.169.254.");
  EXPECT_EQ(call("DELETE", path).dump(), "{}");
  EXPECT_EQ(refusal("GET", path),
            "RESOURCE_DOES_NOT_EXIST: Webhook with ID " + made.text_or("webhook_id") + " not found.");
}

}  // namespace
}  // namespace trimtab::api
