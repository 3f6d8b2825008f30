#include "registry/model_history.h"

#include <gtest/gtest.h>

#include "registry/endpoints.h"
#include "registry/model_versions.h"
#include "registry/registered_models.h"
#include "registry/registry_home_test.h"

namespace trimtab::registry {
namespace {

class ModelHistoryTest : public RegistryTest {
 protected:
  void make_model(const std::string& name) {
    EXPECT_TRUE(written<RegisteredModel>([&](auto done) { create_model(by(), {name, "", {}}, done); }));
  }
  void make_version(const std::string& name) {
    NewModelVersion version;
    version.model = name;
    version.source = "s3://bucket/model";
    EXPECT_TRUE(written<ModelVersion>([&](auto done) { create_version(by(), version, done); }));
  }
  std::vector<std::string> lines(const std::string& model) {
    std::vector<std::string> lines;
    const std::vector<HistoryEntry> history = model_history(*home_, model).value();
    for (const HistoryEntry& entry : history) lines.push_back(entry.to_text());
    return lines;
  }
};

TEST_F(ModelHistoryTest, SaysWhatWasWhatWhenAndByWhom) {
  make_model("m");
  make_model("m2");  // Another model, whose name begins alike.
  make_version("m2");
  make_version("m");
  make_version("m");
  EXPECT_TRUE(written<bool>([&](auto done) { set_alias(by(), "m", "champion", 1, done); }));
  EXPECT_TRUE(written<bool>([&](auto done) { set_alias(by(), "m", "champion", 2, done); }));
  EXPECT_TRUE(
      written<ModelVersion>([&](auto done) { change_stage(by(), "m", 2, "Production", false, done); }));
  EXPECT_EQ(lines("m"), (std::vector<std::string>{
                            "2023-11-14T22:13:20Z  version 2 moved from None to Production, by mlflow client",
                            "2023-11-14T22:13:20Z  alias champion set from 1 to 2, by mlflow client",
                            "2023-11-14T22:13:20Z  alias champion set to 1, by mlflow client",
                            "2023-11-14T22:13:20Z  version 2 made, by mlflow client",
                            "2023-11-14T22:13:20Z  version 1 made, by mlflow client",
                            "2023-11-14T22:13:20Z  model m made, by mlflow client",
                        }));
}

TEST_F(ModelHistoryTest, OutlivesTheVersionAndTheModel) {
  make_model("m");
  make_version("m");
  EXPECT_TRUE(written<bool>([&](auto done) { set_alias(by(), "m", "best", 1, done); }));
  EXPECT_TRUE(written<bool>([&](auto done) { delete_version(by(), "m", 1, done); }));
  EXPECT_TRUE(written<bool>([&](auto done) { delete_model(by(), "m", done); }));
  EXPECT_EQ(lines("m"),
            (std::vector<std::string>{
                "2023-11-14T22:13:20Z  model m deleted, by mlflow client",
                "2023-11-14T22:13:20Z  version 1 deleted, by mlflow client",
                "2023-11-14T22:13:20Z  alias best deleted, was 1, by mlflow client: its version was deleted",
                "2023-11-14T22:13:20Z  alias best set to 1, by mlflow client",
                "2023-11-14T22:13:20Z  version 1 made, by mlflow client",
                "2023-11-14T22:13:20Z  model m made, by mlflow client",
            }));
}

TEST_F(ModelHistoryTest, FollowsTheModelThroughItsNames) {
  make_model("old");
  make_version("old");
  EXPECT_TRUE(written<RegisteredModel>([&](auto done) { rename_model(by(), "old", "new", done); }));
  EXPECT_EQ(lines("new"), (std::vector<std::string>{
                              "2023-11-14T22:13:20Z  model new renamed from old to new, by mlflow client",
                              "2023-11-14T22:13:20Z  version 1 made, by mlflow client",
                              "2023-11-14T22:13:20Z  model old made, by mlflow client",
                          }));
}

TEST_F(ModelHistoryTest, KnowsTheChampionsOfEndpoints) {
  make_model("m");
  make_version("m");
  run("UPDATE model_version SET gates = 'passed'");
  EXPECT_TRUE(declare_endpoint(*home_, clock_, "p", "late", "m"));
  EXPECT_TRUE(change_champion(*home_, clock_, "late", 1, "ann", "endpoint.promote", "it is better"));
  const std::vector<HistoryEntry> history = model_history(*home_, "m").value();
  ASSERT_GE(history.size(), 2u);
  EXPECT_EQ(history[0].to_text(), "2023-11-14T22:13:20Z  endpoint late promoted to 1, by ann: it is better");
  EXPECT_EQ(history[0].what, "champion");
  EXPECT_EQ(history_json("m", history)["history"].as_array()[0]["to"].as_int(), 1);
}

TEST_F(ModelHistoryTest, AModelThatNeverWasIsNotFound) {
  make_model("late");
  const auto none = model_history(*home_, "lete");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "no model is or was called 'lete'");
  EXPECT_EQ(none.error().hint, "did you mean 'late'?");
}

}  // namespace
}  // namespace trimtab::registry
