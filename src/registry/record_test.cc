#include "registry/record.h"

#include <cmath>
#include <limits>

#include "registry/record_world_test.h"

namespace trimtab::registry {
namespace {

class RecordTest : public RecordWorld {};

TEST_F(RecordTest, ATrainingStepRegistersOnce) {
  const VersionFacts first = enlist("first");
  EXPECT_EQ(first.version, 1);
  EXPECT_TRUE(first.is_new);
  const VersionFacts again = enlist("first");
  EXPECT_EQ(again.version, 1);
  EXPECT_EQ(again.run_id, first.run_id);
  EXPECT_FALSE(again.is_new);
  EXPECT_EQ(query("SELECT count(*) FROM run"), Words{"1"});
  EXPECT_EQ(query("SELECT count(*) FROM audit WHERE action = 'model_version.create'"), Words{"1"});
  EXPECT_EQ(enlist("second").version, 2);
}

TEST_F(RecordTest, AVersionIsFoundByNumberByStepAndInTheList) {
  const VersionFacts made = enlist("first");
  EXPECT_EQ(find_version(*home_, "late", 1).value().run_id, made.run_id);
  EXPECT_EQ(find_by_step(*home_, "late", made.step_key)->version, 1);
  EXPECT_FALSE(find_by_step(*home_, "late", std::string(64, '0')).has_value());
  enlist("second", false);
  const std::vector<VersionFacts> all = list_versions(*home_, "late").value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].gates, "passed");
  EXPECT_EQ(all[1].gates, "refused");
  EXPECT_TRUE(list_versions(*home_, "nobody").value().empty());
  EXPECT_EQ(said(find_version(*home_, "late", 9)),
            "error: model 'late' has no version 9\n   hint: its newest is version 2");
}

TEST_F(RecordTest, ANameBelongsToTheProjectThatTookItFirst) {
  enlist("first");
  NewVersion other = candidate("other");
  other.project = "trains";
  EXPECT_EQ(said(register_version(*home_, clock_, other)),
            "error: the model name 'late' belongs to project 'flights'\n   hint: rename one of them");
  tamper(
      "INSERT INTO project (name, folder, spec_text, applied_at) VALUES ('flights', '/srv/flights', '', 0)");
  const Result<VersionFacts> refused = register_version(*home_, clock_, other);
  EXPECT_EQ(said(refused),
            "error: the model name 'late' belongs to project 'flights' (folder /srv/flights)\n"
            "   hint: rename one of them");
  EXPECT_EQ(refused.error().code, ErrorCode::name_taken);
  EXPECT_EQ(query("SELECT count(*) FROM run"), Words{"1"});
}

TEST_F(RecordTest, WhatIsIncompleteIsRefusedAndLeavesNothing) {
  NewVersion headless = candidate("first");
  headless.files.erase("manifest.json");
  EXPECT_EQ(said(register_version(*home_, clock_, headless)),
            "error: a version of model 'late' cannot be registered: its artifact has no manifest.json");
  NewVersion odd = candidate("first");
  odd.metrics.set("auc", "high");
  EXPECT_EQ(said(register_version(*home_, clock_, odd)), "error: metric 'auc' is no number: \"high\"");
  EXPECT_EQ(query("SELECT count(*) FROM registered_model"), Words{"0"});
  EXPECT_EQ(query("SELECT count(*) FROM audit"), Words{"0"});
}

TEST_F(RecordTest, ARunHasMlflowsShape) {
  const VersionFacts made = enlist("first");
  const Json run = run_json(*home_, made.run_id).value();
  const Json& info = run["info"];
  EXPECT_EQ(info.text_or("run_id"), made.run_id);
  EXPECT_EQ(info.text_or("run_uuid"), made.run_id);
  EXPECT_EQ(info.text_or("experiment_id"), "1");
  EXPECT_EQ(info.text_or("status"), "FINISHED");
  EXPECT_EQ(info.text_or("lifecycle_stage"), "active");
  EXPECT_EQ(info.int_or("start_time"), 1'357'000'000'000);
  EXPECT_EQ(info.int_or("end_time"), 1'357'000'000'000);
  EXPECT_EQ(info.text_or("artifact_uri"), "mlflow-artifacts:/1/" + made.run_id + "/artifacts");
  const Json& data = run["data"];
  EXPECT_EQ(data["params"].dump(),
            R"([{"key":"learner","value":"lightgbm"},{"key":"rounds","value":"200"}])");
  EXPECT_EQ(data["metrics"].dump(), R"([{"key":"auc","value":0.75,"timestamp":1357000000000,"step":0}])");
  std::map<std::string, std::string> tags;
  for (const Json& tag : data["tags"].as_array()) tags[tag.text_or("key")] = tag.text_or("value");
  EXPECT_EQ(tags["trimtab.step_key"], made.step_key);
  EXPECT_EQ(tags["trimtab.reason"], "declared in trimtab.yaml");
  EXPECT_EQ(tags["mlflow.source.name"], "flights");
  EXPECT_EQ(tags["mlflow.runName"], info.text_or("run_name"));
  EXPECT_TRUE(run["inputs"].is_object() && run["outputs"].is_object());
  EXPECT_EQ(said(run_json(*home_, "nobody")), "error: no run has the id 'nobody'");
}

// As MLflow keeps them: NaN stays NaN, infinities become the largest number.
TEST_F(RecordTest, OddMetricsSurvive) {
  NewVersion version = candidate("first");
  version.metrics = Json::object({{"a", std::nan("")}, {"b", std::numeric_limits<double>::infinity()}});
  const VersionFacts made = register_version(*home_, clock_, version).value();
  const Json metrics = run_json(*home_, made.run_id).value()["data"]["metrics"];
  EXPECT_EQ(metrics.as_array()[0].text_or("value"), "NaN");
  EXPECT_EQ(metrics.as_array()[1]["value"].as_double(), std::numeric_limits<double>::max());
}

TEST_F(RecordTest, LineageAndFilesSayWhatARunReadAndMade) {
  const VersionFacts made = enlist("first");
  EXPECT_EQ(query("SELECT direction, kind, name, sha256 FROM lineage ORDER BY 1, 2"),
            (Words{"input|snapshot|table/departures|" + base::sha256("snapshot"),
                   "output|model|late/1|" + made.manifest_sha256,
                   "output|report|report.json|" + base::sha256("report of first")}));
  EXPECT_EQ(query("SELECT path, blob_sha256 FROM artifact WHERE root = 'model/late/1' ORDER BY path"),
            (Words{"manifest.json|" + made.manifest_sha256, "model.txt|" + base::sha256("first")}));
  EXPECT_EQ(query("SELECT path FROM artifact WHERE root = 'run/" + made.run_id + "'"), Words{"report.json"});
}

TEST_F(RecordTest, GatesAreReadAsTheyWereDecided) {
  NewVersion version = candidate("first", false);
  Json unknown = Json::object({{"gate", "slice(origin).auc >= 0.6"}, {"verdict", "unknown"}});
  unknown.set("measured", Json::object({{"reason", "no slice has 50 rows"}}));
  version.gates.push(std::move(unknown));
  ASSERT_TRUE(register_version(*home_, clock_, version));
  EXPECT_EQ(gates_json(*home_, "late", 1).value().dump(),
            R"([{"gate":"auc >= 0.7","measured":{"value":0.75},"verdict":"fail","threshold":0.7},)"
            R"({"gate":"slice(origin).auc >= 0.6","measured":{"reason":"no slice has 50 rows"},)"
            R"("verdict":"unknown","detail":"no slice has 50 rows"}])");
  EXPECT_EQ(said(gates_json(*home_, "late", 2)),
            "error: model 'late' has no version 2\n   hint: its newest is version 1");
}

TEST_F(RecordTest, AVersionThatMeetsOtherGatesIsAcceptedWithBothDecisionsInTheHistory) {
  enlist("first", false);
  NewVersion loosened = candidate("first");
  loosened.gates = Json::array().push(gate("auc >= 0.6", "pass", 0.65, 0.6));
  loosened.reason = "the gates have changed";
  ASSERT_TRUE(judge_again(*home_, clock_, loosened, 1));
  EXPECT_EQ(find_version(*home_, "late", 1).value().gates, "passed");
  EXPECT_EQ(gates_json(*home_, "late", 1).value().dump(),
            R"([{"gate":"auc >= 0.6","measured":{"value":0.65},"verdict":"pass","threshold":0.6}])");
  EXPECT_EQ(query("SELECT action, json_extract(detail, '$.from'), json_extract(detail, '$.to'), "
                  "json_extract(detail, '$.gates_before[0].gate'), json_extract(detail, '$.why') FROM audit "
                  "ORDER BY sequence DESC LIMIT 1"),
            Words{"model_version.judge|refused|passed|auc >= 0.7|the gates have changed"});
  EXPECT_EQ(said(judge_again(*home_, clock_, loosened, 2)),
            "error: model 'late' has no version 2\n   hint: its newest is version 1");
}

TEST_F(RecordTest, TheHistorySaysWhoMadeAVersionAndWhy) {
  const VersionFacts made = enlist("first");
  EXPECT_EQ(query("SELECT actor, action, object, json_extract(detail, '$.why') FROM audit"),
            Words{"apply|model_version.create|model/late/1|declared in trimtab.yaml"});
}

}  // namespace
}  // namespace trimtab::registry
