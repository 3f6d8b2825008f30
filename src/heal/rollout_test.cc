#include "heal/rollout.h"

#include <gtest/gtest.h>

#include "heal/stream_test.h"

namespace trimtab::heal {
namespace {

// A champion that believes in the first feature, a version beside it, and what the world does.
class RolloutTest : public testing::Test {
 protected:
  watch::LabelledBatch batch(Concept of_world, Concept of_version, int rows = 300) {
    watch::LabelledBatch batch = stream_.day(++day_, of_world, 1, Concept::first, rows);
    Stream::add_previous(batch, 2, of_version);
    batch.roles[2] = model::Role::shadow;
    return batch;
  }
  // The steps of so many batches: "stay stay advance".
  std::string steps(int count, Concept of_world, Concept of_version, int rows = 300) {
    std::string steps;
    for (int i = 0; i < count; ++i) {
      state_ = weigh_rollout(rollout_, poison_budget_, true, state_, batch(of_world, of_version, rows));
      steps += (steps.empty() ? "" : " ") + std::string(rollout_step_name(state_.step));
    }
    return steps;
  }

  project::Rollout rollout_{.shadow_batches = std::nullopt, .canary = {0.1, 0.5}, .key = ""};
  int poison_budget_ = 1;
  RolloutState state_{.version = 2, .champion = 1};
  Stream stream_{3};
  std::int64_t day_ = 0;
};

TEST_F(RolloutTest, ABetterVersionGoesThroughShadowAndCanaryToTheTop) {
  EXPECT_EQ(steps(4, Concept::second, Concept::second), "stay advance advance promote");
  EXPECT_EQ(rollout_share(rollout_, 0), 0);
  EXPECT_EQ(rollout_share(rollout_, 2), 0.5);
  EXPECT_EQ(state_.why, "it is not worse than the champion on the same rows");
}

TEST_F(RolloutTest, TheShadowIsAsLongAsDeclaredElseLongerThanThePoisonBudget) {
  EXPECT_EQ(shadow_batches(rollout_, 3), 4);
  rollout_.shadow_batches = 3;
  EXPECT_EQ(steps(3, Concept::second, Concept::second), "stay stay advance");
}

TEST_F(RolloutTest, WithoutACanaryTheShadowIsAll) {
  rollout_.canary.clear();
  EXPECT_EQ(steps(2, Concept::second, Concept::second), "stay promote");
}

TEST_F(RolloutTest, AWorseVersionIsSentBackFromWhereverItIs) {
  EXPECT_EQ(steps(2, Concept::first, Concept::second), "stay send_back");
  EXPECT_EQ(state_.why, "it is worse than the champion on the same rows");
  state_ = {.version = 2, .champion = 1, .stage = 2};
  EXPECT_EQ(steps(2, Concept::first, Concept::second), "stay send_back");
}

TEST_F(RolloutTest, WrongLabelsWithinTheBudgetDecideNothing) {
  poison_budget_ = 2;
  // The labels of two batches are wrong: the world seems to be another one.
  EXPECT_EQ(steps(2, Concept::first, Concept::second), "stay stay");
  EXPECT_EQ(steps(2, Concept::second, Concept::second), "stay stay");
  EXPECT_EQ(state_.step, RolloutStep::stay);
}

TEST_F(RolloutTest, AVersionLikeTheChampionIsNotWorseOnceEnoughRowsHaveSaidSo) {
  EXPECT_EQ(steps(1, Concept::first, Concept::first, 100), "stay");
  EXPECT_EQ(state_.why, "more batches are to come");
  EXPECT_EQ(steps(3, Concept::first, Concept::first, 1'500), "advance advance promote");
}

TEST_F(RolloutTest, WhereNothingIsShownTheChampionIsKept) {
  rollout_.shadow_batches = 1;
  poison_budget_ = 0;
  EXPECT_EQ(steps(7, Concept::first, Concept::first, 20), "stay stay stay stay stay stay stay");
  EXPECT_EQ(state_.why, "the evidence is not enough yet");
  EXPECT_EQ(steps(1, Concept::first, Concept::first, 20), "send_back");
  EXPECT_EQ(state_.why, "nothing has shown that it is not worse than the champion");
}

TEST_F(RolloutTest, ABatchFromBeforeItSaysNothing) {
  state_.begun = 20 * base::kDayUs;
  for (int day = 1; day < 20; ++day) {
    state_ = weigh_rollout(rollout_, 0, true, state_, stream_.day(day, Concept::first));
    EXPECT_EQ(state_.step, RolloutStep::stay);
  }
  EXPECT_EQ(state_.batches, 0);
  EXPECT_EQ(state_.why, "too few rows of the batch were scored by both");
}

// Of a version that does not answer, or where hardly anybody asks.
TEST_F(RolloutTest, ItEndsAlsoWhereNothingIsScoredByBoth) {
  state_.begun = 20 * base::kDayUs;
  for (int day = 20; day < 28; ++day) {
    EXPECT_EQ(state_.step, RolloutStep::stay);
    state_ = weigh_rollout(rollout_, 0, true, state_, stream_.day(day, Concept::first));
  }
  EXPECT_EQ(state_.step, RolloutStep::send_back);
  EXPECT_EQ(state_.why,
            "nothing has shown that it is not worse than the champion: too few rows of the batch were scored "
            "by both");
}

TEST_F(RolloutTest, PatienceOutlastsThePoisonBudget) {
  rollout_.shadow_batches = 1;
  poison_budget_ = 9;
  EXPECT_EQ(steps(10, Concept::second, Concept::second),
            "stay stay stay stay stay stay stay stay stay advance");
}

TEST_F(RolloutTest, TheUnitOfARegressionsTargetDoesNotMatter) {
  RolloutState large = state_;
  RolloutState small = state_;
  for (int i = 0; i < 3; ++i) {
    watch::LabelledBatch of_small = batch(Concept::second, Concept::second);
    watch::LabelledBatch of_large = of_small;
    for (double& truth : of_large.truth) truth *= 1024;
    for (auto& [version, scores] : of_large.scores) {
      for (double& score : scores) score *= 1024;
    }
    small = weigh_rollout(rollout_, 0, false, small, of_small);
    large = weigh_rollout(rollout_, 0, false, large, of_large);
    EXPECT_EQ(small.to_json(), large.to_json());
  }
}

TEST_F(RolloutTest, TheJournalBringsItBackExactly) {
  steps(2, Concept::first, Concept::first);
  EXPECT_EQ(RolloutState::from_json(base::parse_json(state_.to_json().dump()).value()).to_json(),
            state_.to_json());
}

}  // namespace
}  // namespace trimtab::heal
