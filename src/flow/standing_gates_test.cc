#include "flow/standing_gates.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "flow/small_world_test.h"

namespace trimtab::flow {
namespace {

using judge::Verdict;
using table::ColumnType;
using table::Schema;

TEST(SchemaGate, ColumnsMayComeAndGoButNotChangeTheirType) {
  const Schema before({{"km", ColumnType::real}, {"town", ColumnType::text}});
  EXPECT_FALSE(schema_gate(before, before));
  // The order is nobody's business.
  EXPECT_FALSE(schema_gate(Schema({{"town", ColumnType::text}, {"KM", ColumnType::real}}), before));

  const auto moved = schema_gate(Schema({{"km", ColumnType::real}, {"hour", ColumnType::integer}}), before);
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->gate, "schema");
  EXPECT_EQ(moved->verdict, Verdict::pass);
  EXPECT_EQ(moved->detail, "new: hour (integer); gone: town");

  const Schema whole({{"km", ColumnType::integer}, {"town", ColumnType::text}});
  EXPECT_EQ(schema_gate(before, whole)->verdict, Verdict::pass);
  EXPECT_EQ(schema_gate(before, whole)->detail, "wider: km was integer, is real");

  const auto changed = schema_gate(whole, before);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->verdict, Verdict::fail);
  EXPECT_EQ(changed->measured.value, 1);
  EXPECT_EQ(changed->threshold, 0);
  EXPECT_EQ(changed->detail, "another type: km was real, is integer");
}

class StandingGates : public testing::Test {
 protected:
  Candidate train(const std::optional<std::string>& champion = {}) {
    return world_.train(
        {.model = "late", .as_of = *world_.project.as_of, .test_from = {}, .champion_manifest = champion});
  }
  void declare(const std::string& from, const std::string& to) { world_.declare(from, to); }
  void overwrite(const std::string& sha256, const std::string& text) {
    const std::filesystem::path path = world_.home->blobs().path(sha256);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    ASSERT_TRUE(base::write_file_durably(path, text));
  }

  SmallWorld world_;
};

TEST_F(StandingGates, WhatIsWholeIsNotSpokenOf) { EXPECT_EQ(train().gates.size(), 2u); }

TEST_F(StandingGates, AFileThatIsNotWhatItsHashSaysIsRefused) {
  overwrite(train().files.at("model.txt").sha256, "tree");
  const Candidate candidate = train();
  ASSERT_EQ(candidate.gates.size(), 3u);
  EXPECT_EQ(candidate.gates[2].gate, "lineage");
  EXPECT_EQ(candidate.gates[2].verdict, Verdict::fail);
  EXPECT_EQ(candidate.gates[2].measured.value, 1);
  EXPECT_TRUE(candidate.gates[2].detail.starts_with("file model.txt: ")) << candidate.gates[2].detail;
}

TEST_F(StandingGates, ATableWhosePartWasCutIsRefused) {
  train();
  const std::string sha256 = world_.query(
      "SELECT json_extract(outputs_json, '$.files.\"kept.parquet\".blob') FROM step_result "
      "WHERE operation = 'check' ORDER BY label",
      1)[0];
  overwrite(sha256, "PAR1");
  const Candidate candidate = train();
  ASSERT_EQ(candidate.gates.size(), 3u);
  EXPECT_EQ(candidate.gates[2].detail,
            "part data/trips/2020-01-01.csv of the table is stored with another size");
}

TEST_F(StandingGates, ATrainingStepThatNobodyKnowsIsNoLineage) {
  TaskResult fitted;
  fitted.key = "unknown";
  const std::string manifest = R"({"files":{}})";
  fitted.files["manifest.json"] = {world_.home->blobs().put(manifest).value(), manifest.size()};
  const auto gate = lineage_gate(*world_.home, fitted, {}).value();
  ASSERT_TRUE(gate);
  EXPECT_EQ(gate->detail, "the training step is not known");
}

TEST_F(StandingGates, AColumnThatWentIsToldOfAndOneOfAnotherTypeIsRefused) {
  const std::string champion = train().files.at("manifest.json").sha256;
  declare("features: [town, km, temp, far, hour: hour(departs)]", "features: [km, temp, far]");
  const Candidate without = train(champion);
  EXPECT_TRUE(judge::all_pass(without.gates));

  declare("time: departs}", "time: departs, columns: {km: \"cast(round(km) as bigint)\"}}");
  const Candidate rounded = train(champion);
  ASSERT_EQ(rounded.gates.size(), 3u);
  EXPECT_EQ(rounded.gates[2].gate, "schema");
  EXPECT_EQ(rounded.gates[2].verdict, Verdict::fail);
  EXPECT_TRUE(rounded.gates[2].detail.starts_with("another type: km was real, is integer"))
      << rounded.gates[2].detail;
}

}  // namespace
}  // namespace trimtab::flow
