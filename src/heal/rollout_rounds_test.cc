// Who comes to answer, step by step or by a person's push, and who stays away.
#include <gtest/gtest.h>

#include "heal/hand_rollback.h"
#include "heal/rounds_fixture_test.h"
#include "registry/pushes.h"

namespace trimtab::heal {
namespace {

using PushedByHand = RoundsTest;

TEST_F(PushedByHand, APushThatIsClearlyWorseOnKnownRowsIsRefusedBeforeItAnswers) {
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

TEST_F(PushedByHand, APushIsHeldAgainstTheChampionOfTodayWhoeverAnsweredThen) {
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

}  // namespace
}  // namespace trimtab::heal
