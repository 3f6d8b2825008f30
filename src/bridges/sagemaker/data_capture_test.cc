#include "bridges/sagemaker/data_capture.h"

#include <gtest/gtest.h>

namespace trimtab::bridges {
namespace {

// One side of a call as the monitor writes it.
Json side(const char* type, const char* data, const char* encoding) {
  Json json = Json::object({{"observedContentType", type}, {"mode", "INPUT"}});
  return json.set("data", data).set("encoding", encoding);
}

std::string line(const Json& input, const Json& output, const char* inference_id = "") {
  Json event = Json::object({{"eventId", "aaaa-1"}, {"inferenceTime", "2022-02-14T17:25:49Z"}});
  if (*inference_id != '\0') event.set("inferenceId", inference_id);
  Json data = Json::object({{"endpointInput", input}});
  if (!output.is_null()) data.set("endpointOutput", output);
  Json json = Json::object({{"captureData", data}, {"eventMetadata", event}});
  return json.set("eventVersion", "0").dump();
}

TEST(DataCapture, OfCsvGivesARowALine) {
  const auto rows =
      read_capture_line(line(side("text/csv", "132,25,\"a, b\",\n05,,x,2\n", "CSV"),
                             side("text/csv; charset=utf-8", "0.01076381653547287,0.5", "CSV")));
  ASSERT_TRUE(rows) << base::render(rows.error());
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0].id, "aaaa-1-0");
  EXPECT_EQ((*rows)[0].values, (std::vector<Json>{"132", "25", "a, b", nullptr}));
  EXPECT_EQ((*rows)[1].prediction, "0.5");
  EXPECT_EQ(*capture_csv(*rows),
            "prediction_id,time,c0,c1,c2,c3,prediction\n"
            "aaaa-1-0,2022-02-14T17:25:49Z,132,25,\"a, b\",,0.01076381653547287\n"
            "aaaa-1-1,2022-02-14T17:25:49Z,05,,x,2,0.5\n");
}

TEST(DataCapture, OfJsonKeepsNamesAndTheCallersId) {
  const char* asked = R"({"instances":[{"x":1,"place":"JFK"}]})";
  const auto rows =
      read_capture_line(line(side("application/json", asked, "JSON"),
                             side("application/json", R"({"predictions":[0.25]})", "JSON"), "mine"));
  ASSERT_TRUE(rows) << base::render(rows.error());
  EXPECT_EQ(*capture_csv(*rows),
            "prediction_id,time,x,place,prediction\nmine,2022-02-14T17:25:49Z,1,JFK,0.25\n");
}

TEST(DataCapture, Base64IsOpenedAndAnswersMayBeMissing) {
  const auto rows = read_capture_line(line(side("text/csv", "MSwy", "BASE64"), nullptr));
  ASSERT_TRUE(rows) << base::render(rows.error());
  EXPECT_EQ((*rows)[0].values, (std::vector<Json>{"1", "2"}));
  EXPECT_EQ((*rows)[0].prediction, "");
}

TEST(DataCapture, OursComesBackAsItWas) {
  model::Prediction prediction;
  prediction.id = "p-1";
  prediction.received = 1'364'774'400 * base::kSecondUs;
  prediction.request_json = R"({"x":1.5,"place":"JFK"})";
  prediction.scores = {{1, model::Role::served, 0.25}};
  const auto rows = read_capture_line(capture_line(prediction));
  ASSERT_TRUE(rows) << base::render(rows.error());
  EXPECT_EQ(*capture_csv(*rows),
            "prediction_id,time,x,place,prediction\np-1,2013-04-01T00:00:00Z,1.5,JFK,0.25\n");
}

TEST(DataCapture, SaysWhatIsWrong) {
  const auto refusal = [](const std::string& line) {
    const auto rows = read_capture_line(line);
    return rows ? "" : rows.error().message;
  };
  EXPECT_EQ(refusal("{}"), "this is no captured call: 'captureData.endpointInput' is missing");
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{}}})"),
            "this is no captured call: 'eventMetadata.eventId' is missing");
  const std::string event = R"(,"eventMetadata":{"eventId":"e","inferenceTime":"2022-02-14T17:25:49Z"}})";
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{}})" + event),
            "this is no captured call: endpointInput has no data");
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{"data":"M","encoding":"BASE64"}})" + event),
            "this is no captured call: the data of endpointInput is no base64");
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{"data":"%%%","encoding":"BASE64"}})" + event),
            "this is no captured call: the data of endpointInput is no base64");
  EXPECT_EQ(
      refusal(R"({"captureData":{"endpointInput":{"data":"1","encoding":"PROTO"}})" + event),
      "this is no captured call: the encoding of endpointInput is 'PROTO', CSV, JSON or BASE64 is wanted");
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{"data":"3","encoding":"JSON"}})" + event),
            "this is no captured call: the input is neither an object nor a list");
  EXPECT_EQ(refusal(R"({"captureData":{"endpointInput":{"data":"1\n2","encoding":"CSV"},)"
                    R"("endpointOutput":{"data":"1\n2\n3","encoding":"CSV"}})" +
                    event),
            "this is no captured call: 2 rows were asked for, and 3 answered");
  EXPECT_NE(refusal("not json"), "");
  CapturedRow one;
  one.values = {1.0};
  CapturedRow two;
  two.id = "b";
  two.values = {1.0, 2.0};
  EXPECT_EQ(capture_csv({one, two}).error().message, "captured row 2 ('b') has other columns than the first");
}

}  // namespace
}  // namespace trimtab::bridges
