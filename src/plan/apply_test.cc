#include "plan/apply.h"

#include "plan/small_plant_test.h"
#include "registry/endpoints.h"
#include "registry/pushes.h"
#include "registry/record.h"
#include "registry/record_check.h"

namespace trimtab::plan {
namespace {

using Words = std::vector<std::string>;

class ApplyTest : public SmallPlant {
 protected:
  std::int64_t champion() {
    return registry::find_endpoint(*world_.home, "late").value().serving_version.value_or(0);
  }
  void expect_whole_record() {
    Words problems;
    EXPECT_TRUE(registry::check_record(*world_.home, problems));
    EXPECT_EQ(problems, Words{});
  }
};

TEST_F(ApplyTest, MakesAVersionThatServes) {
  const ApplyReport report = apply();
  EXPECT_EQ(report.steps_run, 26);
  ASSERT_EQ(report.models.size(), 1u);
  EXPECT_EQ(report.models[0].version, 1);
  EXPECT_TRUE(report.models[0].is_new);
  EXPECT_TRUE(report.models[0].gates_passed);
  EXPECT_EQ(report.promoted, Words{"endpoint late: version 1"});
  EXPECT_EQ(told_, "late;");
  EXPECT_EQ(champion(), 1);
  const std::string text = report.to_text();
  EXPECT_TRUE(
      text.starts_with("26 steps run.\nmodel late: version 1 registered\n  pass  auc >= 0.1   found "))
      << text;
  EXPECT_TRUE(text.ends_with("endpoint late: version 1 now serves\n")) << text;
  expect_whole_record();
}

TEST_F(ApplyTest, ASecondTimeDoesNothing) {
  apply();
  const auto rows = [this] { return world_.query("SELECT count(*) FROM audit", 1); };
  const Words before = rows();
  told_.clear();
  const ApplyReport again = apply();
  EXPECT_TRUE(again.did_nothing());
  EXPECT_EQ(again.to_text(), "Nothing to do: everything is as declared.\n");
  EXPECT_FALSE(again.models[0].is_new);
  EXPECT_EQ(told_, "");
  EXPECT_EQ(rows(), before);
}

TEST_F(ApplyTest, AChangedLearnerMakesANewVersionThatIsHeldAgainstTheChampion) {
  apply();
  declare("rounds: 5", "rounds: 7");
  declare("gates: [auc >= 0.1", "gates: [auc >= champion - 0.9");
  const ApplyReport report = apply();
  EXPECT_EQ(report.steps_run, 2);
  EXPECT_EQ(report.models[0].version, 2);
  const Json& gate = report.models[0].gates.as_array()[0];
  EXPECT_TRUE(gate.text_or("detail").starts_with("champion ")) << gate.dump();
  EXPECT_EQ(champion(), 2);
  expect_whole_record();
}

TEST_F(ApplyTest, ARefusedCandidateIsKeptAndTheChampionStays) {
  apply();
  declare("rounds: 5", "rounds: 7");
  declare("auc >= 0.1", "auc >= 0.9999");
  ApplyReport report;
  const Status refused = try_apply(report);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::check_failed);
  const std::string words = base::render(refused.error());
  EXPECT_TRUE(
      words.starts_with("error: version 2 of model 'late' was refused by its gates: auc >= 0.9999, found 0."))
      << words;
  EXPECT_TRUE(words.ends_with(
      "\n   hint: the version is kept for inspection and nothing else changed; improve the model, or change "
      "`gates:` if they ask too much"))
      << words;
  EXPECT_EQ(registry::find_version(*world_.home, "late", 2).value().gates, "refused");
  EXPECT_EQ(champion(), 1);
  expect_whole_record();
}

// What was refused is not what was declared: saying so once and then "nothing to do" would let a second try
// pass.
TEST_F(ApplyTest, ARefusedCandidateIsRefusedAgain) {
  declare("auc >= 0.1", "auc >= 0.9999");
  ApplyReport first, second;
  const Status refused = try_apply(first);
  const Status again = try_apply(second);
  ASSERT_FALSE(refused);
  ASSERT_FALSE(again);
  EXPECT_EQ(base::render(again.error()), base::render(refused.error()));
  EXPECT_EQ(registry::list_versions(*world_.home, "late").value().size(), 1u);
}

TEST_F(ApplyTest, AfterTheGatesWereLoosenedTheVersionIsAccepted) {
  apply();
  declare("rounds: 5", "rounds: 7");
  declare("auc >= 0.1", "auc >= 0.9999");
  ApplyReport refused;
  ASSERT_FALSE(try_apply(refused));
  declare("auc >= 0.9999", "auc >= 0.2");
  const ApplyReport report = apply();
  EXPECT_EQ(report.steps_run, 1);  // It is judged again and not trained again.
  EXPECT_EQ(report.promoted, Words{"endpoint late: version 2"});
  EXPECT_NE(report.to_text().find("model late: version 2 meets the gates as they are now\n"),
            std::string::npos);
  EXPECT_EQ(registry::find_version(*world_.home, "late", 2).value().gates, "passed");
  EXPECT_EQ(
      world_.query("SELECT json_extract(detail, '$.from'), json_extract(detail, '$.to'), "
                   "json_extract(detail, '$.gates_before[0].gate'), json_extract(detail, '$.gates[0].gate') "
                   "FROM audit WHERE action = 'model_version.judge'",
                   4),
      Words{"refused|passed|auc >= 0.9999|auc >= 0.2"});
  EXPECT_TRUE(apply().did_nothing());
  expect_whole_record();
}

TEST_F(ApplyTest, TighterGatesDoNotTakeTheChampionAway) {
  apply();
  declare("auc >= 0.1", "auc >= 0.9999");
  for (int time = 0; time < 2; ++time) {
    ApplyReport report;
    const Status refused = try_apply(report);
    ASSERT_FALSE(refused);
    const std::string words = base::render(refused.error());
    EXPECT_TRUE(
        words.starts_with("error: version 1 of model 'late' had passed, but would be refused by the gates as "
                          "they are now: auc >= 0.9999, found 0."))
        << words;
  }
  EXPECT_EQ(champion(), 1);
  EXPECT_EQ(registry::find_version(*world_.home, "late", 1).value().gates, "passed");
  expect_whole_record();
}

TEST_F(ApplyTest, AVersionThatIsToBeApprovedIsPushedAndWaits) {
  declare("gates: [auc >= 0.1", "gates: [approvals >= 1, auc >= 0.1");
  const ApplyReport report = apply();
  EXPECT_TRUE(report.models[0].waits);
  EXPECT_TRUE(report.promoted.empty());
  EXPECT_EQ(report.waiting, Words{"endpoint late: version 1"});
  EXPECT_NE(report.to_text().find("  pending  approvals >= 1   found 0.0\n"), std::string::npos)
      << report.to_text();
  EXPECT_EQ(champion(), 0);
  EXPECT_EQ(registry::pushed_version(*world_.home, "late").value(), 1);
  const ApplyReport again = apply();
  EXPECT_TRUE(again.did_nothing());
  EXPECT_EQ(again.to_text(),
            "Nothing to do: everything is as declared.\nendpoint late: version 1 waits for approval: while a "
            "server runs, `trimtab status` shows the command\n");
  EXPECT_EQ(plan().waiting, Words{"late: version 1 waits for approval"});
  // Nobody is to be asked any more.
  declare("gates: [approvals >= 1, auc >= 0.1", "gates: [auc >= 0.1");
  EXPECT_EQ(apply().promoted, Words{"endpoint late: version 1"});
  EXPECT_EQ(champion(), 1);
  expect_whole_record();
}

TEST_F(ApplyTest, NobodyIsAskedInHindsightAboutAVersionThatHasPassed) {
  apply();
  declare("gates: [auc >= 0.1", "gates: [approvals >= 1, auc >= 0.1");
  const ApplyReport report = apply();
  EXPECT_TRUE(report.models[0].gates_passed);
  EXPECT_EQ(report.models[0].gates.as_array()[0].text_or("detail"),
            "it had passed before anybody was to be asked");
  EXPECT_EQ(champion(), 1);
  EXPECT_TRUE(apply().did_nothing());
  expect_whole_record();
}

TEST_F(ApplyTest, AVersionThatWaitsAndNoLongerPassesTheOtherGatesIsRefused) {
  declare("gates: [auc >= 0.1", "gates: [approvals >= 1, auc >= 0.1");
  apply();
  declare("auc >= 0.1", "auc >= 0.9999");
  ApplyReport report;
  EXPECT_FALSE(try_apply(report));
  EXPECT_EQ(registry::find_version(*world_.home, "late", 1).value().gates, "refused");
}

TEST_F(ApplyTest, ChangedGoldenRowsDecideAnewWithoutTraining) {
  const auto golden = [this](const std::string& bounds) {
    world_.write("golden.csv", "departs,town,km,expected_min,expected_max\n2020-01-02 07:00:00,north,35.5," +
                                   bounds + "\n");
  };
  golden("0,1");
  declare("ece <= 0.9]", "ece <= 0.9]\n    golden: golden.csv");
  const std::string text = apply().to_text();
  EXPECT_NE(text.find("\n  pass  golden   found 0"), std::string::npos) << text;
  EXPECT_TRUE(apply().did_nothing());

  golden("0,0.001");
  for (int time = 0; time < 2; ++time) {
    ApplyReport report;
    const Status refused = try_apply(report);
    ASSERT_FALSE(refused);
    const std::string words = base::render(refused.error());
    EXPECT_NE(words.find("would be refused by the gates as they are now: golden (golden.csv:2 got 0."),
              std::string::npos)
        << words;
  }
  golden("0,0.999");
  const ApplyReport again = apply();
  EXPECT_EQ(again.steps_run, 1);
  EXPECT_NE(again.to_text().find("version 1 meets the gates as they are now"), std::string::npos);
  EXPECT_TRUE(apply().did_nothing());
  expect_whole_record();
}

TEST_F(ApplyTest, AColumnThatWentIsKeptInTheRecordAndNotPrinted) {
  apply();
  declare("features: [town, km, temp, far, hour: hour(departs)]", "features: [town, temp]");
  declare("      - derive: {far: km > 20}\n", "");
  const ApplyReport report = apply();
  EXPECT_EQ(report.to_text().find("schema"), std::string::npos) << report.to_text();
  const Json gates = registry::gates_json(*world_.home, "late", 2).value();
  EXPECT_EQ(gates.as_array().back().text_or("gate"), "schema");
  EXPECT_EQ(gates.as_array().back().text_or("verdict"), "pass");
  EXPECT_EQ(gates.as_array().back().text_or("detail"), "gone: km");
  EXPECT_TRUE(apply().did_nothing());
  expect_whole_record();
}

// Killed between registering and promoting, the same command must still bring what was declared.
TEST_F(ApplyTest, AVersionThatAnInterruptedApplyMadeIsPromotedByTheNext) {
  apply();
  declare("rounds: 5", "rounds: 7");
  const Workplace place = workplace();
  flow::Executor executor(place.home, place.clock, place.executor);
  flow::Pipeline pipeline(place.project, place.home, place.engine, executor, place.clock);
  flow::Journey journey = pipeline.set_out(
      {.model = "late", .as_of = as_of(), .test_from = {}, .champion_manifest = {}}, world_.notes);
  ApplyReport interrupted;
  ASSERT_TRUE(learn(place, pipeline, journey, interrupted));
  EXPECT_EQ(champion(), 1);
  EXPECT_EQ(apply().promoted, Words{"endpoint late: version 2"});
  EXPECT_EQ(champion(), 2);
}

TEST_F(ApplyTest, AChampionThatHealingChoseStays) {
  apply();
  declare("rounds: 5", "rounds: 7");
  apply();
  ASSERT_TRUE(registry::change_champion(*world_.home, world_.clock, "late", 1, "heal", "endpoint.roll_back",
                                        "worse"));
  EXPECT_TRUE(apply().did_nothing());
  EXPECT_EQ(champion(), 1);
}

TEST_F(ApplyTest, TheProjectIsRememberedAsItWasApplied) {
  apply();
  EXPECT_EQ(world_.query("SELECT name, spec_text FROM project", 2), Words{"trips|" + world_.project.text});
  EXPECT_EQ(world_.query("SELECT actor, object FROM audit WHERE action = 'project.apply'", 2),
            Words{"cli|project/trips"});
}

TEST_F(ApplyTest, TheAuditNamesWhoApplied) {
  actor_ = "anna";
  apply();
  actor_ = "berta";
  declare("rounds: 5", "rounds: 7");
  apply();
  EXPECT_EQ(world_.query("SELECT actor, action FROM audit", 2),
            (Words{"anna|project.apply", "anna|model_version.create", "anna|endpoint.declare",
                   "anna|endpoint.promote", "berta|project.apply", "berta|model_version.create",
                   "berta|endpoint.promote"}));
}

TEST_F(ApplyTest, SaysItAllAsJson) {
  const Json json = apply().to_json();
  EXPECT_EQ(json.int_or("steps_run"), 26);
  const Json& model = json["models"].as_array()[0];
  EXPECT_EQ(model.text_or("model"), "late");
  EXPECT_EQ(model.int_or("version"), 1);
  EXPECT_TRUE(model.bool_or("is_new"));
  EXPECT_TRUE(model["metrics"]["auc"]["value"].is_number());
  EXPECT_EQ(model["gates"].as_array().size(), 2u);
  EXPECT_EQ(json["promoted"].dump(), R"(["endpoint late: version 1"])");
}

}  // namespace
}  // namespace trimtab::plan
