#include "serve/privacy.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "store/scratch_folder.h"

namespace trimtab::serve {
namespace {

using How = project::PrivateColumn::How;

project::PrivateColumn column(const char* name, How how, double amount = 0) {
  return {name, SourceRange{"p.yaml", 7, 9}, how, amount};
}

const std::string kKey(64, 'a');

TEST(Privacy, EachTreatmentKeepsWhatItSays) {
  const Privacy privacy({column("mail", How::drop), column("tail", How::hash), column("zip", How::first, 2),
                         column("far", How::round, 100), column("at", How::month), column("hour", How::hour),
                         column("day", How::day), column("year", How::year)},
                        kKey);
  const Json kept = *base::parse_json(privacy.treat_request(
      R"({"mail":"a@b","tail":"N1","zip":"ß0451","far":733.5,"at":"2013-05-09T15:04:05Z",)"
      R"("hour":"2013-05-09T15:04:05.5Z","day":"2013-05-09T15:04:05Z","year":"2013-05-09","x":1})"));
  EXPECT_TRUE(kept["mail"].is_null());
  EXPECT_EQ(kept["tail"].as_string().size(), 32u);
  EXPECT_EQ(kept["zip"].as_string(), "ß0") << "characters, not bytes";
  EXPECT_EQ(kept["far"].as_double(), 700);
  EXPECT_EQ(kept["at"].as_string(), "2013-05-01T00:00:00Z");
  EXPECT_EQ(kept["hour"].as_string(), "2013-05-09T15:00:00Z");
  EXPECT_EQ(kept["day"].as_string(), "2013-05-09T00:00:00Z");
  EXPECT_EQ(kept["year"].as_string(), "2013-01-01T00:00:00Z");
  EXPECT_EQ(kept["x"].as_double(), 1) << "what is not private stays";
}

TEST(Privacy, AHashIsTheSameForTheSameValueColumnAndKeyAlone) {
  const auto hash = [](const std::string& key, const char* name, const std::string& value) {
    const Privacy privacy({column(name, How::hash)}, key);
    return privacy.treat_request("{\"" + std::string(name) + "\":" + value + "}");
  };
  EXPECT_EQ(hash(kKey, "tail", "\"N1\""), hash(kKey, "tail", "\"N1\""));
  EXPECT_NE(hash(kKey, "tail", "\"N1\""), hash(kKey, "tail", "\"N2\""));
  EXPECT_NE(hash(kKey, "tail", "\"N1\"").substr(8), hash(kKey, "mail", "\"N1\"").substr(8));
  EXPECT_NE(hash(kKey, "tail", "\"N1\""), hash(std::string(64, 'b'), "tail", "\"N1\""));
  EXPECT_EQ(hash(kKey, "tail", "7").find(":7"), std::string::npos) << "numbers are hashed, too";
}

TEST(Privacy, WhatDoesNotFitItsTreatmentIsDropped) {
  const Privacy privacy({column("far", How::round, 10), column("at", How::day), column("zip", How::first, 2)},
                        kKey);
  EXPECT_EQ(privacy.treat_request(R"({"far":"733","at":"yesterday","zip":4711})"), "{}");
  EXPECT_EQ(privacy.treat_request("no object"), "{}");
}

// x is a column as sent, y is made of mail, z of neither.
model::Recipe recipe() {
  model::Recipe made;
  made.request = table::Schema(
      {{"x", table::ColumnType::real}, {"mail", table::ColumnType::text}, {"z", table::ColumnType::real}});
  made.time_column = "at";
  made.ignored = {"nobody"};
  made.stages = {table::DeriveStage{{{"y", "length(mail)", {}}}}, table::SelectStage{{"x", "y", "z"}}};
  made.features = {{"x", table::ColumnType::real, {}},
                   {"y", table::ColumnType::integer, {}},
                   {"z", table::ColumnType::real, {}}};
  return made;
}

model::Prediction prediction() {
  model::Prediction made;
  made.id = "p";
  made.event_time = 36 * base::kHourUs;
  made.received = 99 * base::kHourUs;
  made.request_json = R"({"x":733,"mail":"a@b","z":5})";
  made.scores = {{3, model::Role::served, 0.5}};
  made.features = {733, 3, 5};
  return made;
}

TEST(Privacy, FeaturesThatAreMadeOfAPrivateColumnAreWithheld) {
  const std::unique_ptr<table::Engine> engine = table::Engine::open({}).value();
  Privacy privacy({column("mail", How::hash), column("x", How::round, 100), column("at", How::day)}, kKey);
  ASSERT_TRUE(privacy.learn(*engine, 3, recipe()));
  EXPECT_EQ(privacy.withheld(3), (std::vector<bool>{true, true, false}));
  model::Prediction kept = prediction();
  privacy.treat(kept);
  EXPECT_EQ(kept.features[0], 700) << "the column itself, as it is kept";
  EXPECT_TRUE(std::isnan(kept.features[1]));
  EXPECT_EQ(kept.features[2], 5);
  EXPECT_EQ(kept.event_time, 24 * base::kHourUs) << "the event time is the column `at`";
  EXPECT_EQ(kept.request_json.find("a@b"), std::string::npos);
}

TEST(Privacy, OfAVersionThatWasNeverLearntNoFeatureIsKept) {
  const Privacy privacy({column("mail", How::drop)}, kKey);
  model::Prediction kept = prediction();
  privacy.treat(kept);
  for (const double value : kept.features) EXPECT_TRUE(std::isnan(value));
  EXPECT_TRUE(privacy.withheld(3).empty());
}

TEST(Privacy, ATimeThatIsDroppedBecomesTheTimeOfTheRequest) {
  const std::unique_ptr<table::Engine> engine = table::Engine::open({}).value();
  Privacy privacy({column("at", How::drop)}, kKey);
  ASSERT_TRUE(privacy.learn(*engine, 3, recipe()));
  model::Prediction kept = prediction();
  privacy.treat(kept);
  EXPECT_EQ(kept.event_time, kept.received);
}

TEST(Privacy, AColumnThatNoRequestHasIsRefused) {
  const std::unique_ptr<table::Engine> engine = table::Engine::open({}).value();
  Privacy slip({column("mial", How::drop)}, kKey);
  const Status refused = slip.learn(*engine, 3, recipe());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "'privacy' names the column 'mial', which no request has");
  EXPECT_EQ(refused.error().hint, "did you mean 'mail'?");
  EXPECT_EQ(refused.error().where->line, 7);
  Privacy unread({column("nobody", How::drop)}, kKey);
  EXPECT_TRUE(unread.learn(*engine, 3, recipe())) << "known to the source, and never kept anyway";
}

TEST(Privacy, TheKeyIsMadeOnceAndForTheOwnerAlone) {
  const store::ScratchFolder scratch;
  const std::string key = open_privacy_key(scratch.path()).value();
  EXPECT_EQ(key.size(), 64u);
  EXPECT_EQ(open_privacy_key(scratch.path()).value(), key);
  const std::filesystem::path file = scratch / "privacy_key";
  EXPECT_EQ(static_cast<unsigned>(std::filesystem::status(file).permissions()), 0600u);
  std::ofstream(file) << "secret";
  const Result<std::string> broken = open_privacy_key(scratch.path());
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::storage_broken);
  EXPECT_EQ(broken.error().message, "'" + file.string() + "' does not hold a key of 64 hexadecimal digits");
}

}  // namespace
}  // namespace trimtab::serve
