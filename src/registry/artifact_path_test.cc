#include "registry/artifact_path.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace trimtab::registry {
namespace {

const std::string kHex = "0123456789abcdef0123456789abcdef";

TEST(ArtifactPath, NamesWhoseFileItIs) {
  EXPECT_EQ(parse_artifact_path("5/" + kHex + "/artifacts/model/MLmodel").value(),
            (ArtifactPath{"run/" + kHex, "model/MLmodel"}));
  EXPECT_EQ(parse_artifact_path("team/x/" + kHex + "/artifacts").value(), (ArtifactPath{"run/" + kHex, ""}));
  EXPECT_EQ(parse_artifact_path("0/models/m-" + kHex + "/artifacts/a//./b").value(),
            (ArtifactPath{"logged_model/m-" + kHex, "a/b"}));
  EXPECT_EQ(parse_artifact_path("models/late/3/recipe.json").value(),
            (ArtifactPath{"model/late/3", "recipe.json"}));
  EXPECT_EQ(parse_artifact_path("0/traces/tr-1/artifacts/x").value(),
            (ArtifactPath{"proxy", "0/traces/tr-1/artifacts/x"}));
}

TEST(ArtifactPath, NothingThatLeavesItsRootIsTaken) {
  for (const std::string& path :
       {std::string("../x"), std::string("0/../../x"), std::string("/etc/passwd"), std::string("0/a\\b"),
        std::string("0/..\\..\\x"), std::string("0/%2e%2e/x"), std::string("0/%252e%252e%252fx"),
        std::string("0/a\0b", 5), std::string("0/a%00b"), std::string("0/a#b"), std::string("0/a\nb"),
        std::string("file:///etc"), std::string("c:/x"), std::string("0/%5c..%5cx"),
        std::string(5000, 'a')}) {
    const Result<ArtifactPath> parsed = parse_artifact_path(path);
    ASSERT_FALSE(parsed) << path;
    EXPECT_EQ(parsed.error().message, "Invalid path");
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid);
  }
}

TEST(ArtifactPath, AKeyNeverHoldsAStepUp) {
  rc::check([](const std::vector<std::string>& steps) {
    std::string path = "0";
    for (const std::string& step : steps) path += "/" + step;
    const Result<ArtifactPath> parsed = parse_artifact_path(path);
    if (parsed) RC_ASSERT(("/" + parsed->path + "/").find("/../") == std::string::npos);
  });
}

TEST(ArtifactFolder, IsAllOfARunOrALoggedModel) {
  const std::string id(32, 'a');
  EXPECT_EQ(parse_artifact_folder("3/" + id).value(), (ArtifactPath{"run/" + id, ""}));
  EXPECT_EQ(parse_artifact_folder("3/" + id + "/artifacts/x").value(), (ArtifactPath{"run/" + id, "x"}));
  EXPECT_EQ(parse_artifact_folder("3/models/m-" + id).value(), (ArtifactPath{"logged_model/m-" + id, ""}));
  for (const std::string& path : {std::string("foo"), std::string("3/traces"), "foo/" + id})
    EXPECT_EQ(parse_artifact_folder(path).value(), (ArtifactPath{"proxy", path}));
  for (const std::string path : {"3", "3/models"}) {
    const auto refused = parse_artifact_folder(path);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "Invalid path: '" + path + "' holds the artifacts of a whole experiment");
    EXPECT_EQ(refused.error().hint, "delete them run by run and model by model");
  }
}

}  // namespace
}  // namespace trimtab::registry
