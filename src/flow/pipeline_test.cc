#include "flow/pipeline.h"

#include <gtest/gtest.h>

#include "flow/candidate.h"
#include "flow/small_world_test.h"

namespace trimtab::flow {
namespace {

using Words = std::vector<std::string>;

class PipelineTest : public testing::Test {
 protected:
  TrainingRequest request() const {
    return {.model = "late", .as_of = *world_.project.as_of, .test_from = {}, .champion_manifest = {}};
  }
  Candidate train(const TrainingRequest& request) { return world_.train(request); }
  void declare(const std::string& from, const std::string& to) { world_.declare(from, to); }

  SmallWorld world_;
};

TEST_F(PipelineTest, ATrainingMakesAJudgedCandidateWithAllItsFiles) {
  const Candidate candidate = train(request());
  EXPECT_FALSE(candidate.pending);
  for (const auto& [name, file] : candidate.files) EXPECT_TRUE(world_.home->blobs().has(file.sha256)) << name;
  EXPECT_TRUE(candidate.files.contains("manifest.json"));
  ASSERT_EQ(candidate.gates.size(), 2u);
  EXPECT_TRUE(judge::all_pass(candidate.gates));
  EXPECT_EQ(candidate.facts.text_or("learner"), "lightgbm");
  EXPECT_EQ(candidate.facts.int_or("rounds"), 5);
  EXPECT_GT(candidate.facts.int_or("train_rows"), candidate.facts.int_or("test_rows"));
}

TEST_F(PipelineTest, HealingChoosesWhereTheTestBegins) {
  TrainingRequest later = request();
  later.test_from = base::parse_time("2020-01-03").value();
  const Candidate candidate = train(later);
  EXPECT_EQ(candidate.facts.int_or("test_rows"), 2 * 48);
  EXPECT_EQ(candidate.facts.int_or("train_rows"), 2 * 48);
  EXPECT_NE(candidate.step_key, train(request()).step_key);
}

TEST_F(PipelineTest, RowsWhoseLabelIsNotKnownYetAreNotLearntFrom) {
  TrainingRequest early = request();
  early.as_of = base::parse_time("2020-01-04T12:00:00Z").value();
  const Candidate candidate = train(early);
  // A label is known an hour after departure: of the 4th, trips until 11:00.
  EXPECT_EQ(candidate.facts.int_or("train_rows") + candidate.facts.int_or("test_rows"), 3 * 48 + 23);
}

TEST_F(PipelineTest, AChampionIsScoredOnTheSameRows) {
  TrainingRequest against = request();
  against.champion_manifest = train(request()).files.at("manifest.json").sha256;
  declare("rounds: 5", "rounds: 6");
  declare("auc >= 0.1", "auc >= champion - 0.5");
  const Candidate candidate = train(against);
  EXPECT_TRUE(candidate.gates[0].detail.starts_with("champion 0.")) << candidate.gates[0].detail;
}

TEST_F(PipelineTest, WhatACandidateCostsAndHowOftenItChangesItsMind) {
  declare("ece <= 0.9", "memory_mb <= 2000, size_mb <= 0.000001, flips <= 0.99");
  const Candidate small = train(request());
  ASSERT_EQ(small.gates.size(), 4u);
  const auto value = [](const Candidate& of, std::size_t gate) {
    return of.gates[gate].measured.value.value_or(-1);
  };
  EXPECT_EQ(small.gates[1].verdict, judge::Verdict::pass);
  EXPECT_GE(value(small, 1), 0);
  double bytes = 0;
  for (const auto& [name, file] : small.files) bytes += static_cast<double>(file.size);
  EXPECT_EQ(value(small, 2), bytes / 1'000'000);
  EXPECT_EQ(small.gates[2].verdict, judge::Verdict::fail);
  EXPECT_EQ(small.gates[3].detail, "no champion yet");

  declare("rounds: 5, leaves: 4", "rounds: 4000, leaves: 8");
  TrainingRequest against = request();
  against.champion_manifest = small.files.at("manifest.json").sha256;
  const Candidate large = train(against);
  EXPECT_GT(value(large, 1), value(small, 1) + 1);
  EXPECT_GT(value(large, 2), value(small, 2));
  EXPECT_GT(value(large, 3), 0);
  EXPECT_LT(value(large, 3), 1);
}

TEST_F(PipelineTest, WhatTheRecordKeepsOfACandidate) {
  const Candidate candidate = train(request());
  const registry::NewVersion version = version_of(world_.project, "late", candidate, "heal", "it drifted");
  EXPECT_EQ(version.project, "trips");
  EXPECT_EQ(version.step_key, candidate.step_key);
  EXPECT_EQ(version.params.int_or("rounds"), 5);
  EXPECT_EQ(version.params.int_or("train_rows"), candidate.facts.int_or("train_rows"));
  EXPECT_TRUE(version.metrics["auc"].is_number());
  EXPECT_TRUE(version.gates_passed);
  EXPECT_EQ(version.inputs.at("snapshot/table/rides"), candidate.table.sha256);
  EXPECT_EQ(version.reports.at("report.json").sha256, candidate.report.sha256);
  EXPECT_EQ(version.actor + ": " + version.reason, "heal: it drifted");
}

TEST_F(PipelineTest, TheBaselineIsALearnerLikeAnother) {
  declare("learner: {lightgbm: {rounds: 5, leaves: 4, min_data_in_leaf: 2}}", "learner: {baseline: {}}");
  EXPECT_EQ(train(request()).facts.text_or("learner"), "baseline");
}

TEST_F(PipelineTest, ATableThatReadsATableIsRefusedInWords) {
  declare("models:\n", "  busy: {from: rides}\nmodels:\n");
  const Status refused = world_.pipeline()->validate(world_.notes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  const std::string words = base::render(refused.error());
  EXPECT_NE(words.find("error: table 'busy' reads the table 'rides'\n"
                       "   hint: this version reads sources only: put both recipes into one table"),
            std::string::npos)
      << words;
}

TEST(LabelTime, IsWhatTheProjectSaysElseTheDelayAfterTheEvent) {
  project::Model model;
  model.label_delay = base::kHourUs;
  EXPECT_EQ(label_time_of(model, "departs").text, "\"departs\" + to_seconds(3600)");
  model.label_time = {"label_time", "landed", {}};
  EXPECT_EQ(label_time_of(model, "departs").text, "landed");
}

}  // namespace
}  // namespace trimtab::flow
