#include "plan/plan.h"

#include "plan/small_plant_test.h"

namespace trimtab::plan {
namespace {

class PlanTest : public SmallPlant {
 protected:
  // "~ train late: its input changes", "+ ingest trips (4): new"
  std::vector<std::string> changes() {
    std::vector<std::string> lines;
    for (const PlannedChange& change : plan().changes) {
      std::string line = change.action == PlannedChange::Action::create ? "+ " : "~ ";
      line += change.kind + " " + change.subject;
      if (change.count > 1) line += " (" + std::to_string(change.count) + ")";
      lines.push_back(line + ": " + change.why);
    }
    return lines;
  }
};

using Words = std::vector<std::string>;

TEST_F(PlanTest, OfANewProjectIsEverythingInTheOrderOfARowsLife) {
  EXPECT_EQ(
      plan().to_text(),
      "Project trips, as of 2020-01-06T00:00:00Z\n"
      "\n"
      "  + sniff       trips                                  new\n"
      "  + sniff       weather                                new\n"
      "  + ingest      trips                       4 steps    new\n"
      "  + ingest      weather                     4 steps    new\n"
      "  + clean       rides                       4 steps    new\n"
      "  + check       rides                       4 steps    new\n"
      "  + profile     table/rides                 4 steps    new\n"
      "  + frame       late                                   new\n"
      "  + check_table rides                                  new\n"
      "  + train       late                                   new\n"
      "  + judge       late                                   new\n"
      "  + model       late                                   new\n"
      "  + endpoint    late                                   new: serves late once its gates have passed\n"
      "\n"
      "  note: rides: drop_duplicates by departs, town needs the whole table; it runs when a model is "
      "trained\n"
      "\n"
      "26 steps to run. + new, ~ changed.\n"
      "Run `trimtab apply` to make it so.\n");
}

TEST_F(PlanTest, RunsNothingAndKeepsNothing) {
  plan();
  EXPECT_EQ(world_.query("SELECT label FROM step_result", 1), Words{});
  EXPECT_EQ(world_.query("SELECT name FROM dataset", 1), Words{});
  EXPECT_EQ(world_.query("SELECT action FROM audit WHERE action LIKE 'project%'", 1), Words{});
}

TEST_F(PlanTest, OfAnAppliedProjectIsEmpty) {
  apply();
  const Plan nothing = plan();
  EXPECT_TRUE(nothing.is_empty());
  EXPECT_EQ(nothing.to_text(),
            "Project trips, as of 2020-01-06T00:00:00Z\nNothing to do: everything is as declared.\n");
  EXPECT_EQ(nothing.to_json()["changes"].as_array().size(), 0u);
  EXPECT_EQ(nothing.to_json().int_or("steps_to_run", -1), 0);
}

TEST_F(PlanTest, AChangedFeatureRunsOnlyWhatDependsOnItAndSaysWhy) {
  apply();
  declare("hour: hour(departs)", "hour: hour(departs) + 1");
  EXPECT_EQ(changes(), (Words{"~ frame late: its parameters changed: features hour: text \"hour(departs)\" → "
                              "\"hour(departs) + 1\"",
                              "~ train late: its input changes", "~ judge late: its input changes"}));
}

TEST_F(PlanTest, AnAddedFeatureIsNamed) {
  apply();
  declare("features: [town,", "features: [town, minute: minute(departs),");
  EXPECT_EQ(changes()[0], "~ frame late: its parameters changed: + features minute");
}

TEST_F(PlanTest, AChangedLearnerKeepsTheFrame) {
  apply();
  declare("rounds: 5", "rounds: 7");
  EXPECT_EQ(changes(),
            (Words{"~ train late: its parameters changed: rounds 5 → 7", "~ judge late: its input changes"}));
}

TEST_F(PlanTest, AChangedGateJudgesAgainAndTrainsNothing) {
  apply();
  declare("auc >= 0.1", "auc >= 0.2");
  const Words lines = changes();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("~ judge late: its parameters changed: ")) << lines[0];
}

TEST_F(PlanTest, IsEmptyAfterEachApply) {
  apply();
  declare("rounds: 5", "rounds: 7");
  apply();
  EXPECT_EQ(changes(), Words{});
  declare("auc >= 0.1", "auc >= 0.2");
  apply();
  EXPECT_EQ(changes(), Words{});
}

TEST_F(PlanTest, ARefusedVersionIsNotWhatWasDeclared) {
  apply();
  declare("rounds: 5", "rounds: 7");
  declare("auc >= 0.1", "auc >= 0.9999");
  ApplyReport report;
  ASSERT_FALSE(try_apply(report));
  const std::string text = plan().to_text();
  EXPECT_NE(text.find("  ! late: version 2 was refused by its gates: auc >= 0.9999, found 0."),
            std::string::npos)
      << text;
  EXPECT_TRUE(text.ends_with("Nothing to run: improve the model, or change `gates:` if they ask too much.\n"))
      << text;
  EXPECT_EQ(plan().to_json()["refusals"].as_array().size(), 1u);
}

TEST_F(PlanTest, ANewFileIsIngestedAndWhatLearnsFromItRunsAgain) {
  apply();
  world_.write("data/trips/" + flow::SmallWorld::name_of_day(5), flow::SmallWorld::trips_of_day(5));
  EXPECT_EQ(changes(), (Words{"+ ingest trips: new", "+ clean rides: new", "+ check rides: new",
                              "+ profile table/rides: new", "~ frame late: its input changes",
                              "~ check_table rides: its input changes", "~ train late: its input changes",
                              "~ judge late: its input changes"}));
}

TEST_F(PlanTest, ARewrittenFileIsAChangeAndNotNew) {
  apply();
  world_.write("data/trips/" + flow::SmallWorld::name_of_day(2), flow::SmallWorld::trips_of_day(2, 3));
  EXPECT_EQ(changes()[0], "~ ingest trips: its input changed");
}

TEST_F(PlanTest, AnAddedEndpointIsAChangeOfTheRecordAlone) {
  apply();
  declare("endpoints:\n", "endpoints:\n  counter: {model: late, batch: 1d}\n");
  const Plan more = plan();
  EXPECT_EQ(more.to_run, 0);
  EXPECT_FALSE(more.is_empty());
  EXPECT_EQ(changes(), Words{"+ endpoint counter: new: serves late once its gates have passed"});
}

TEST_F(PlanTest, AnEarlierAsOfIsAnotherWorld) {
  apply();
  declare("as_of: 2020-01-06", "as_of: 2020-01-04");
  const Words lines = changes();
  EXPECT_EQ(lines[0], "~ frame late: its parameters changed: as_of 1578268800000000 → 1578096000000000");
}

TEST_F(PlanTest, SaysItAllAsJson) {
  const Json json = plan().to_json();
  EXPECT_EQ(json.text_or("project"), "trips");
  EXPECT_EQ(json.text_or("as_of"), "2020-01-06T00:00:00Z");
  EXPECT_EQ(json.int_or("steps_to_run"), 26);
  EXPECT_EQ(json["changes"].as_array()[2].dump(),
            R"({"action":"create","kind":"ingest","subject":"trips","count":4,"why":"new"})");
  EXPECT_EQ(json["notes"].as_array().size(), 1u);
}

TEST_F(PlanTest, OfAProjectThatMakesNoSenseIsAllThatIsWrongWithIt) {
  declare("far: km > 20", "far: kn > 20");
  declare("features: [town,", "features: [town, x: hour(deparst),");
  const Result<Plan> refused = make_plan(workplace(), as_of());
  ASSERT_FALSE(refused);
  const std::string words = base::render(refused.error());
  EXPECT_NE(words.find("kn"), std::string::npos) << words;
}

TEST_F(PlanTest, AnUnknownFeatureAndCheckAreNamedTogether) {
  declare("features: [town,", "features: [town, x: hour(deparst),");
  declare("not_null: [town]", "not_null: [twon]");
  const Result<Plan> refused = make_plan(workplace(), as_of());
  ASSERT_FALSE(refused);
  const std::string words = base::render(refused.error());
  EXPECT_NE(words.find("deparst"), std::string::npos) << words;
  EXPECT_NE(words.find("twon"), std::string::npos) << words;
  EXPECT_NE(words.find("did you mean 'town'"), std::string::npos) << words;
}

TEST(AsOf, IsWhatIsAskedElseTheProjectsElseTheClocks) {
  const base::ManualClock clock(100);
  project::Project project;
  EXPECT_EQ(as_of_for(project, std::nullopt, clock), 100);
  project.as_of = 50;
  EXPECT_EQ(as_of_for(project, std::nullopt, clock), 50);
  EXPECT_EQ(as_of_for(project, 7, clock), 7);
}

}  // namespace
}  // namespace trimtab::plan
