#include "heal/rounds.h"

#include <gtest/gtest.h>

#include "heal/hand_rollback.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "registry/pushes.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kTrainTakes = base::kHourUs;
constexpr TimeUs kStart = 15'000 * base::kDayUs;

// A loop whose trainings bring what the test says.
class RoundsTest : public testing::Test {
 protected:
  RoundsTest() {
    open_endpoint(*home_, clock_);
    patient_ = std::make_unique<SimulatedPatient>(*home_, PolicyOptions());
  }

  Result<Trained> train(const flow::TrainingRequest& request, const std::string& reason) {
    requests_.push_back(request);
    reasons_.push_back(reason);
    if (training_error_) return fail(*training_error_);
    return Trained{version_with(step_key_, passes_), Json::object({{"auc", 0.7}}), gain_};
  }
  Verdict verdict_of(Treatment treatment) {
    Verdict verdict;
    verdict.treatment = treatment;
    verdict.hypothesis = "it has changed";
    verdict.expected = "it gets better";
    if (treatment == Treatment::retrain) verdict.test_from = kStart - base::kDayUs;
    if (treatment == Treatment::roll_back) verdict.back_to = patient_->warm;
    return verdict;
  }
  // A batch closes, and the policy says this.
  Status reach(const Verdict& verdict) {
    const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, *patient_->deployed);
    Finding finding{verdict, patient_->policy()};
    const bool acts = verdict.treatment == Treatment::retrain || verdict.treatment == Treatment::roll_back;
    finding.next.treating = finding.next.treating || acts;
    return rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding);
  }
  void promote_a_second() {
    ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("second version", true)));
    ASSERT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 2, "heal", "endpoint.promote", "t"));
    ASSERT_TRUE(patient_->redeploy());
  }
  registry::EndpointFacts facts() { return registry::find_endpoint(*home_, kEndpoint).value(); }
  Incident incident() {
    std::vector<Incident> all;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
      all = TRY(list_incidents(connection, kEndpoint, false));
      return {};
    }));
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Incident() : all[0];
  }
  // "detected verdict treatment …", of the only incident.
  std::string journal() {
    std::string kinds;
    for (const IncidentEvent& event : incident().events) kinds += (kinds.empty() ? "" : " ") + event.kind;
    return kinds;
  }
  Json outcome() {
    for (const IncidentEvent& event : incident().events) {
      if (event.kind == "outcome") return event.detail;
    }
    return {};
  }
  int audited(const std::string& action) {
    int count = 0;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
      store::Statement row = connection.prepare("SELECT count(*) FROM audit WHERE action = ?");
      TRY(row.with(action).step());
      count = static_cast<int>(row.integer(0));
      return {};
    }));
    return count;
  }

  base::ManualClock clock_{kStart};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<SimulatedPatient> patient_;
  Rounds rounds_{*home_, clock_,
                 [this](const flow::TrainingRequest& request, const std::string& reason) {
                   return train(request, reason);
                 },
                 kTrainTakes};
  Stream stream_{5};
  std::int64_t day_ = 14'990;
  std::vector<flow::TrainingRequest> requests_;
  std::vector<std::string> reasons_;
  bool passes_ = true;
  judge::PairedDifference gain_;
  std::string step_key_ = "a better version";
  std::optional<Error> training_error_;
};

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

TEST_F(RoundsTest, APushThatIsClearlyWorseOnKnownRowsIsRefusedBeforeItAnswers) {
  registry::NewVersion second = version_with("pushed by hand", true);
  ASSERT_TRUE(registry::register_version(*home_, clock_, second));
  for (int day = 1; day <= 4; ++day) {
    patient_->policy().recent.push_back(stream_.day(day, Concept::first));
  }
  const auto push = [&] {
    ASSERT_TRUE(registry::push_version(*home_, clock_, kEndpoint, 2, "a person", "by hand"));
    ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  };
  patient_->says_again = 0.9;
  push();
  EXPECT_EQ(facts().serving_version, 1);
  const std::string why = registry::why_refused(*home_, kEndpoint, 2).value();
  EXPECT_TRUE(
      why.starts_with("version 2 is clearly worse than the champion: on the newest 300 labelled rows its "
                      "squared error is higher by 0."))
      << why;
  EXPECT_EQ(registry::pushed_version(*home_, kEndpoint).value(), std::nullopt) << "the alias has returned";
  patient_->says_again = std::nullopt;
  push();
  EXPECT_EQ(facts().serving_version, 2) << "what is better comes to answer";
}

TEST_F(RoundsTest, APushIsHeldAgainstTheChampionOfTodayWhoeverAnsweredThen) {
  promote_a_second();
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("a third version of it", true)));
  for (int day = 1; day <= 4; ++day) {
    patient_->policy().recent.push_back(stream_.day(day, Concept::first));  // As the first has answered it.
  }
  // The second and the third say the same, which is worse than what the first did.
  patient_->says_again = 0.9;
  ASSERT_TRUE(registry::push_version(*home_, clock_, kEndpoint, 3, "ada", "by hand"));
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(registry::why_refused(*home_, kEndpoint, 3).value(), "");
  EXPECT_EQ(facts().serving_version, 3);
}

// The first version answers again; now the labels come in of what the second has answered, and speak for it.
class TakenBack : public RoundsTest {
 protected:
  void expect_that_it_stays_away() {
    ASSERT_EQ(patient_->deployed, 1);
    for (int i = 0; i < 6; ++i) {
      watch::LabelledBatch batch = stream_.day(++day_, Concept::second, 2, Concept::second, 300);
      Stream::add_previous(batch, 1, Concept::first);
      const Finding finding = rounds_.weigh(*patient_, batch);
      EXPECT_NE(finding.verdict.treatment, Treatment::roll_back);
      if (finding.verdict.treatment != Treatment::none) break;  // It may well be learnt from.
      patient_->policy() = finding.next;
    }
  }
};

TEST_F(TakenBack, AVersionThatWasAMistakeDoesNotComeBackByItsLateLabels) {
  promote_a_second();
  patient_->policy().on_trial = true;
  ASSERT_TRUE(reach(verdict_of(Treatment::roll_back)));
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  expect_that_it_stays_away();
}

TEST_F(TakenBack, NorDoesOneThatAPersonTookBack) {
  promote_a_second();
  ASSERT_TRUE(roll_back_by_hand(*home_, clock_, {.endpoint = kEndpoint}, patient_->policy()));
  ASSERT_TRUE(patient_->redeploy());
  expect_that_it_stays_away();
}

// A rollout of the second version, which believes in the second concept.
class RollingOut : public RoundsTest {
 protected:
  RollingOut() {
    PolicyOptions options;
    options.rollout = project::Rollout{.shadow_batches = 1, .canary = {0.1, 0.5}, .key = ""};
    options.heal.poison_budget = 0;
    patient_ = std::make_unique<SimulatedPatient>(*home_, options);
    EXPECT_TRUE(reach(verdict_of(Treatment::retrain)));
    clock_.advance_to(kStart + kTrainTakes);
    look();
  }
  void look() { ASSERT_TRUE(rounds_.finish_treatments(*patient_)); }
  // A batch that both have scored, of a world that is the second version's or the champion's.
  void next_batch(Concept of_world) {
    watch::LabelledBatch batch = stream_.day(++day_, of_world, *patient_->deployed, Concept::first, 300);
    Stream::add_previous(batch, 2, Concept::second);
    const Finding finding = rounds_.weigh(*patient_, batch);
    EXPECT_EQ(finding.verdict.treatment, Treatment::none) << "one thing at a time";
    ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding));
  }
};

TEST_F(RollingOut, AVersionThatPassedComesToAnswerStepByStep) {
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(facts().health, "healing");
  EXPECT_EQ(patient_->challenger, 2);
  EXPECT_EQ(patient_->share, 0);
  for (const double share : {0.1, 0.5}) {
    next_batch(Concept::second);
    EXPECT_NE(patient_->share, share) << "journaled, and not done yet";
    look();
    EXPECT_EQ(patient_->share, share);
    EXPECT_EQ(patient_->deployed, 1);
    look();
  }
  next_batch(Concept::second);
  look();
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(patient_->challenger, std::nullopt);
  EXPECT_EQ(outcome().text_or("result"), "promoted");
  EXPECT_EQ(facts().health, "healthy");
  EXPECT_EQ(journal(), "detected verdict treatment rollout rollout rollout rollout outcome closed");
  EXPECT_EQ(requests_.size(), 1u) << "it is trained once";
}

TEST_F(RollingOut, ALossSendsItBack) {
  next_batch(Concept::second);
  look();
  ASSERT_EQ(patient_->share, 0.1);
  for (int i = 0; i < 6 && patient_->challenger; ++i) {
    next_batch(Concept::first);
    look();
  }
  EXPECT_EQ(patient_->challenger, std::nullopt);
  EXPECT_EQ(facts().challenger_version, std::nullopt);
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(outcome().text_or("result"), "sent back");
  EXPECT_EQ(outcome().text_or("why"), "it is worse than the champion on the same rows");
  EXPECT_EQ(patient_->policy().failed_heals, 1);
}

TEST_F(RollingOut, AnotherChampionEndsIt) {
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("a third version of it", true)));
  ASSERT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 3, "apply", "endpoint.promote", "t"));
  look();
  EXPECT_EQ(outcome().text_or("why"), "the champion has been changed since");
  EXPECT_EQ(facts().challenger_version, std::nullopt);
  EXPECT_EQ(facts().serving_version, 3);
}

TEST_F(RollingOut, APushMeanwhileIsTakenUpAfterwards) {
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("a third version of it", true)));
  ASSERT_TRUE(registry::push_version(*home_, clock_, kEndpoint, 3, "ada", "by hand"));
  for (int i = 0; i < 3; ++i) {
    next_batch(Concept::second);
    look();
  }
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(registry::pushed_version(*home_, kEndpoint).value(), 3) << "the promotion has not undone it";
  EXPECT_EQ(patient_->challenger, 3);
}

TEST_F(RollingOut, WhatAPersonEndedIsTakenOff) {
  ASSERT_TRUE(home_->database().write([&](store::Connection& connection) -> Status {
    TRY(append_event(connection, 1, "outcome", Json::object({{"result", "superseded"}}), clock_.now()));
    return append_event(connection, 1, "closed", Json::object(), clock_.now());
  }));
  look();
  EXPECT_EQ(facts().challenger_version, std::nullopt);
  EXPECT_EQ(patient_->challenger, std::nullopt);
}

// Killed after any number of written rows, it comes to the same end.
TEST_F(RollingOut, AKillAnywhereIsMadeGood) {
  MortalRecord record(*home_);
  for (int rows = 0; rows < 12 && patient_->deployed == 1; ++rows) {
    next_batch(Concept::second);
    record.dies_after(rows % 4);
    (void)rounds_.finish_treatments(*patient_);
    record.lives();
    patient_->restart();
    look();
    EXPECT_TRUE(facts().serving_version == 2 || facts().challenger_version == 2);
    EXPECT_EQ(patient_->challenger, facts().challenger_version);
    EXPECT_EQ(patient_->share, facts().challenger_share);
  }
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(audited("endpoint.promote"), 2) << "the first version's and this";
  EXPECT_EQ(requests_.size(), 1u);
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
  std::vector<Incident> all;
  ASSERT_TRUE(home_->database().read([&](store::Connection& connection) -> Status {
    all = TRY(list_incidents(connection, kEndpoint, false));
    return {};
  }));
  EXPECT_EQ(all.size(), survived ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(BeforeRow, KilledRounds, testing::Range(0, 22));

}  // namespace
}  // namespace trimtab::heal
