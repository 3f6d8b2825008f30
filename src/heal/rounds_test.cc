#include "heal/rounds.h"

#include <gtest/gtest.h>

#include "heal/rounds_fixture_test.h"

namespace trimtab::heal {
namespace {

TEST_F(RoundsTest, ACandidateThatPassesItsGatesAnswersFromThenOn) {
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  EXPECT_EQ(journal(), "detected verdict treatment");
  EXPECT_EQ(rounds_.next_due(*patient_), kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_TRUE(requests_.empty()) << "by the clock the training takes an hour";
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(outcome().text_or("result"), "promoted");
  EXPECT_EQ(outcome()["metrics"].dump(), R"({"auc":0.7})");
  EXPECT_EQ(facts().serving_version, 2);
  EXPECT_EQ(facts().previous_version, 1);
  EXPECT_EQ(facts().health, "healthy");
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(patient_->policy().served_version, 2);
  EXPECT_FALSE(patient_->policy().treating);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].as_of, kStart) << "on what was known when the verdict was reached";
  EXPECT_EQ(requests_[0].test_from, kStart - base::kDayUs);
  EXPECT_EQ(requests_[0].champion_manifest, version_with("first", true).files["manifest.json"].sha256);
  EXPECT_EQ(reasons_[0], "incident 1: it has changed");
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(requests_.size(), 1u) << "what is done is done";
}

TEST_F(RoundsTest, APolicyToCompareWithLearnsFromAWindowAndPromotesWhatComes) {
  passes_ = false;
  Verdict verdict = verdict_of(Treatment::retrain);
  verdict.train_from = kStart - 12 * base::kDayUs;
  verdict.left_out = {{kStart - 3 * base::kDayUs, kStart - 2 * base::kDayUs}};
  verdict.gated = false;
  ASSERT_TRUE(reach(verdict));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(requests_[0].train_from, verdict.train_from);
  EXPECT_EQ(requests_[0].left_out, verdict.left_out);
  EXPECT_EQ(outcome().text_or("result"), "promoted");
  EXPECT_EQ(facts().serving_version, 2);
}

TEST_F(RoundsTest, WhatIsLearntSinceAChangeMustBeBetterByMoreThanChance) {
  gain_ = {.rows = 500, .mean = 0.01, .standard_error = 0.01};
  Verdict verdict = verdict_of(Treatment::retrain);
  verdict.changes = {kStart - 5 * base::kDayUs};
  verdict.gain_se = 1.64;
  ASSERT_TRUE(reach(verdict));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(requests_[0].changes, verdict.changes);
  EXPECT_EQ(outcome().text_or("result"), "refused");
  EXPECT_NE(outcome()["gates"].dump().find("better than the champion"), std::string::npos);
  EXPECT_EQ(patient_->policy().failed_heals, 0) << "that may come with more rows";
  EXPECT_GT(patient_->policy().not_before, clock_.now());
}

TEST_F(RoundsTest, ARefusedCandidateIsKeptAndDoesNotAnswer) {
  passes_ = false;
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("result"), "refused");
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(registry::find_version(*home_, kEndpoint, 2).value().gates, "refused");
  EXPECT_EQ(patient_->policy().failed_heals, 1);
}

TEST_F(RoundsTest, ATrainingThatBringsTheChampionAgainIsARefusal) {
  step_key_ = "first";
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("result"), "refused");
  EXPECT_EQ(outcome().text_or("why"), "the training brought the champion again");
}

TEST_F(RoundsTest, ATrainingThatFailsIsAnOutcome) {
  training_error_ = Error{ErrorCode::step_failed, "step 'train' was killed", "more memory", {}, nullptr};
  for (int heal = 1; heal <= 2; ++heal) {
    ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
    clock_.advance_to(clock_.now() + kTrainTakes);
    ASSERT_TRUE(rounds_.finish_treatments(*patient_));
    EXPECT_EQ(patient_->policy().failed_heals, heal);
    if (heal == 2) break;
    EXPECT_EQ(outcome().dump(), R"({"result":"failed","error":"step 'train' was killed"})");
  }
  EXPECT_EQ(facts().health, "needs_attention");
  EXPECT_EQ(facts().serving_version, 1);
}

TEST_F(RoundsTest, AFullDiskOrAStoppingServerSaysNothingAboutTheTreatment) {
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  for (const ErrorCode code : {ErrorCode::storage_full, ErrorCode::storage_broken, ErrorCode::cancelled}) {
    training_error_ = Error{code, "not now", {}, {}, nullptr};
    EXPECT_EQ(rounds_.finish_treatments(*patient_).error().message, "not now");
    EXPECT_EQ(journal(), "detected verdict treatment");
    EXPECT_EQ(patient_->policy().failed_heals, 0);
  }
  training_error_.reset();
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(facts().serving_version, 2);
}

TEST_F(RoundsTest, GoingBackGoesToTheVersionThatTheVerdictNamed) {
  promote_a_second();
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  patient_->policy().on_trial = true;
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().dump(), R"({"result":"rolled back","version":1})");
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(facts().previous_version, std::nullopt) << "it was a mistake";
  EXPECT_EQ(patient_->deployed, 1);
}

TEST_F(RoundsTest, WhoWasRightOnceStaysWarmWhenAnEarlierWorldComesBack) {
  promote_a_second();
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  patient_->policy().on_trial = false;
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(facts().previous_version, 2);
}

TEST_F(RoundsTest, ARefitKeepsWarmWhoWasBeforeTheChange) {
  promote_a_second();
  step_key_ = "the same from more rows";
  Verdict verdict = verdict_of(Treatment::retrain);
  verdict.changes = {kStart - 5 * base::kDayUs};
  verdict.batches = 9;
  verdict.refits = true;
  ASSERT_TRUE(reach(verdict));
  clock_.advance_to(clock_.now() + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(facts().serving_version, 3);
  EXPECT_EQ(facts().previous_version, 1);
  EXPECT_EQ(patient_->policy().learnt_batches, 9);
  EXPECT_EQ(patient_->policy().changed_since, verdict.changes.back());
}

TEST_F(RoundsTest, WhatDoesNotLoadIsNotMadeChampion) {
  patient_->does_not_load = true;
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("error"), "version 2 does not load: its learner is damaged");
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(audited("endpoint.promote"), 1) << "the first version's";
}

TEST_F(RoundsTest, WhatDoesNotLoadIsNotRolledOut) {
  PolicyOptions options;
  options.rollout = project::Rollout{.shadow_batches = 1, .canary = {0.1}, .key = ""};
  patient_ = std::make_unique<SimulatedPatient>(*home_, options);
  patient_->does_not_load = true;
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(outcome().text_or("error"), "version 2 does not load: its learner is damaged");
  EXPECT_EQ(facts().challenger_version, std::nullopt);
}

TEST_F(RoundsTest, WhatDoesNotLoadIsNotGoneBackTo) {
  promote_a_second();
  patient_->does_not_load = true;
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("error"), "version 1 does not load: its learner is damaged");
  EXPECT_EQ(facts().serving_version, 2);
}

TEST_F(RoundsTest, ThereIsNothingToGoBackFromWhenSomebodyElseWasFaster) {
  promote_a_second();
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("a third version of it", true)));
  ASSERT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 3, "apply", "endpoint.promote", "t"));
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("error"),
            "the champion has been changed since: there is nothing to go back from");
  EXPECT_EQ(facts().serving_version, 3);
  EXPECT_EQ(patient_->policy().served_version, 3);
  EXPECT_EQ(patient_->policy().failed_heals, 0) << "the new champion begins with a clean sheet";
}

TEST_F(RoundsTest, ItIsSaidOnceThatALoopWaits) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(reach(verdict_of(Treatment::hold)));
  EXPECT_EQ(journal(), "detected verdict");
  Verdict other = verdict_of(Treatment::hold);
  other.expected = "the retrain budget is used up";
  ASSERT_TRUE(reach(other));
  EXPECT_EQ(journal(), "detected verdict verdict");
  ASSERT_TRUE(reach(Verdict()));
  EXPECT_EQ(journal(), "detected verdict verdict closed") << "the evidence has gone";
  EXPECT_EQ(incident().events.back().detail.text_or("why"), "the evidence has gone");
}

TEST_F(RoundsTest, AnIncidentIsNotClosedWhileItsTreatmentIsUnderWay) {
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  ASSERT_TRUE(reach(Verdict()));
  EXPECT_EQ(journal(), "detected verdict treatment");
}

TEST_F(RoundsTest, TheFormerChampionIsLetGoAfterAWhile) {
  promote_a_second();
  patient_->policy().batches_since_promotion = kWarmBatches - 1;
  ASSERT_TRUE(rounds_.end_probation(*patient_));
  EXPECT_EQ(facts().previous_version, 1);
  // Later than the batch that ended it, too: a server may have been killed in between.
  patient_->policy().batches_since_promotion = kWarmBatches + 3;
  ASSERT_TRUE(rounds_.end_probation(*patient_));
  EXPECT_EQ(facts().previous_version, std::nullopt);
  EXPECT_EQ(patient_->warm, std::nullopt);
}

TEST_F(RoundsTest, HealthThatWasLeftBehindIsPutRight) {
  ASSERT_TRUE(registry::change_health(*home_, clock_, kEndpoint, "healing", "a server was killed here"));
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(facts().health, "healthy");
}

TEST_F(RoundsTest, EachVersionIsMeasuredOnWhatItScored) {
  watch::LabelledBatch batch = stream_.day(1, Concept::first, 2);
  Stream::add_previous(batch, 1, Concept::second);
  const BatchReport report = rounds_.measure(*patient_, batch);
  ASSERT_EQ(report.size(), 2u);
  EXPECT_EQ(report[0].role, "served");
  EXPECT_EQ(report[0].version, 2);
  EXPECT_EQ(report[0].labels, 100);
  EXPECT_EQ(report[1].role, "previous");
  EXPECT_EQ(report[1].version, 1);
  const auto auc = [&](int i) { return base::parse_json(report[i].metrics).value().double_or("auc"); };
  EXPECT_GT(auc(0), 0.8);
  EXPECT_LT(auc(1), 0.7);
}

// Kills the loop before each row that a treatment writes, starts it again, and looks whether everything is as
// if nothing had happened.
class KilledRounds : public RoundsTest, public testing::WithParamInterface<int> {
 protected:
  void live_until_killed(int rows) {
    MortalRecord record(*home_);
    record.dies_after(rows);
    const bool survived = rounds_.finish_treatments(*patient_).has_value();
    record.lives();
    patient_->restart();
    EXPECT_TRUE(rounds_.finish_treatments(*patient_));
    EXPECT_TRUE(rounds_.finish_treatments(*patient_));
    EXPECT_TRUE(survived || rows <= 20) << "more rows than a treatment writes";
  }
};

TEST_P(KilledRounds, APromotionHappensOnce) {
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  live_until_killed(GetParam());
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(outcome().text_or("result"), "promoted");
  EXPECT_EQ(facts().serving_version, 2);
  EXPECT_EQ(facts().previous_version, 1);
  EXPECT_EQ(facts().health, "healthy");
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(patient_->policy().served_version, 2);
  EXPECT_EQ(audited("endpoint.promote"), 2) << "by apply, and by the loop";
  EXPECT_EQ(registry::list_versions(*home_, kEndpoint).value().size(), 2u);
}

TEST_P(KilledRounds, APromotionIsNotTakenBackByAGateAgainstItself) {
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  MortalRecord record(*home_);
  record.dies_after(GetParam());
  (void)rounds_.finish_treatments(*patient_);
  record.lives();
  patient_->restart();
  // Judged again, it would have to be better than itself.
  if (facts().serving_version == 2) passes_ = false;
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(outcome().text_or("result"), "promoted");
  EXPECT_EQ(facts().serving_version, 2);
  EXPECT_EQ(patient_->policy().failed_heals, 0);
}

TEST_P(KilledRounds, ARefusalCountsOnce) {
  passes_ = false;
  ASSERT_TRUE(reach(verdict_of(Treatment::retrain)));
  clock_.advance_to(kStart + kTrainTakes);
  live_until_killed(GetParam());
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(outcome().text_or("result"), "refused");
  EXPECT_EQ(patient_->policy().failed_heals, 1);
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(registry::list_versions(*home_, kEndpoint).value().size(), 2u);
}

TEST_P(KilledRounds, GoingBackHappensOnce) {
  promote_a_second();
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  live_until_killed(GetParam());
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(outcome().text_or("result"), "rolled back");
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(facts().previous_version, 2) << "it was not on trial";
  EXPECT_EQ(audited("endpoint.roll_back"), 1);
}

TEST_P(KilledRounds, AVerdictIsReachedWhollyOrNotAtAll) {
  MortalRecord record(*home_);
  record.dies_after(GetParam());
  const bool survived = reach(verdict_of(Treatment::retrain)).has_value();
  record.lives();
  patient_->restart();
  EXPECT_EQ(patient_->policy().treating, survived);
  EXPECT_EQ(patient_->policy().recent.size(), 0u);
  EXPECT_EQ(incidents_of(*home_).size(), survived ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(BeforeRow, KilledRounds, testing::Range(0, 22));

}  // namespace
}  // namespace trimtab::heal
