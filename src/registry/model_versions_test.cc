#include "registry/model_versions.h"

#include "registry/endpoints.h"
#include "registry/logged_models.h"
#include "registry/registered_models.h"
#include "registry/registry_home_test.h"

namespace trimtab::registry {
namespace {

const std::string kRun = "0123456789abcdef0123456789abcdef";

class ModelVersions : public RegistryTest {
 protected:
  ModelVersions() {
    EXPECT_TRUE(written<RegisteredModel>([&](auto done) { create_model(by(), {"late", "", {}}, done); }));
  }
  Result<ModelVersion> create(const std::string& source, std::optional<std::string> run_id = {},
                              std::optional<std::string> model_id = {}, std::vector<KeyValue> tags = {}) {
    NewModelVersion version{"late", source, std::move(run_id), std::move(model_id), "", "", std::move(tags)};
    return written<ModelVersion>([&](auto done) { create_version(by(), version, done); });
  }
  Result<ModelVersion> stage(std::int64_t version, const std::string& stage, bool archive) {
    return written<ModelVersion>(
        [&](auto done) { change_stage(by(), "late", version, stage, archive, done); });
  }
  Result<bool> remove(std::int64_t version) {
    return written<bool>([&](auto done) { delete_version(by(), "late", version, done); });
  }
  std::string log_model(const std::string& run_id) {
    NewLoggedModel model;
    model.experiment_location = "mlflow-artifacts:/0";
    model.name = "m";
    model.source_run_id = run_id;
    return written<LoggedModel>([&](auto done) { create_logged_model(by(), model, done); })->id;
  }
  std::vector<std::int64_t> numbers(const std::string& filter) {
    std::vector<std::int64_t> found;
    const Result<VersionPage> page = search_versions(*home_, {filter, {}, 100, 0});
    EXPECT_TRUE(page) << message_of(page);
    for (const ModelVersion& version : page->versions) found.push_back(version.version);
    return found;
  }
};

TEST_F(ModelVersions, AreCountedAndKeepWhatTheyWereGiven) {
  const Result<ModelVersion> first = create("s3://bucket/x", kRun, {}, {{"k", "v"}});
  ASSERT_TRUE(first) << message_of(first);
  EXPECT_EQ(first->version, 1);
  EXPECT_EQ(first->run_id, kRun);
  EXPECT_EQ(first->location, "s3://bucket/x");
  EXPECT_EQ(first->stage + first->status, "NoneREADY");
  EXPECT_EQ(create("s3://bucket/x")->version, 2);
  EXPECT_EQ(message_of(find_model_version(*home_, "late", 9)),
            "Model Version (name=late, version=9) not found");
}

TEST_F(ModelVersions, ASourceIsNeverAPlaceOnThisMachine) {
  const std::string local =
      "'. To use a local path as a model version source, the run_id request parameter has to be specified "
      "and the "
      "local path has to be contained within the artifact directory of the run specified by the run_id.";
  const std::string relative =
      "'. If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts "
      "uri, an "
      "absolute path must be provided without relative path references present. Please provide an absolute "
      "path.";
  const std::string foreign =
      "'. The run_id request parameter must identify the resource that contains the source.";
  for (const auto& [source, why] : std::vector<std::pair<std::string, std::string>>{
           {"/etc/passwd", local},
           {"file:///etc", local},
           {"models/x", local},
           {"s3://b/../x", relative},
           {"s3://b/%252e%252e/x", relative},
           {"s3://b/x%00", relative},
           {"mlflow-artifacts:/../../x", relative},
           {"s3://b/a\\..\\x", relative},
           {"s3:relative", relative},
           {"runs:/abc/m", foreign},
           {"mlflow-artifacts:/0/" + kRun + "/artifacts/m", foreign},
           {"mlflow-artifacts:/0/x", foreign}}) {
    EXPECT_EQ(message_of(create(source)), "Invalid model version source: '" + source + why);
  }
  EXPECT_EQ(
      message_of(create("http://h/api/2.0/mlflow-artifacts/artifacts/0/x")),
      "'source' cannot use the 'http' scheme: the 'http' scheme addresses a host other than the tracking "
      "server's configured artifact storage, so the server would connect to the host named in the URI.");
  EXPECT_FALSE(create("mlflow-artifacts://host/0/" + kRun + "/artifacts/m", kRun));
  EXPECT_EQ(message_of(create("runs:/abc/m", "other")),
            "Invalid model version source: 'runs:/abc/m" + foreign);
  EXPECT_TRUE(create("runs:/abc/m", "abc"));
}

TEST_F(ModelVersions, ThePromptTagOpensNoDoor) {
  const std::vector<KeyValue> prompt = {{"mlflow.prompt.is_prompt", "true"}};
  EXPECT_EQ(message_of(create("file:///etc", {}, {}, prompt)),
            "Invalid prompt source: 'file:///etc'. Prompt sources must use an MLflow placeholder.");
  EXPECT_TRUE(create("dummy-source", {}, {}, prompt));
}

TEST_F(ModelVersions, ALoggedModelBecomesAVersionAndRemembersIt) {
  const std::string id = log_model(kRun);
  EXPECT_EQ(message_of(create("models:/" + id)),
            "Invalid model version source: 'models:/" + id +
                "'. The model_id request parameter must identify the resource that contains the source.");
  const Result<ModelVersion> made = create("models:/" + id, {}, id);
  ASSERT_TRUE(made) << message_of(made);
  EXPECT_EQ(made->location, "mlflow-artifacts:/0/models/" + id + "/artifacts");
  EXPECT_EQ(made->run_id, kRun);
  EXPECT_EQ(find_logged_model(*home_, id)->tags,
            (std::vector<KeyValue>{{"mlflow.modelVersions", R"([{"name": "late", "version": 1}])"}}));
  EXPECT_TRUE(create("mlflow-artifacts:/0/models/" + id + "/artifacts/sub", {}, id));
  EXPECT_FALSE(create("mlflow-artifacts:/0/models/" + log_model("") + "/artifacts", {}, id));
}

TEST_F(ModelVersions, AVersionOfAVersionHasItsFiles) {
  ASSERT_TRUE(create("s3://bucket/x", kRun));
  EXPECT_EQ(create("models:/late/1")->location, "s3://bucket/x");
  EXPECT_EQ(create("models:/late/latest")->source, "models:/late/2");
  ASSERT_TRUE(written<bool>([&](auto done) { set_alias(by(), "late", "best", 1, done); }));
  EXPECT_EQ(create("models:/late@best")->source, "models:/late/1");
  EXPECT_EQ(message_of(create("models:/late/Production")),
            "No versions of model with name 'late' and stage 'Production' found");
  EXPECT_EQ(
      message_of(create("models:/late/1", "other")),
      "Invalid model version source: 'models:/late/1'. The run_id and model_id request parameters must match "
      "the referenced model version.");
}

TEST_F(ModelVersions, StagesMoveAndArchive) {
  ASSERT_TRUE(create("s3://bucket/1"));
  ASSERT_TRUE(create("s3://bucket/2"));
  EXPECT_EQ(stage(1, "production", false)->stage, "Production");
  EXPECT_EQ(stage(2, "Production", true)->stage, "Production");
  EXPECT_EQ(find_model_version(*home_, "late", 1)->stage, "Archived");
  EXPECT_EQ(history(2).at(1), R"(model_version.stage model/late/1 {"from":"Production","to":"Archived"})");
  EXPECT_EQ(latest_versions(*home_, "late", {"production"})->at(0).version, 2);
  EXPECT_EQ(message_of(stage(2, "None", true)),
            "Model version transition cannot archive existing model versions because 'None' is not an Active "
            "stage. "
            "Valid stages are ['Staging', 'Production']");
}

TEST_F(ModelVersions, ADeletedVersionTakesItsAliasesAndKeepsItsNumber) {
  ASSERT_TRUE(create("s3://bucket/1"));
  ASSERT_TRUE(create("s3://bucket/2"));
  ASSERT_TRUE(written<bool>([&](auto done) { set_alias(by(), "late", "best", 2, done); }));
  ASSERT_TRUE(remove(2));
  EXPECT_EQ(message_of(find_by_alias(*home_, "late", "best")), "Registered model alias best not found.");
  EXPECT_EQ(message_of(remove(2)), "Model Version (name=late, version=2) not found");
  EXPECT_EQ(create("s3://bucket/3")->version, 3);
  EXPECT_EQ(numbers("name = 'late'"), (std::vector<std::int64_t>{3, 1}));
}

TEST_F(ModelVersions, WhatAnEndpointServesStays) {
  ASSERT_TRUE(create("s3://bucket/1"));
  run("UPDATE model_version SET gates = 'passed'");
  ASSERT_TRUE(declare_endpoint(*home_, clock_, "flights", "late", "late"));
  ASSERT_TRUE(change_champion(*home_, clock_, "late", 1, "apply", "endpoint.promote", "it passed"));
  EXPECT_EQ(message_of(remove(1)),
            "Model Version (name=late, version=1) cannot be deleted: the endpoint 'late' serves it");
}

TEST_F(ModelVersions, SearchKnowsNumbersRunsSourcesAndTags) {
  ASSERT_TRUE(create("s3://bucket/1", kRun, {}, {{"k", "v"}}));
  ASSERT_TRUE(create("s3://bucket/2"));
  EXPECT_EQ(numbers("version_number < 2"), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(numbers("version_number = '2'"), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(numbers("run_id IN ('" + kRun + "')"), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(numbers("source_path LIKE '%/2'"), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(numbers("tags.k = 'v'"), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(message_of(search_versions(*home_, {"version_number = 1.5", {}, 100, 0})),
            "Invalid value for numeric attribute 'version_number': 1.5");
  EXPECT_EQ(message_of(search_versions(*home_, {"source_path IN ('a')", {}, 100, 0})),
            "Only ['name', 'run_id'] attributes support comparison with a list of quoted string values.");
}

}  // namespace
}  // namespace trimtab::registry
