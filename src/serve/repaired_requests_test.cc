// An endpoint with a door: what is repaired, what the reply, the log and a repeated id say of it.
#include <gtest/gtest.h>

#include "serve/endpoint.h"
#include "serve/prediction_log.h"
#include "store/scratch_folder.h"
#include "table/engine.h"

namespace trimtab::serve {
namespace {

using model::Role;
using table::ColumnType;

// A version that answers one number to everything, and looks at distance and, as it is, at origin.
std::shared_ptr<const model::Artifact> artifact(const std::string& answer) {
  auto made = std::make_shared<model::Artifact>();
  made->recipe.request = table::Schema({{"origin", ColumnType::text}, {"distance", ColumnType::integer}});
  made->recipe.time_column = "at";
  // As a project's features are: the columns under their own names.
  made->recipe.stages = {table::DeriveStage{{{"distance", "distance", {}}, {"origin", "\"origin\"", {}}}},
                         table::SelectStage{{"distance", "origin"}}};
  made->recipe.features = {{"distance", ColumnType::integer, {}},
                           {"origin", ColumnType::text, {"LGA", "JFK"}}};
  made->learner = "baseline";
  made->model_text = answer;
  return made;
}

std::string row(const std::string& id, const std::string& distance, const std::string& origin = "LGA") {
  return R"({"prediction_id":")" + id + R"(","origin":")" + origin + R"(","distance":)" + distance + "}";
}
std::string body(const std::string& rows) { return R"({"instances":[)" + rows + "]}"; }

class RepairedRequestsTest : public testing::Test {
 protected:
  void SetUp() override { endpoint_.repair_requests({"late", {}}); }
  static Result<std::shared_ptr<const model::Artifact>> load(std::int64_t version) {
    return artifact("0." + std::to_string(version));
  }
  void deploy(const std::vector<VersionPlan>& versions) {
    ASSERT_TRUE(endpoint_.deploy({.versions = versions, .canary_key = ""}, load));
  }
  std::string predict(const std::string& rows) {
    const Result<std::string> reply = endpoint_.predict({.body = body(rows)});
    return reply ? *reply : "refused: " + reply.error().message;
  }
  // A hundred rows, and what they are multiplied by.
  std::string many(const std::string& name, int times = 1) {
    std::string rows;
    for (int i = 0; i < 100; ++i) {
      number_ = (number_ * 7919 + 12345) % 100'003;  // Differs from row to row.
      rows += (i > 0 ? "," : "") + row(name + std::to_string(i), std::to_string(times * (900'000 + number_)));
    }
    return rows;
  }
  std::string findings() const {
    std::string text;
    for (const Finding& finding : endpoint_.door()->findings())
      text += (text.empty() ? "" : "; ") + finding.column + " " + finding.what;
    return text;
  }

  int number_ = 1;
  base::ManualClock clock_{1'000};
  std::unique_ptr<table::Engine> engine_ = table::Engine::open({}).value();
  Lookups lookups_{*engine_, [](const std::string&) { return std::vector<std::filesystem::path>(); }};
  std::vector<model::Prediction> heard_;
  Endpoint endpoint_{"late", *engine_, lookups_, clock_, [this](std::span<model::Prediction> made) {
                       std::move(made.begin(), made.end(), std::back_inserter(heard_));
                     }};
};

TEST_F(RepairedRequestsTest, CellsThatCannotBeReadAreReadAsWhatTheyCanMean) {
  deploy({{1, Role::served}});
  EXPECT_EQ(predict(row("p1", "733") + "," + row("p2", R"("733 mi")", " lga ") + "," + row("p3", R"("far")")),
            R"({"predictions":[0.1,0.1,0.1],"prediction_ids":["p1","p2","p3"],"model_version":"1",)"
            R"("repaired":[1,2]})");
  ASSERT_EQ(heard_.size(), 3u);
  EXPECT_FALSE(heard_[0].damaged);
  EXPECT_TRUE(heard_[1].damaged);
  EXPECT_EQ(heard_[1].request_json, R"({"origin":"LGA","distance":733})") << "as it was scored";
  EXPECT_EQ(heard_[1].features, (std::vector<double>{733, 0}));
  EXPECT_TRUE(heard_[2].damaged);
  EXPECT_EQ(heard_[2].request_json, R"({"origin":"LGA"})");
  EXPECT_EQ(findings(), "distance number in a text; distance unreadable; origin another spelling");
  EXPECT_EQ(predict(row("p4", "733")),
            R"({"predictions":[0.1],"prediction_ids":["p4"],"model_version":"1"})");
}

TEST_F(RepairedRequestsTest, WhatIsNoCellIsRefusedAsEver) {
  deploy({{1, Role::served}});
  EXPECT_EQ(predict(R"({"origin":"LGA"})"), "refused: the request lacks the column 'distance'");
  EXPECT_EQ(predict(R"({"origin":"LGA","distance":1,"far":2})"), "refused: there is no column 'far'");
  EXPECT_EQ(predict(R"({"prediction_id":7,"origin":"LGA","distance":1})"),
            "refused: row 1: prediction_id is no text: 7");
}

// The hash is of what was sent: neither what became of it, nor when.
TEST_F(RepairedRequestsTest, AnIdIsKnownByTheRowAsItWasSent) {
  deploy({{1, Role::served}});
  const std::string first = predict(row("p1", R"("733 mi")"));
  EXPECT_NE(first.find(R"("repaired":[0])"), std::string::npos);
  EXPECT_EQ(predict(row("p1", R"("733 mi")")), first) << "the same bytes again";
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_NE(predict(row("p1", "733")).find("was used for another input"), std::string::npos);
  EXPECT_NE(predict(row("p1", R"("733 km")")).find("was used for another input"), std::string::npos);
  deploy({{2, Role::served}});
  endpoint_.remember(heard_[0]);
  EXPECT_EQ(predict(row("p1", R"("733 mi")")), first);
}

TEST_F(RepairedRequestsTest, WhatTheRowsSayTogetherIsRepairedAndScoredSoByAllVersions) {
  deploy({{2, Role::served}, {1, Role::previous}});
  for (int i = 0; i < 15; ++i)
    ASSERT_EQ(predict(many("a" + std::to_string(i) + "-")).find("repaired"), std::string::npos);
  const int before = number_;
  const std::string rows = many("b", 1000);
  const std::string reply = predict(rows);
  EXPECT_NE(reply.find(R"("repaired":[0,1,2,)"), std::string::npos) << reply;
  EXPECT_EQ(findings(), "distance unit: x / 1000");
  endpoint_.settle();
  ASSERT_EQ(heard_.size(), 1600u);
  const model::Prediction& scored = heard_[1500];
  EXPECT_TRUE(scored.damaged);
  const std::string distance = std::to_string(900'000 + (before * 7919 + 12345) % 100'003);
  EXPECT_EQ(scored.request_json, R"({"origin":"LGA","distance":)" + distance + "}");
  EXPECT_EQ(scored.scores.size(), 2u);
  EXPECT_EQ(predict(rows), reply) << "from memory, though the door may think otherwise by now";
  EXPECT_EQ(heard_.size(), 1600u);
}

TEST_F(RepairedRequestsTest, ATrialAndAnExplanationLeaveTheDoorAsItIs) {
  deploy({{1, Role::served}});
  const std::string view = endpoint_.door()->view().dump();
  const Result<std::string> trial =
      endpoint_.predict({.body = body(row("p1", R"("733 mi")")), .explain = true, .is_trial = true});
  ASSERT_TRUE(trial);
  EXPECT_NE(trial->find(R"("predictions":[0.1])"), std::string::npos);
  EXPECT_EQ(endpoint_.door()->view().dump(), view);
  EXPECT_TRUE(heard_.empty());
  const Result<std::string> explained =
      endpoint_.predict({.body = body(row("p1", R"("733 mi")")), .explain = true});
  ASSERT_TRUE(explained);
  EXPECT_NE(explained->find(R"("repaired":[0],"explanations":[{)"), std::string::npos) << *explained;
}

TEST_F(RepairedRequestsTest, TheLogKeepsTheMark) {
  deploy({{1, Role::served}});
  predict(row("p1", "1") + "," + row("p2", R"("x")"));
  store::ScratchFolder scratch;
  const std::unique_ptr<PredictionLog> log = PredictionLog::open(scratch / "log").value();
  for (const model::Prediction& prediction : heard_) log->append(prediction);
  ASSERT_TRUE(log->flush());
  std::vector<bool> marks;
  ASSERT_TRUE(log->read(INT64_MIN, [&](model::Prediction&& row) {
    EXPECT_EQ(row.scores.size(), 1u);
    marks.push_back(row.damaged);
  }));
  EXPECT_EQ(marks, (std::vector<bool>{false, true}));
}

}  // namespace
}  // namespace trimtab::serve
