#include "model/artifact.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "model/booster.h"
#include "table/engine.h"

namespace trimtab::model {
namespace {

using Files = std::map<std::string, std::string>;
using table::ColumnType;

Artifact small_artifact() {
  Artifact artifact;
  artifact.recipe.request = table::Schema({{"x", ColumnType::real}, {"word", ColumnType::text}});
  artifact.recipe.stages = {table::SelectStage{{"x", "word"}}};
  artifact.recipe.features = {{"x", ColumnType::real, {}}, {"word", ColumnType::text, {"a", "ü"}}};
  artifact.learner = "baseline";
  artifact.model_text = "0.25";
  artifact.baseline = Json::object({{"auc", 0.5}});
  return artifact;
}

Result<std::shared_ptr<const Artifact>> read_back(const Files& files) {
  return Artifact::from_files([&](const std::string& name) -> Result<std::string> {
    const auto found = files.find(name);
    if (found == files.end()) return fail(ErrorCode::not_found, "no file " + name);
    return found->second;
  });
}

// Replaces a file and makes the manifest agree, as somebody who wants to be believed would.
Files forged(const std::string& name, const std::string& bytes) {
  Files files = small_artifact().to_files();
  files[name] = bytes;
  Json list = Json::array();
  for (const auto& [each, content] : files) {
    if (each == "manifest.json") continue;
    list.push(Json::object({{"name", each}, {"sha256", base::sha256(content)}, {"size", content.size()}}));
  }
  files["manifest.json"] = Json::object({{"files", list}}).dump();
  return files;
}

Error refusal(const Files& files) {
  const Result<std::shared_ptr<const Artifact>> result = read_back(files);
  CHECK(!result.has_value());
  return result.error();
}

TEST(Artifact, RoundTripKeepsEverythingAndTheBytes) {
  const Artifact artifact = small_artifact();
  const Files files = artifact.to_files();
  EXPECT_EQ(files, artifact.to_files());
  const Result<std::shared_ptr<const Artifact>> back = read_back(files);
  ASSERT_TRUE(back) << base::render(back.error());
  EXPECT_EQ((*back)->recipe, artifact.recipe);
  EXPECT_EQ((*back)->learner, "baseline");
  EXPECT_EQ((*back)->model_text, "0.25");
  EXPECT_EQ((*back)->baseline, artifact.baseline);
  EXPECT_TRUE((*back)->binary);
  EXPECT_EQ((*back)->to_files(), files);
}

TEST(Artifact, FilesAndTheirManifest) {
  const Files files = small_artifact().to_files();
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"artifact.json", "baseline.json", "manifest.json", "model.txt",
                                             "recipe.json"}));
  EXPECT_EQ(base::parse_json(files.at("artifact.json"))->dump(),
            R"({"format":1,"learner":"baseline","binary":true,"engine":")" + table::engine_version() +
                R"(","booster":")" + booster_version() + R"("})");
  const Json manifest = *base::parse_json(files.at("manifest.json"));
  const Json& model = manifest["files"].as_array().at(2);
  EXPECT_EQ(model.dump(), R"({"name":"model.txt","sha256":")" + base::sha256("0.25") + R"(","size":4})");
}

TEST(Artifact, ALearnerThatMlflowKnowsIsAModelOfIts) {
  Artifact artifact = small_artifact();
  artifact.learner = "lightgbm";
  artifact.model_text = "tree\n";
  const Files files = artifact.to_files();
  const Json model = *base::parse_json(files.at("MLmodel"));
  EXPECT_EQ(model["flavors"]["lightgbm"].dump(), R"({"data":"model.txt","lgb_version":")" +
                                                     booster_version() +
                                                     R"(","model_class":"lightgbm.basic.Booster"})");
  EXPECT_EQ(model["flavors"]["python_function"].text_or("loader_module"), "mlflow.lightgbm");
  EXPECT_EQ(
      model["signature"].text_or("inputs"),
      R"([{"type":"double","name":"x","required":true},{"type":"double","name":"word","required":true}])");
  EXPECT_EQ(files.at("requirements.txt"), "mlflow==3.17.2\nlightgbm==" + booster_version() + "\n");
  const auto listed = manifest_files(*base::parse_json(files.at("manifest.json")));
  for (const char* name : {"MLmodel", "python_env.yaml", "requirements.txt"})
    EXPECT_EQ(listed.at(name), base::sha256(files.at(name)));
  EXPECT_EQ((*read_back(files))->to_files(), files);
}

TEST(Artifact, AChangedOrMissingFileIsNoticed) {
  const Files files = small_artifact().to_files();
  for (const auto& [name, bytes] : files) {
    Files broken = files;
    broken.erase(name);
    EXPECT_EQ(refusal(broken).code, ErrorCode::storage_broken);
    EXPECT_EQ(refusal(broken).message, "the model's file " + name + " is missing");
    if (name == "manifest.json") continue;
    for (std::size_t at = 0; at < bytes.size(); at += 5) {
      broken[name] = bytes;
      broken[name][at] ^= 1;
      EXPECT_EQ(refusal(broken).code, ErrorCode::storage_broken);
      EXPECT_EQ(refusal(broken).message, "the model's file " + name + " is not what its manifest says");
    }
    broken[name] = bytes + "\n";
    EXPECT_EQ(refusal(broken).code, ErrorCode::storage_broken);
  }
}

TEST(Artifact, RefusesANewerFormatAndAnUnknownLearner) {
  const Error newer = refusal(forged("artifact.json", R"({"format":2,"learner":"baseline","binary":true})"));
  EXPECT_EQ(newer.code, ErrorCode::unsupported);
  EXPECT_EQ(newer.message, "the model's files are of format 2, this version reads 1");
  const Error learner = refusal(forged("artifact.json", R"({"format":1,"learner":"magic","binary":true})"));
  EXPECT_EQ(learner.code, ErrorCode::unsupported);
  EXPECT_EQ(learner.message, "this version has no learner 'magic'");
}

TEST(Artifact, RefusesForgedFiles) {
  EXPECT_EQ(refusal(forged("artifact.json", "{}")).message, "the model's artifact.json states no format");
  EXPECT_EQ(refusal(forged("artifact.json", R"({"format":1,"learner":"baseline"})")).message,
            "the model's artifact.json does not say 'binary'");
  EXPECT_EQ(refusal(forged("recipe.json", "[]")).message,
            "the model's file recipe.json is not a JSON object");
  EXPECT_NE(
      refusal(forged("baseline.json", "{")).message.find("the model's file baseline.json is not JSON: "),
      std::string::npos);
  EXPECT_EQ(refusal(forged("../key", "")).message, "the model's manifest lists a file '../key'");
  EXPECT_EQ(refusal({{"manifest.json", "{}"}}).message, "the model's manifest lists no files");
  EXPECT_EQ(refusal({{"manifest.json", R"({"files":[]})"}}).message,
            "the model's manifest lists no artifact.json");
}

TEST(Artifact, OtherRefusalsOfTheStoreComeThrough) {
  const Result<std::shared_ptr<const Artifact>> result = Artifact::from_files(
      [](const std::string&) -> Result<std::string> { return fail(ErrorCode::busy, "try again"); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::busy);
  EXPECT_EQ(result.error().message, "cannot read the model's file manifest.json");
}

}  // namespace
}  // namespace trimtab::model
