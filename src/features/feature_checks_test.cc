#include "features/feature_checks.h"

#include <gtest/gtest.h>

#include "project/load.h"
#include "table/engine_fixture_test.h"

namespace trimtab::features {
namespace {

class FeatureChecks : public table::EngineFixture {
 protected:
  struct Model {
    std::string target = "arr_delay >= 15";
    std::string features = "[distance]";
    std::string label_time = "sched_dep + to_minutes(CAST(air_time AS INTEGER))";
    std::string task = "binary";
    std::string gates = "[auc >= 0.5]";
  };

  // What is wrong with the model, or "". The target stands on line 10, the features on line 11.
  std::string refusal(const Model& declared) {
    const std::string text =
        "project: p\n"
        "sources:\n"
        "  s: {read: s.csv, time: sched_dep}\n"
        "tables:\n"
        "  t: {from: s}\n"
        "models:\n"
        "  late:\n"
        "    from: t\n"
        "    task: " +
        declared.task +
        "\n"
        "    target: " +
        declared.target +
        "\n"
        "    features: " +
        declared.features +
        "\n"
        "    label_time: " +
        declared.label_time +
        "\n"
        "    gates: " +
        declared.gates +
        "\n"
        "    split: {test: 20%}\n"
        "    learner: baseline\n";
    const Result<project::Project> project = project::parse(text, "p.yaml", "/nowhere");
    if (!project) return base::render(project.error());
    const table::Schema schema({{"sched_dep", table::ColumnType::time},
                                {"origin", table::ColumnType::text},
                                {"distance", table::ColumnType::integer},
                                {"air_time", table::ColumnType::real},
                                {"arr_delay", table::ColumnType::real}});
    const Status valid = validate(engine(), project->models.front(), schema, "UTC");
    return valid ? "" : base::render(valid.error());
  }
};

TEST_F(FeatureChecks, AGoodModelPasses) {
  EXPECT_EQ(refusal({.features = "[distance, origin, hour: hour(sched_dep)]"}), "");
}

TEST_F(FeatureChecks, AFeatureThatKnowsTheTargetIsRefused) {
  EXPECT_EQ(
      refusal({.features = "[distance, leak: \"ARR_DELAY / 2\"]"}),
      "p.yaml:11:33: error: feature 'leak' uses 'arr_delay', which the target is made of: it is not known "
      "when a prediction is asked for\n"
      "   hint: leave the feature out");
}

TEST_F(FeatureChecks, AFeatureThatTellsWhenTheLabelIsKnownIsRefused) {
  EXPECT_EQ(
      refusal({.features = "[air_time]"}),
      "p.yaml:11:16: error: feature 'air_time' uses 'air_time', which says when the label is known: it is "
      "only known after the fact\n"
      "   hint: leave the feature out");
}

TEST_F(FeatureChecks, AnUnknownColumnIsNamedWithTheNearest) {
  EXPECT_EQ(refusal({.features = "[distnce]"}),
            "p.yaml:11:16: error: 'distnce' is no column here\n   hint: did you mean 'distance'? the columns "
            "are sched_dep, origin, distance, air_time, arr_delay");
}

TEST_F(FeatureChecks, ATimeIsNoFeature) {
  EXPECT_EQ(refusal({.features = "[sched_dep]"}),
            "p.yaml:11:16: error: feature 'sched_dep' is a time, which no learner takes as it is\n"
            "   hint: say what of it matters: hour(sched_dep), isodow(…), epoch(…)");
}

TEST_F(FeatureChecks, NamesAreFree) {
  EXPECT_EQ(refusal({.features = "[__x: distance]"}),
            "p.yaml:11:21: error: the feature name '__x' begins with '__', which is reserved");
}

TEST_F(FeatureChecks, TheTargetFitsTheTask) {
  EXPECT_EQ(refusal({.target = "origin"}),
            "p.yaml:10:13: error: the target of model 'late' is text; a binary task wants true or false\n"
            "   hint: write a condition, e.g. arr_delay >= 15");
  EXPECT_EQ(refusal({.target = "arr_delay > 0", .task = "regression", .gates = "[rmse <= 1]"}),
            "p.yaml:10:13: error: the target of model 'late' is boolean; a regression wants a number");
  EXPECT_EQ(refusal({.target = "arr_delay", .task = "regression", .gates = "[rmse <= 1]"}), "");
}

TEST_F(FeatureChecks, TheLabelTimeIsATime) {
  EXPECT_EQ(refusal({.label_time = "air_time + 1"}),
            "p.yaml:12:17: error: label_time is real, a time is wanted\n"
            "   hint: e.g. sched_dep + to_minutes(dep_delay)");
}

TEST_F(FeatureChecks, ASliceIsAColumn) {
  EXPECT_EQ(refusal({.gates = "[slice(orign).auc >= 0.5]"}),
            "p.yaml:13:13: error: gate 'slice(orign).auc >= 0.5' slices by 'orign', which is no column here\n"
            "   hint: did you mean 'origin'?");
}

TEST_F(FeatureChecks, EverythingIsSaidAtOnce) {
  const std::string said =
      refusal({.target = "getenv('HOME') = 'x'", .features = "[a: \"read_text('/etc/passwd')\", sched_dep]"});
  EXPECT_TRUE(said.starts_with("error: 3 errors\n")) << said;
  EXPECT_NE(said.find("'getenv'"), std::string::npos) << said;
  EXPECT_NE(said.find("'read_text'"), std::string::npos) << said;
}

}  // namespace
}  // namespace trimtab::features
