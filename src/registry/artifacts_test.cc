#include "registry/artifacts.h"

#include "registry/registry_home_test.h"

namespace trimtab::registry {
namespace {

class Artifacts : public RegistryTest {
 protected:
  Result<bool> put(const std::string& path, const std::string& bytes = "x",
                   const std::string& root = "run/1") {
    const ArtifactFile file{home_->blobs().put(bytes).value(), static_cast<std::int64_t>(bytes.size())};
    return written<bool>([&](auto done) { put_artifact(*home_, {root, path}, file, done); });
  }
  std::int64_t remove(const std::string& path) {
    return written<std::int64_t>([&](auto done) { delete_artifacts(*home_, {"run/1", path}, done); }).value();
  }
  std::string list(const std::string& folder) {
    std::string all;
    const Result<std::vector<ArtifactEntry>> entries = list_artifacts(*home_, {"run/1", folder});
    for (const ArtifactEntry& entry : *entries) {
      all +=
          (all.empty() ? "" : " ") + entry.name + (entry.is_folder ? "/" : "=" + std::to_string(entry.size));
    }
    return all;
  }
};

TEST_F(Artifacts, AFolderListsWhatIsDirectlyInIt) {
  for (const char* path : {"a.txt", "model/MLmodel", "model/data/x.bin", "model-2/y", "z"})
    ASSERT_TRUE(put(path));
  EXPECT_EQ(list(""), "a.txt=1 model-2/ model/ z=1");
  EXPECT_EQ(list("model"), "MLmodel=1 data/");
  EXPECT_EQ(list("model/MLmodel"), "");
  EXPECT_EQ(list("nothing"), "");
}

TEST_F(Artifacts, AFileIsReplacedAndFound) {
  ASSERT_TRUE(put("a", "one"));
  ASSERT_TRUE(put("a", "three"));
  EXPECT_EQ(find_artifact(*home_, {"run/1", "a"}, "a")->size, 5);
  EXPECT_EQ(message_of(find_artifact(*home_, {"run/1", "b"}, "0/b")), "No such artifact: '0/b'");
  ASSERT_TRUE(put("f/x"));
  EXPECT_EQ(message_of(find_artifact(*home_, {"run/1", "f"}, "0/f")),
            "Artifact path refers to a directory, not a file: '0/f'");
}

TEST_F(Artifacts, AFileAndAFolderCannotShareAName) {
  ASSERT_TRUE(put("a/b"));
  EXPECT_EQ(message_of(put("a")), "Invalid path: 'a' is a folder of artifacts");
  EXPECT_EQ(message_of(put("a/b/c")), "Invalid path: 'a/b' is an artifact and no folder");
}

TEST_F(Artifacts, DeletingAFolderTakesItsFilesAndNoNeighbours) {
  for (const char* path : {"a/1", "a/2", "ab", "a.txt"}) ASSERT_TRUE(put(path));
  EXPECT_EQ(remove("a"), 2);
  EXPECT_EQ(remove("a"), 0);
  EXPECT_EQ(list(""), "a.txt=1 ab=1");
  EXPECT_EQ(remove(""), 2);
}

TEST_F(Artifacts, WhatTrimtabTrainedIsNotChanged) {
  EXPECT_EQ(message_of(put("recipe.json", "x", "model/late/3")),
            "the files of 'model/late/3' cannot be changed: Trimtab trained this version");
}

}  // namespace
}  // namespace trimtab::registry
