#include "watch/label.h"

#include <gtest/gtest.h>

#include "store/home.h"
#include "store/scratch_folder.h"

namespace trimtab::watch {
namespace {

constexpr TimeUs kNow = 1'000 * base::kSecondUs;

Result<std::vector<Label>> parse(const std::string& body, bool binary = true) {
  return parse_labels(base::parse_json(body).value(), binary, kNow);
}

std::string refusal(const std::string& row, bool binary = true) {
  const Result<std::vector<Label>> labels = parse(R"({"labels":[{"id":"a","label":1},)" + row + "]}", binary);
  if (labels) return "";
  EXPECT_EQ(labels.error().code, ErrorCode::invalid);
  return labels.error().message + (labels.error().hint.empty() ? "" : " (" + labels.error().hint + ")");
}

TEST(Labels, AreRead) {
  const std::vector<Label> labels =
      parse(R"({"labels":[{"id":"a","label":1},{"id":7,"label":false,"time":"1970-01-01T00:00:05Z"},)"
            R"({"id":"c","label":0.0,"time":null}]})")
          .value();
  ASSERT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0].prediction_id, "a");
  EXPECT_EQ(labels[0].value, 1);
  EXPECT_EQ(labels[0].time, kNow) << "a label without a time is known from now on";
  EXPECT_EQ(labels[1].prediction_id, "7");
  EXPECT_EQ(labels[1].value, 0);
  EXPECT_EQ(labels[1].time, 5 * base::kSecondUs);
  EXPECT_EQ(labels[2].time, kNow);
  EXPECT_EQ(parse(R"({"labels":[{"id":"a","label":-3.5}]})", false).value()[0].value, -3.5);
}

TEST(Labels, ARefusalNamesTheLabelAndWhatItShouldBe) {
  EXPECT_EQ(refusal(R"(["b",1])"),
            "label 2: it is no object (send {\"labels\":[{\"id\":\"…\",\"label\":1,"
            "\"time\":\"2013-04-01T00:00:00Z\"},…]}; time may be left out)");
  EXPECT_EQ(refusal(R"({"label":1})"), "label 2: 'id' is missing (it is one of the reply's prediction_ids)");
  EXPECT_EQ(refusal(R"({"id":"","label":1})"),
            "label 2: 'id' is empty (it is one of the reply's prediction_ids)");
  EXPECT_EQ(refusal(R"({"id":true,"label":1})"), "label 2: 'id' is true, which is no text");
  EXPECT_EQ(refusal(R"({"id":")" + std::string(257, 'x') + R"(","label":1})"),
            "label 2: 'id' has 257 bytes (an id has at most 256)");
  EXPECT_EQ(refusal(R"({"id":"b"})"), "label 2: 'label' is missing (it is 0 or 1 (or false or true))");
  EXPECT_EQ(refusal(R"({"id":"b","label":2})"),
            "label 2: 'label' is 2, but a label of this endpoint is 0 or 1 (or false or true)");
  EXPECT_EQ(refusal(R"({"id":"b","label":"yes"})"),
            "label 2: 'label' is 'yes', but a label of this endpoint is 0 or 1 (or false or true)");
  EXPECT_EQ(refusal(R"({"id":"b","label":true})", false),
            "label 2: 'label' is true, but a label of this endpoint is a number");
  EXPECT_EQ(refusal(R"({"id":"b","label":1,"time":"soon"})"),
            "label 2: 'time' is 'soon', which is no time (times are written as \"2013-04-01T00:00:00Z\")");
  EXPECT_EQ(refusal(R"({"id":"b","lable":1})"), "label 2: unknown field 'lable' (did you mean 'label'?)");
}

TEST(Labels, ABodyWithoutAListIsMalformed) {
  const Error error = parse(R"({"label":1})").error();
  EXPECT_EQ(error.code, ErrorCode::malformed);
  EXPECT_EQ(error.message, "the body has no list 'labels'");
}

TEST(Labels, TooManyAtOnceAreTooMany) {
  Json rows = Json::array();
  for (int i = 0; i < 10'001; ++i) rows.push(Json::object({{"id", i}, {"label", 1}}));
  const Error error = parse_labels(Json::object({{"labels", rows}}), true, kNow).error();
  EXPECT_EQ(error.code, ErrorCode::too_large);
  EXPECT_EQ(error.message, "the request has 10001 labels");
  EXPECT_EQ(error.hint, "send at most 10000 at once");
}

TEST(Labels, ARevisionIsKeptBesideWhatItRevises) {
  const base::ManualClock clock(kNow);
  const store::ScratchFolder scratch;
  const std::unique_ptr<store::Home> home = store::Home::open(scratch / "home", clock).value();
  const auto write = [&home](std::vector<Label> labels, TimeUs received) {
    LabelReport report;
    EXPECT_TRUE(home->database().write([&](store::Connection& connection) {
      return write_labels(connection, "late", labels, received, report);
    }));
    return report;
  };
  const LabelReport first = write({{"a", 1, 5}, {"b", 0, 5}, {"a", 1, 5}}, 10);
  EXPECT_EQ(first.accepted, 2);
  EXPECT_EQ(first.repeated, 1) << "the same label twice in one request";
  const LabelReport second = write({{"a", 1, 6}, {"b", 1, 6}, {"c", 0, 6}}, 11);
  EXPECT_EQ(second.repeated, 1);
  EXPECT_EQ(second.revised, 1);
  EXPECT_EQ(second.accepted, 1);
  std::string kept;
  EXPECT_TRUE(home->database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT prediction_id, revision, value, received FROM label ORDER BY prediction_id, revision");
    while (TRY(row.step())) {
      kept += row.text(0) + std::to_string(row.integer(1)) + "=" + std::to_string(int(row.real(2))) + "@" +
              std::to_string(row.integer(3)) + " ";
    }
    return {};
  }));
  EXPECT_EQ(kept, "a1=1@10 b1=0@10 b2=1@11 c1=0@11 ");
}

}  // namespace
}  // namespace trimtab::watch
