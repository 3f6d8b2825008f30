#include "serve/endpoint.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <thread>

#include "serve/logged_rows.h"
#include "table/engine.h"

namespace trimtab::serve {
namespace {

using model::Role;
using table::ColumnType;
using Versions = std::vector<VersionPlan>;

// A version that answers one number to everything.
std::shared_ptr<const model::Artifact> artifact(const std::string& answer) {
  auto made = std::make_shared<model::Artifact>();
  made->recipe.request = table::Schema({{"origin", ColumnType::text}, {"distance", ColumnType::integer}});
  made->recipe.ignored = {"arr_delay"};
  made->recipe.time_column = "at";
  made->recipe.stages = {table::SelectStage{{"distance"}}};
  made->recipe.features = {{"distance", ColumnType::integer, {}}};
  made->learner = "baseline";
  made->model_text = answer;
  return made;
}

double score_of_version(const model::Prediction& prediction, std::int64_t version) {
  for (const model::VersionScore& score : prediction.scores) {
    if (score.version == version) return score.score;
  }
  return 0;
}

std::string row(const std::string& id, int distance = 733) {
  const std::string named = id.empty() ? "" : R"("prediction_id":")" + id + "\",";
  return "{" + named + R"("origin":"LGA","distance":)" + std::to_string(distance) + "}";
}
std::string body(const std::string& rows) { return R"({"instances":[)" + rows + "]}"; }

class EndpointTest : public testing::Test {
 protected:
  static Result<std::shared_ptr<const model::Artifact>> load(std::int64_t version) {
    return artifact("0." + std::to_string(version));
  }
  void deploy(const Versions& versions, const std::string& key = "") {
    ASSERT_TRUE(endpoint_.deploy({.versions = versions, .canary_key = key}, load));
  }
  Result<std::string> predict(const std::string& text, const std::string& inference_id = "") {
    return endpoint_.predict({.body = text, .inference_id = inference_id});
  }
  std::string refusal(const std::string& text) {
    const Result<std::string> reply = predict(text);
    if (reply) return *reply;
    return std::string(base::error_row(reply.error().code).name) + ": " + reply.error().message +
           (reply.error().hint.empty() ? "" : " (" + reply.error().hint + ")");
  }

  base::ManualClock clock_{1'000};
  std::unique_ptr<table::Engine> engine_ = table::Engine::open({}).value();
  Lookups lookups_{*engine_, [](const std::string&) { return std::vector<std::filesystem::path>(); }};
  std::mutex mutex_;
  std::vector<model::Prediction> heard_;
  Status may_predict_;
  Endpoint endpoint_{"late",
                     *engine_,
                     lookups_,
                     clock_,
                     [this](std::span<model::Prediction> made) {
                       const std::scoped_lock lock(mutex_);
                       std::move(made.begin(), made.end(), std::back_inserter(heard_));
                     },
                     [this] { return may_predict_; }};
};

TEST_F(EndpointTest, WithoutAVersionItIsBusy) {
  EXPECT_EQ(refusal(body(row("p1"))), "busy: no version serves here yet (run `trimtab apply`)");
  EXPECT_EQ(endpoint_.request_schema().error().message, "no version serves here yet");
  EXPECT_TRUE(endpoint_.running().empty());
}

TEST_F(EndpointTest, AnswersAndTellsWhoListens) {
  deploy({{3, Role::served}, {2, Role::previous}});
  EXPECT_EQ(predict(body(row("p1") + "," + row("p2", 17))).value(),
            R"({"predictions":[0.3,0.3],"prediction_ids":["p1","p2"],"model_version":"3"})");
  endpoint_.settle();
  ASSERT_EQ(heard_.size(), 2u);
  const model::Prediction& second = heard_[1];
  EXPECT_EQ(second.id, "p2");
  EXPECT_EQ(second.request_json, R"({"origin":"LGA","distance":17})");
  EXPECT_EQ(second.event_time, 1'000) << "a row without a time happens now";
  EXPECT_EQ(second.received, 1'000);
  EXPECT_EQ(second.features, std::vector<double>{17});
  ASSERT_EQ(second.scores.size(), 2u);
  EXPECT_EQ(second.scores[0].version, 3);
  EXPECT_EQ(second.scores[0].score, 0.3);
  EXPECT_EQ(second.scores[1].role, Role::previous);
  EXPECT_EQ(second.scores[1].score, 0.2);
}

TEST_F(EndpointTest, ARowMaySayWhenItHappened) {
  deploy({{1, Role::served}});
  ASSERT_TRUE(predict(R"({"instances":[{"origin":"a","distance":1,"at":"1970-01-01T00:00:05Z"}]})"));
  EXPECT_EQ(heard_.at(0).event_time, 5 * base::kSecondUs);
  EXPECT_EQ(heard_.at(0).received, 1'000);
}

TEST_F(EndpointTest, IdsThatNobodyChoseAreAllDifferent) {
  deploy({{1, Role::served}});
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(predict(body(row("") + "," + row(""))));
  for (const model::Prediction& prediction : heard_) ids.insert(prediction.id);
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(ids.begin()->size(), 32u);
}

TEST_F(EndpointTest, TheHeaderNamesTheOnlyRow) {
  deploy({{1, Role::served}});
  EXPECT_EQ(predict(body(row("")), "from-header").value(),
            R"({"predictions":[0.1],"prediction_ids":["from-header"],"model_version":"1"})");
  ASSERT_TRUE(predict(body(row("") + "," + row("")), "from-header"));
  EXPECT_NE(heard_.back().id, "from-header") << "of several rows it says nothing";
  ASSERT_TRUE(predict(body(row("own")), "from-header"));
  EXPECT_EQ(heard_.back().id, "own");
}

TEST_F(EndpointTest, AKnownIdGetsItsAnswerAgainAndIsNotLoggedTwice) {
  deploy({{1, Role::served}});
  ASSERT_TRUE(predict(body(row("p1"))));
  deploy({{2, Role::served}});
  EXPECT_EQ(predict(body(row("p1"))).value(),
            R"({"predictions":[0.1],"prediction_ids":["p1"],"model_version":"1"})")
      << "what was answered, though another version serves now";
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_EQ(predict(body(row("p1") + "," + row("p2"))).value(),
            R"({"predictions":[0.1,0.2],"prediction_ids":["p1","p2"],"model_version":"2",)"
            R"("model_versions":["1","2"]})");
  ASSERT_EQ(heard_.size(), 2u);
  EXPECT_EQ(heard_[1].id, "p2");
}

TEST_F(EndpointTest, AKnownIdWithAnotherInputIsAConflict) {
  deploy({{1, Role::served}});
  ASSERT_TRUE(predict(body(row("p1"))));
  const std::string conflict =
      "conflict: the prediction id 'p1' was used for another input (use an id once, or send the same row "
      "again "
      "to get the same answer)";
  EXPECT_EQ(refusal(body(row("p1", 1))), conflict);
  EXPECT_EQ(refusal(body(row("p0") + "," + row("p1", 1))), conflict);
  EXPECT_EQ(heard_.size(), 1u) << "of a refused request nothing is logged";
  EXPECT_EQ(base::error_row(ErrorCode::conflict).http_status, 409);
}

TEST_F(EndpointTest, AnIdTwiceInOneRequest) {
  deploy({{1, Role::served}});
  EXPECT_TRUE(predict(body(row("p1") + "," + row("p1"))));
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_EQ(predict(body(row("p2") + "," + row("p2", 1))).error().code, ErrorCode::conflict);
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_TRUE(predict(body(row("p2", 1)))) << "the refused request has not used the id";
}

TEST_F(EndpointTest, WhatWasAnsweredBeforeARestartIsRemembered) {
  deploy({{1, Role::served}});
  ASSERT_TRUE(predict(body(row("p1"))));
  model::Prediction logged = heard_[0];
  logged.id = "from the log";
  logged.scores[0].score = 0.75;
  endpoint_.remember(logged);
  EXPECT_EQ(predict(body(row("from the log"))).value(),
            R"({"predictions":[0.75],"prediction_ids":["from the log"],"model_version":"1"})");
  EXPECT_EQ(refusal(body(row("from the log", 1))).substr(0, 9), "conflict:");
}

TEST_F(EndpointTest, AnswersNothingThatCannotBeLogged) {
  deploy({{1, Role::served}});
  may_predict_ = fail(ErrorCode::storage_full, "no predictions can be logged", "free some space");
  EXPECT_EQ(refusal(body(row("p1"))), "storage_full: no predictions can be logged (free some space)");
  EXPECT_TRUE(heard_.empty());
  may_predict_ = {};
  EXPECT_TRUE(predict(body(row("p1"))));
}

TEST_F(EndpointTest, AVersionThatDoesNotLoadLeavesEverythingAsItWas) {
  deploy({{1, Role::served}});
  const Status refused = endpoint_.deploy({.versions = {{2, Role::served}}}, [](std::int64_t) {
    return Result<std::shared_ptr<const model::Artifact>>(artifact("no number"));
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "version 2 of endpoint 'late' does not load");
  EXPECT_EQ(refused.error().cause->message, "the baseline's model.txt is not one number");
  EXPECT_EQ(endpoint_.running(), (Versions{{1, Role::served}}));
  EXPECT_TRUE(predict(body(row("p1"))));
  ASSERT_EQ(endpoint_.failures().size(), 1u);
  EXPECT_EQ(endpoint_.failures()[0].version, 2);
  EXPECT_NE(endpoint_.failures()[0].why.find("the baseline's model.txt is not one number"),
            std::string::npos);
  deploy({{2, Role::served}});
  EXPECT_TRUE(endpoint_.failures().empty()) << "it loads now";
}

TEST_F(EndpointTest, AShadowThatDoesNotLoadIsLeftOutAndSaidSo) {
  const auto load_first = [](std::int64_t version) {
    return Result<std::shared_ptr<const model::Artifact>>(artifact(version == 1 ? "0.1" : "no number"));
  };
  ASSERT_TRUE(endpoint_.deploy({.versions = {{1, Role::served}, {2, Role::shadow}}}, load_first));
  EXPECT_EQ(endpoint_.running(), (Versions{{1, Role::served}}));
  ASSERT_EQ(endpoint_.failures().size(), 1u);
  EXPECT_EQ(endpoint_.failures()[0].role, Role::shadow);
  EXPECT_TRUE(predict(body(row("p1"))));
  deploy({{1, Role::served}});
  EXPECT_TRUE(endpoint_.failures().empty()) << "nobody wants it any longer";
}

TEST_F(EndpointTest, ACanaryAnswersItsShareAndKeepsItsRows) {
  deploy({{1, Role::served}, {2, Role::canary, 0.25}});
  std::set<std::string> first_quarter;
  for (int i = 0; i < 400; ++i) {
    const std::string id = "p" + std::to_string(i);
    const std::string reply = predict(body(row(id))).value();
    const bool by_canary = reply.find(R"("model_version":"2")") != std::string::npos;
    EXPECT_EQ(by_canary, reply.find("[0.2]") != std::string::npos);
    if (by_canary) first_quarter.insert(id);
  }
  EXPECT_NEAR(static_cast<double>(first_quarter.size()), 100, 35);
  endpoint_.settle();
  ASSERT_EQ(heard_.size(), 400u);
  for (const model::Prediction& prediction : heard_) {
    ASSERT_EQ(prediction.scores.size(), 2u) << "both score every row: differences are paired";
    const bool by_canary = first_quarter.contains(prediction.id);
    EXPECT_EQ(prediction.scores[0].version, by_canary ? 2 : 1);
    EXPECT_EQ(prediction.scores[0].role, by_canary ? Role::canary : Role::served);
    EXPECT_EQ(prediction.scores[1].version, by_canary ? 1 : 2);
    EXPECT_EQ(prediction.scores[1].score, by_canary ? 0.1 : 0.2);
  }
  // A larger share has the rows of the smaller one.
  Deployment larger;
  larger.versions = {{{1, Role::served}, {}, {}}, {{2, Role::canary, 0.5}, {}, {}}};
  larger.canary = 1;
  for (const std::string& id : first_quarter) EXPECT_EQ(larger.answerer_of(id), 1u);
}

// A version that answers one number to all rows whose distance has a square root, and fails at the others.
std::shared_ptr<const model::Artifact> failing_artifact(const std::string& answer) {
  auto made = std::make_shared<model::Artifact>(*artifact(answer));
  made->recipe.stages = {table::DeriveStage{{{"root", "sqrt(distance)", {}}}}, table::SelectStage{{"root"}}};
  made->recipe.features = {{"root", ColumnType::real, {}}};
  return made;
}

// Version 2 fails where the distance is negative.
Result<std::shared_ptr<const model::Artifact>> load_failing(std::int64_t version) {
  return version == 2 ? failing_artifact("0.2") : artifact("0." + std::to_string(version));
}

TEST_F(EndpointTest, ForACanaryThatFailsTheChampionAnswersAndItIsCounted) {
  ASSERT_TRUE(endpoint_.deploy({.versions = {{1, Role::served}, {2, Role::canary, 0.5}}, .canary_key = ""},
                               load_failing));
  for (int i = 0; i < 40; ++i) {
    const std::string id = "p" + std::to_string(i);
    // The good row of a request does not save it.
    const std::string reply = predict(body(row(id, -4) + "," + row(id + "b", 4))).value();
    EXPECT_NE(reply.find("[0.1,"), std::string::npos) << reply;
  }
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(predict(body(row("q" + std::to_string(i), 9))));
  const std::vector<PairVitals> vitals = endpoint_.vitals();
  ASSERT_EQ(vitals.size(), 1u);
  EXPECT_EQ(vitals[0].served, 1);
  EXPECT_EQ(vitals[0].other, 2);
  EXPECT_EQ(vitals[0].requests, 50) << "rows of a request fail together";
  EXPECT_EQ(vitals[0].only_other_failed, 40);
  EXPECT_EQ(vitals[0].other_failed, 40);
  EXPECT_EQ(vitals[0].served_failed, 0);
  EXPECT_EQ(vitals[0].other_first.time, 1'000);
  EXPECT_NE(vitals[0].other_first.error.find("square root of a negative number"), std::string::npos)
      << vitals[0].other_first.error;
  ASSERT_EQ(heard_.size(), 90u) << "each row is handed on once";
  for (const model::Prediction& prediction : heard_) {
    ASSERT_EQ(prediction.scores.size(), 2u);
    const bool fails = prediction.request_json.find("-4") != std::string::npos;
    if (fails) {
      EXPECT_TRUE(std::isnan(score_of_version(prediction, 2))) << prediction.request_json;
    }
  }
}

TEST_F(EndpointTest, AShadowsFailureTakesNoOtherRowWithIt) {
  ASSERT_TRUE(endpoint_.deploy({.versions = {{1, Role::served}, {2, Role::shadow}}}, load_failing));
  std::string rows;
  for (int i = 0; i < 20; ++i) rows += (i > 0 ? "," : "") + row("p" + std::to_string(i), i == 7 ? -1 : i);
  ASSERT_TRUE(predict(body(rows)));
  EXPECT_EQ(endpoint_.vitals().at(0).only_other_failed, 1) << "one request";
  ASSERT_EQ(heard_.size(), 20u);
  for (std::size_t i = 0; i < heard_.size(); ++i)
    EXPECT_EQ(std::isnan(score_of_version(heard_[i], 2)), i == 7) << i;
}

TEST_F(EndpointTest, ForAChampionThatFailsTheOneBeforeItAnswers) {
  ASSERT_TRUE(endpoint_.deploy({.versions = {{2, Role::served}, {1, Role::previous}}}, load_failing));
  EXPECT_EQ(predict(body(row("p1", -4))).value(),
            R"({"predictions":[0.1],"prediction_ids":["p1"],"model_version":"1"})");
  EXPECT_EQ(predict(body(row("p2", 4))).value(),
            R"({"predictions":[0.2],"prediction_ids":["p2"],"model_version":"2"})");
  const std::vector<PairVitals> vitals = endpoint_.vitals();
  EXPECT_EQ(vitals.at(0).only_served_failed, 1);
  EXPECT_EQ(vitals.at(0).requests, 2);
  EXPECT_EQ(heard_.at(0).scores.at(0).version, 1) << "who answered stands first";
  EXPECT_TRUE(std::isnan(score_of_version(heard_.at(0), 2)));
  EXPECT_EQ(endpoint_.counters().errors, 0u);
  // A trial is the champion's alone.
  EXPECT_FALSE(endpoint_.predict({.body = body(row("", -4)), .is_trial = true}));
}

TEST_F(EndpointTest, WhatIsHardForAllIsHeldAgainstNone) {
  const auto both_fail = [](std::int64_t version) -> Result<std::shared_ptr<const model::Artifact>> {
    return failing_artifact("0." + std::to_string(version));
  };
  ASSERT_TRUE(endpoint_.deploy({.versions = {{1, Role::served}, {2, Role::shadow}}}, both_fail));
  EXPECT_FALSE(predict(body(row("p1", -4))));
  EXPECT_FALSE(predict(body(row("p1", -4))));
  const PairVitals vitals = endpoint_.vitals().at(0);
  EXPECT_EQ(vitals.requests, 2);
  EXPECT_EQ(vitals.served_failed, 2);
  EXPECT_EQ(vitals.other_failed, 2);
  EXPECT_EQ(vitals.only_other_failed + vitals.only_served_failed, 0);
  EXPECT_TRUE(heard_.empty()) << "nothing was answered";
}

TEST_F(EndpointTest, CountsGoOnWhileBothRunAndBeginAnewWhenTheyMeetAgain) {
  const auto run = [this](const Versions& versions) {
    ASSERT_TRUE(endpoint_.deploy({.versions = versions}, load_failing));
  };
  run({{1, Role::served}, {2, Role::shadow}});
  ASSERT_TRUE(predict(body(row("p1", -4))));
  EXPECT_EQ(endpoint_.vitals().at(0).other_failed, 1);
  run({{1, Role::served}, {2, Role::canary, 0.25}});
  EXPECT_EQ(endpoint_.vitals().at(0).other_failed, 1);
  EXPECT_EQ(endpoint_.vitals().at(0).role, Role::canary);
  run({{1, Role::served}});
  EXPECT_TRUE(endpoint_.vitals().empty());
  run({{1, Role::served}, {2, Role::shadow}});
  EXPECT_EQ(endpoint_.vitals().at(0).other_failed, 0);
}

TEST_F(EndpointTest, BothAreTimedOnTheSameRows) {
  deploy({{1, Role::served}, {2, Role::shadow}});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(predict(body(row("p" + std::to_string(i)))));
    endpoint_.settle();
    std::this_thread::sleep_for(std::chrono::milliseconds(11));
  }
  EXPECT_GE(endpoint_.vitals().at(0).timed, 10);
  EXPECT_EQ(endpoint_.vitals().at(0).only_other_slow, 0) << "both answer one number";
}

TEST_F(EndpointTest, RowsOfOneKeyKeepToOneVersion) {
  deploy({{1, Role::served}, {2, Role::canary, 0.5}}, "tail");
  std::map<std::string, std::set<std::string>> versions;
  for (int i = 0; i < 200; ++i) {
    const std::string tail = std::to_string(i % 20);
    const std::string sent = R"({"instances":[{"origin":"a","distance":)" + std::to_string(i) +
                             R"(,"tail":)" + (i < 100 ? tail : "\"" + tail + "\"") + "}]}";
    const std::string reply = predict(sent).value();
    versions[tail].insert(reply.substr(reply.find("model_version")));
  }
  std::set<std::string> all;
  for (const auto& [tail, used] : versions) {
    EXPECT_EQ(used.size(), 1u) << tail;
    all.insert(used.begin(), used.end());
  }
  EXPECT_EQ(all.size(), 2u) << "both versions answer some keys";
}

TEST_F(EndpointTest, ARequestOfManyRowsSaysWhoAnsweredWhich) {
  deploy({{1, Role::served}, {2, Role::canary, 0.5}});
  std::string rows;
  for (int i = 0; i < 40; ++i) rows += (i > 0 ? "," : "") + row("p" + std::to_string(i));
  const Json reply = base::parse_json(predict(body(rows)).value()).value();
  EXPECT_EQ(reply.text_or("model_version"), "1") << "the champion's, when several answered";
  ASSERT_EQ(reply["model_versions"].as_array().size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string version = reply["model_versions"].as_array()[i].as_string();
    EXPECT_EQ(reply["predictions"].as_array()[i].as_double(), version == "1" ? 0.1 : 0.2);
  }
}

TEST_F(EndpointTest, WhoScoresAlongGetsTheColumnsThatTheChampionDoesNotNeed) {
  const auto load_two = [](std::int64_t version) -> Result<std::shared_ptr<const model::Artifact>> {
    if (version == 1) return artifact("0.1");
    auto wider = std::make_shared<model::Artifact>(*artifact("0.2"));
    wider->recipe.request.add({"carrier", ColumnType::text});
    return std::shared_ptr<const model::Artifact>(wider);
  };
  ASSERT_TRUE(endpoint_.deploy({.versions = {{1}, {2, model::Role::previous}}}, load_two));
  ASSERT_TRUE(predict(body(R"({"origin":"LGA","distance":733,"carrier":"UA"})")));
  ASSERT_TRUE(predict(body(R"({"origin":"LGA","distance":733})"))) << "it need not be sent";
  endpoint_.settle();
  ASSERT_EQ(heard_.size(), 2u);
  EXPECT_EQ(heard_[0].request_json, R"({"origin":"LGA","distance":733,"carrier":"UA"})");
  EXPECT_EQ(heard_[0].scores.size(), 2u);
  EXPECT_EQ(heard_[1].request_json, R"({"origin":"LGA","distance":733})");
}

TEST_F(EndpointTest, RowsOfTheLogAreScoredAgain) {
  const std::vector<std::string> rows(600, R"({"origin":"LGA","distance":733,"gone":1})");
  const auto scores = score_logged_rows(*engine_, lookups_, artifact("0.25"), rows);
  ASSERT_TRUE(scores) << base::render(scores.error());
  EXPECT_EQ(*scores, std::vector<double>(600, 0.25));
}

TEST_F(EndpointTest, AVersionIsWarmedUpWithWhatWasAskedLast) {
  int asked = 0;
  const DeployPlan plan{.versions = {{1, Role::served}}, .canary_key = "", .recent_rows = [&asked] {
                          ++asked;
                          return std::vector<std::string>{row("p0"), R"({"distance":2})", "no row"};
                        }};
  ASSERT_TRUE(endpoint_.deploy(plan, load));
  ASSERT_TRUE(endpoint_.deploy(plan, load));
  EXPECT_EQ(asked, 1) << "the same plan again does nothing";
  EXPECT_TRUE(heard_.empty()) << "nothing of it was answered";
}

TEST_F(EndpointTest, ExplainsWhatItAnswers) {
  deploy({{1, Role::served}});
  const std::string wanted =
      R"({"predictions":[0.1],"prediction_ids":["p1"],"model_version":"1","explanations":)"
      R"([{"model_version":"1","base":-2.197224577336219,"contributions":{"distance":0.0}}]})";
  EXPECT_EQ(endpoint_.predict({.body = body(row("p1")), .explain = true}).value(), wanted);
  std::string asks = body(row("p1"));
  asks.insert(1, R"("explain":true,)");
  EXPECT_EQ(predict(asks).value(), wanted) << "a known answer is explained too";
  EXPECT_EQ(heard_.size(), 1u);
  std::string many = row("");
  for (int i = 0; i < 100; ++i) many += "," + row("");
  const Result<std::string> refused = endpoint_.predict({.body = body(many), .explain = true});
  EXPECT_EQ(refused.error().code, ErrorCode::too_large);
  EXPECT_EQ(refused.error().message, "explanations are given for at most 100 rows at once");
}

TEST_F(EndpointTest, ATrialLeavesNoTrace) {
  deploy({{1, Role::served}, {2, Role::canary, 0.99}});
  EXPECT_EQ(endpoint_.predict({.body = body(row("p1")), .is_trial = true}).value(),
            R"({"predictions":[0.1],"prediction_ids":[""],"model_version":"1"})")
      << "by the champion, whatever the canary's share";
  endpoint_.settle();
  EXPECT_TRUE(heard_.empty());
  EXPECT_TRUE(predict(body(row("p1", 1)))) << "the id is still free";
}

TEST_F(EndpointTest, SaysWhatARequestMayHold) {
  deploy({{1, Role::served}});
  EXPECT_EQ(endpoint_.request_schema().value().dump(),
            R"({"columns":[{"name":"origin","type":"text","required":true},)"
            R"({"name":"distance","type":"integer","required":true},)"
            R"({"name":"at","type":"time","required":false}]})");
}

TEST_F(EndpointTest, CountsWhatItDid) {
  deploy({{1, Role::served}});
  ASSERT_TRUE(predict(body(row("") + "," + row(""))));
  EXPECT_FALSE(predict("{"));
  const Endpoint::Counters counters = endpoint_.counters();
  EXPECT_EQ(counters.requests, 1u);
  EXPECT_EQ(counters.rows, 2u);
  EXPECT_EQ(counters.errors, 1u);
}

TEST_F(EndpointTest, ASwapUnderLoadRefusesNobodyAndMixesNothing) {
  deploy({{1, Role::served}});
  std::atomic<bool> is_over = false;
  std::atomic<int> answered = 0, wrong = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 3; ++client) {
    clients.emplace_back([&] {
      while (!is_over) {
        const Result<std::string> reply = predict(body(row("")));
        const bool is_first = reply && reply->find("[0.1]") != std::string::npos;
        const bool says_first = reply && reply->find(R"("model_version":"1")") != std::string::npos;
        const bool is_second = reply && reply->find("[0.2]") != std::string::npos;
        if (!reply || is_first == is_second || is_first != says_first) ++wrong;
        ++answered;
      }
    });
  }
  for (int swap = 0; swap < 20 || answered < 100; ++swap) deploy({{swap % 2 + 1, Role::served}});
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0) << "of " << answered;
  EXPECT_EQ(heard_.size(), static_cast<std::size_t>(answered));
}

}  // namespace
}  // namespace trimtab::serve
