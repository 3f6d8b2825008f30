#include "registry/orphan_files.h"

#include "registry/artifacts.h"
#include "registry/book_fixture_test.h"
#include "registry/imported_traces.h"

namespace trimtab::registry {
namespace {

class OrphanFilesTest : public BookTest {
 protected:
  void put_orphan(const std::string& root, const std::string& path) {
    ArtifactFile file{home_->blobs().put(root + path).value(), 10};
    EXPECT_TRUE(wait<bool>([&](auto done) { put_artifact(*home_, {root, path}, file, done); }));
  }
  std::vector<std::string> found(TimeUs age_us = 0) { return find_orphan_files(*home_, age_us)->places; }
};

TEST_F(OrphanFilesTest, BelongToNothingInTheRecord) {
  const std::string run = create(0);
  const std::string never = std::string(32, 'e');
  put_orphan("run/" + run, "a.txt");
  put_orphan("run/" + never, "a/b.txt");
  put_orphan("logged_model/m-" + never, "MLmodel");
  put_orphan("proxy", "foo/x");
  put_orphan("proxy", "0/traces/tr-gone/artifacts/traces.json");
  put_orphan("proxy", "0/traces/tr-here/artifacts/traces.json");
  put_orphan("proxy", "named/model/MLmodel");
  put_orphan("proxy", "named-not/MLmodel");
  put_orphan("proxy", "0/of the experiment.txt");
  EXPECT_TRUE(home_->database().write([](store::Connection& connection) -> Status {
    ImportedTrace trace;
    trace.trace.id = "tr-here";
    TRY(place_trace(connection, 0, trace));
    return connection.run_script(
        "INSERT INTO experiment (id, name, created_ms, updated_ms, artifact_location)"
        " VALUES (7, 'named', 0, 0, 'mlflow-artifacts:/named')");
  }));
  const std::vector<std::string> orphans = {"logged_model/m-" + never + ": MLmodel",
                                            "0/traces/tr-gone/artifacts/traces.json", "foo/x",
                                            "named-not/MLmodel", "run/" + never + ": a/b.txt"};
  EXPECT_EQ(found(), orphans);
  EXPECT_EQ(found(base::kHourUs), std::vector<std::string>()) << "they may belong to what is on its way";
  const Result<OrphanFiles> removed = remove_orphan_files(*home_, clock_, 0, "test");
  EXPECT_EQ(removed->places, orphans);
  EXPECT_EQ(removed->bytes, 50u);
  EXPECT_EQ(found(), std::vector<std::string>());
  EXPECT_TRUE(find_artifact(*home_, {"run/" + run, "a.txt"}, ""));
  EXPECT_TRUE(find_artifact(*home_, {"proxy", "named/model/MLmodel"}, ""));
}

TEST_F(OrphanFilesTest, AreWhatADeletedFolderOfARunWouldLeave) {
  const std::string run = create(0);
  put_orphan("run/" + run, "a/b.txt");
  const ArtifactPath folder = parse_artifact_folder("0/" + run).value();
  EXPECT_EQ(wait<std::int64_t>([&](auto done) { delete_artifacts(*home_, folder, done); }), 1);
  EXPECT_FALSE(find_artifact(*home_, {"run/" + run, "a/b.txt"}, ""));
}

}  // namespace
}  // namespace trimtab::registry
