#include "bridges/mlflow/artifact_folder.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/file.h"
#include "store/scratch_folder.h"

namespace trimtab::bridges {
namespace {

namespace fs = std::filesystem;

const std::string kRun(32, 'a');

class ArtifactFolderTest : public testing::Test {
 protected:
  ArtifactFolderTest() {
    write("mlruns/3/" + kRun + "/artifacts/model/MLmodel", "flavors");
    write("secret", "not yours");
    fs::create_symlink(scratch_ / "secret", scratch_ / "mlruns/3" / kRun / "artifacts/link");
  }
  void write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(base::make_folders((scratch_ / name).parent_path()));
    std::ofstream(scratch_ / name) << text;
  }
  // The paths at a location, or what refuses it.
  std::string paths(const std::string& location) {
    const ArtifactFolder folder = ArtifactFolder::open(scratch_ / "mlruns").value();
    const Result<std::vector<ForeignFile>> files = folder.files(location);
    if (!files) return files.error().message;
    std::string text;
    for (const ForeignFile& file : *files) text += file.path + ":" + std::to_string(file.size) + " ";
    return text;
  }

  store::ScratchFolder scratch_;
};

TEST_F(ArtifactFolderTest, FindsFilesUnderEveryNameOfTheirPlace) {
  const std::string inside = "3/" + kRun + "/artifacts";
  const std::string itself = (scratch_ / "mlruns").string() + "/" + inside;
  for (const std::string& location :
       {itself, "file://" + itself, "/moved/from/elsewhere/mlruns/" + inside, "mlflow-artifacts:/" + inside,
        "mlflow-artifacts://host:5000/" + inside}) {
    EXPECT_EQ(paths(location), "model/MLmodel:7 ") << location;
  }
  EXPECT_EQ(paths("mlflow-artifacts:/3/" + std::string(32, 'b') + "/artifacts"), "");
}

TEST_F(ArtifactFolderTest, ReadsNothingOutside) {
  for (const std::string& location :
       {std::string("/etc"), std::string("mlflow-artifacts:/../"), std::string("s3://bucket/3"),
        (scratch_ / "mlruns/../secret").string(), std::string("file:///etc/passwd")}) {
    EXPECT_EQ(paths(location), "the artifacts at '" + location + "' are not below the folder of --artifacts");
  }
  const ArtifactFolder folder = ArtifactFolder::open(scratch_ / "mlruns").value();
  const std::string place = (scratch_ / "mlruns/3").string() + "/" + kRun + "/artifacts";
  for (const std::string& path : {std::string("link"), std::string("../../../../secret")}) {
    EXPECT_FALSE(folder.fetch(place, path, scratch_ / "out")) << path;
  }
  EXPECT_TRUE(folder.fetch(place, "model/MLmodel", scratch_ / "out"));
  EXPECT_EQ(base::read_file(scratch_ / "out").value(), "flavors");
}

TEST_F(ArtifactFolderTest, AFolderThatIsNotThereIsRefused) {
  const auto refused = ArtifactFolder::open(scratch_ / "none");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "there is no folder '" + (scratch_ / "none").string() + "'");
}

}  // namespace
}  // namespace trimtab::bridges
