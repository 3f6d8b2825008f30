#include "heal/policy.h"

#include <cmath>
#include <gtest/gtest.h>

#include "heal/stream_test.h"
#include "model/level.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kLabelled = 2 * base::kDayUs;  // A batch is decided on so long after it began.

// Days go by; each is decided on when its labels are there.
class Policy : public testing::Test {
 protected:
  Policy() { state_.served_version = 1; }

  Verdict next(watch::LabelledBatch batch) {
    now_ = batch.number + kLabelled;
    return decide(options_, state_, batch, now_);
  }
  Verdict next_day(Concept true_concept) { return next(stream_.day(day_++, true_concept)); }
  // Days of the changed world until something is said, at most `days`.
  Verdict until_verdict(int days = 20) {
    Verdict verdict;
    while (days-- > 0 && verdict.treatment == Treatment::none) verdict = next_day(Concept::second);
    return verdict;
  }
  void pass(int days) {
    for (int i = 0; i < days; ++i) EXPECT_EQ(next_day(Concept::first).treatment, Treatment::none) << i;
  }
  // A day that the new champion answers badly and the former one would have answered well.
  Verdict next_day_of_a_bad_version(std::int64_t version, std::int64_t previous) {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::first, version, Concept::second);
    Stream::add_previous(batch, previous, Concept::first);
    return next(batch);
  }

  Stream stream_{17};
  PolicyOptions options_;
  PolicyState state_;
  std::int64_t day_ = 15'000;
  TimeUs now_ = 0;
};

TEST_F(Policy, AWorldThatStaysAsItIsNeedsNothing) {
  pass(60);
  EXPECT_FALSE(state_.learnable.alarms());
  EXPECT_EQ(health_of(state_), "healthy");
  EXPECT_EQ(state_.recent.size(), kRecentBatches);
}

TEST_F(Policy, AChangedWorldIsLearntAnew) {
  pass(15);
  const Verdict verdict = until_verdict();
  ASSERT_EQ(verdict.treatment, Treatment::retrain);
  const std::string since = base::format_time(state_.learnable.since());
  EXPECT_EQ(verdict.hypothesis, "the relation between features and label has changed since " + since +
                                    ": a correction learnt from recent batches beats the champion");
  const Json& evidence = verdict.evidence;
  EXPECT_GT(evidence.double_or("S"), kAlarmLog);
  EXPECT_EQ(evidence.double_or("alarm_at"), kAlarmLog);
  EXPECT_GT(evidence.double_or("S_without_budget"), 0);
  EXPECT_GE(evidence.int_or("batches"), evidence.int_or("poison_budget"))
      << "and the first batch of the change, of which no probe knew";
  EXPECT_LT(evidence.double_or("probe4_brier"), evidence.double_or("recalibrated_brier"));
  EXPECT_EQ(evidence.text_or("since"), since);
  EXPECT_EQ(verdict.expected, "one training; the candidate must pass every gate on the batches since " +
                                  base::format_time(verdict.test_from));
  EXPECT_EQ(health_of(state_), "degraded");
}

TEST_F(Policy, WrongLabelsWithinTheBudgetAreNoReasonToLearn) {
  pass(15);
  for (int i = 0; i < options_.heal.poison_budget; ++i) {
    EXPECT_EQ(next_day(Concept::second).treatment, Treatment::none);
  }
  pass(30);
}

TEST_F(Policy, WithoutABudgetTheFirstBatchesDecide) {
  options_.heal.poison_budget = 0;
  pass(15);
  EXPECT_EQ(until_verdict(5).treatment, Treatment::retrain);
}

TEST_F(Policy, WhatIsHeldIsNotReached) {
  options_.held[Treatment::retrain] = "it waits for a person's word";
  pass(15);
  const Verdict verdict = until_verdict();
  EXPECT_EQ(verdict.treatment, Treatment::hold);
  EXPECT_EQ(verdict.expected, "it waits for a person's word");
  EXPECT_TRUE(state_.retrains.empty());
  options_.heal.mode = project::HealMode::off;
  EXPECT_EQ(next_day(Concept::second).expected, "heal.mode is off");
}

TEST_F(Policy, WhileATreatmentIsUnderWayNoOtherBegins) {
  pass(15);
  ASSERT_EQ(until_verdict().treatment, Treatment::retrain);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(next_day(Concept::second).treatment, Treatment::none);
  EXPECT_EQ(state_.retrains.size(), 1u);
}

TEST_F(Policy, ARefusedCandidateIsFollowedByPatience) {
  pass(15);
  ASSERT_EQ(until_verdict().treatment, Treatment::retrain);
  note_refusal(state_, now_);
  EXPECT_EQ(state_.not_before, now_ + 2 * base::kDayUs);
  const Verdict waiting = next_day(Concept::second);
  EXPECT_EQ(waiting.treatment, Treatment::hold);
  EXPECT_EQ(waiting.expected, "the last candidate was refused: waiting for more rows");
  EXPECT_EQ(next_day(Concept::second).treatment, Treatment::retrain);
  note_refusal(state_, now_);
  EXPECT_EQ(state_.not_before, now_ + 14 * base::kDayUs);
}

// The champion of the stream knows one concept; what it lacks of both together, it lacked from the beginning.
TEST_F(Policy, AWeaknessOfTheVersionsIsNoNewsOfTheWorld) {
  // Days of a world that follows the champion's feature and, a little, the other one.
  const auto weak_day = [&] {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::first, 1, Concept::first, 500);
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      const double log_odds = 3 * batch.features[2 * row] + 1.2 * batch.features[2 * row + 1];
      batch.truth[row] = stream_.uniform() < 1 / (1 + std::exp(-log_odds)) ? 1 : 0;
    }
    return batch;
  };
  const watch::LabelledBatch judged = weak_day();
  PolicyState unaware = state_;
  state_.weakness =
      watch::Correction::fit({2, judged.features, judged.plain, judged.truth}, watch::kProbeRidge).value();
  state_.weakness_of = 1;
  bool unaware_trains = false;
  for (int i = 0; i < 40; ++i) {
    const watch::LabelledBatch batch = weak_day();
    EXPECT_EQ(next(batch).treatment, Treatment::none) << i;
    unaware_trains |= decide(options_, unaware, batch, now_).treatment == Treatment::retrain;
  }
  EXPECT_TRUE(unaware_trains);
  EXPECT_GT(state_.weakness_helps, 0);
  state_ = PolicyState::from_json(base::parse_json(state_.to_json().dump()).value());
  ASSERT_TRUE(state_.weakness);
  EXPECT_EQ(state_.weakness_of, 1);
  Verdict verdict;
  for (int i = 0; i < 20 && verdict.treatment == Treatment::none; ++i) {
    verdict = next(stream_.day(day_++, Concept::second, 1, Concept::first, 500));
  }
  EXPECT_EQ(verdict.treatment, Treatment::retrain) << "a change is one all the same";
  state_.treating = false;
  for (int i = 0; i < 10; ++i) next(stream_.day(day_++, Concept::second, 1, Concept::first, 500));
  EXPECT_LT(state_.weakness_helps, 0) << "and what it lacked before explains nothing any longer";
}

TEST_F(Policy, LabelsThatCannotBeAreSaidAndNotLearntFromAsLongAsFaultsLast) {
  const auto broken_day = [&] {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::first, 1, Concept::first, 500);
    for (std::size_t row = 0; row < batch.truth.size(); ++row) {
      if (batch.features[2 * row + 1] > 0) batch.truth[row] = 1;
    }
    return batch;
  };
  for (int i = 0; i < 15; ++i) next(stream_.day(day_++, Concept::first, 1, Concept::first, 500));
  const std::string since = base::format_time(day_ * base::kDayUs);
  for (int i = 1; i <= 11; ++i) {
    const Verdict verdict = next(broken_day());
    ASSERT_EQ(verdict.treatment, Treatment::hold) << i;
    EXPECT_EQ(verdict.hypothesis,
              "since " + since + " labels say the same of all rows of a kind: their source may be broken");
    EXPECT_EQ(verdict.expected,
              "nothing is learnt from these batches; if it is the truth, that is believed "
              "after 12 of them");
    EXPECT_EQ(verdict.evidence.int_or("doubtful_batches"), i);
    EXPECT_EQ(verdict.evidence.double_or("label"), 1);
    state_ = [this] {
      PolicyState kept = PolicyState::from_json(state_.to_json());
      kept.recent = state_.recent;
      return kept;
    }();
  }
  EXPECT_EQ(state_.left_out.size(), 1U);
  EXPECT_FALSE(state_.learnable.alarms());
  PolicyState mended = state_;
  EXPECT_EQ(
      decide(options_, mended, stream_.day(day_, Concept::first, 1, Concept::first, 500), now_).treatment,
      Treatment::none);
  EXPECT_EQ(mended.doubtful_batches, 0);
  Verdict verdict = next(broken_day());
  EXPECT_TRUE(state_.left_out.empty()) << "what lasts is the truth";
  for (int i = 0; i < 8 && verdict.treatment != Treatment::retrain; ++i) verdict = next(broken_day());
  EXPECT_EQ(verdict.treatment, Treatment::retrain) << verdict.to_json().dump();
}

// A recalibration that turns the scores round does as well as any correction: nothing would ever be learnt.
TEST_F(Policy, AWorldTurnedRoundIsBelievedWhenNoFaultOfLabelsLastsSoLong) {
  const auto turned_day = [this] {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::first);
    for (double& truth : batch.truth) truth = 1 - truth;
    return next(std::move(batch));
  };
  const int lasting = 4 * options_.heal.poison_budget;
  pass(15);
  std::vector<Verdict> verdicts;
  for (int i = 0; i + 1 < lasting; ++i) {
    verdicts.push_back(turned_day());
    EXPECT_NE(verdicts.back().treatment, Treatment::retrain) << i;
  }
  const Verdict& told = verdicts.back();
  ASSERT_EQ(told.treatment, Treatment::hold);
  EXPECT_EQ(told.hypothesis, "since " + base::format_time(state_.turned.since()) +
                                 " labels say the contrary of what the champion says: their source may have "
                                 "swapped them");
  EXPECT_EQ(told.expected,
            "nothing is learnt from that yet; if it is the truth, it is believed after 12 batches");
  EXPECT_EQ(told.evidence.int_or("turned_batches"), lasting - 1);
  PolicyState swapped_back = state_;

  Verdict verdict = turned_day();
  EXPECT_EQ(verdict.treatment, Treatment::retrain);
  ASSERT_FALSE(verdict.changes.empty());
  const std::int64_t turned_on = day_ - lasting;
  EXPECT_NEAR(static_cast<double>(verdict.changes.front() / base::kDayUs), static_cast<double>(turned_on), 3);

  state_ = std::move(swapped_back);
  pass(5);
  EXPECT_EQ(state_.turned_batches, 0);
  EXPECT_FALSE(state_.turned.alarms());
}

TEST_F(Policy, WhatTheChampionWouldHaveSaidToTheFormerOnesRowsIsEvidence) {
  pass(15);
  note_promotion(state_, 2, now_);
  EXPECT_EQ(state_.former_version, 1);
  // Answered by the former champion before the promotion, and labelled after it.
  watch::LabelledBatch late = stream_.day(day_++, Concept::first, 1, Concept::first, 500);
  EXPECT_TRUE(wants_scores(state_, late));
  EXPECT_FALSE(wants_scores(state_, state_.recent.back())) << "that it may have learnt from";
  EXPECT_EQ(next(late).treatment, Treatment::none) << "it says nothing of a version that was not asked";
  EXPECT_EQ(state_.batches_since_promotion, 0);
  state_.recent.pop_back();
  for (std::size_t row = 0; row < late.truth.size(); ++row) {
    late.scores[2].push_back(
        Stream::believed(Concept::second, {{late.features[2 * row], late.features[2 * row + 1]}, 0}));
  }
  EXPECT_FALSE(wants_scores(state_, late));
  const Verdict verdict = next(late);
  EXPECT_EQ(verdict.treatment, Treatment::roll_back) << "it would have been worse at once";
  EXPECT_EQ(verdict.back_to, 1);
  EXPECT_EQ(state_.batches_since_promotion, 1);
}

TEST_F(Policy, AfterTwoFailedHealsAPersonIsCalled) {
  pass(15);
  ASSERT_EQ(until_verdict().treatment, Treatment::retrain);
  note_refusal(state_, now_);
  EXPECT_EQ(health_of(state_), "degraded");
  note_refusal(state_, now_);
  EXPECT_EQ(health_of(state_), "needs_attention");
  for (int i = 0; i < 13; ++i) {
    const Verdict verdict = next_day(Concept::second);
    ASSERT_EQ(verdict.treatment, Treatment::hold) << i;
    EXPECT_EQ(verdict.expected, "two heals in a row have failed: this needs a person");
  }
  EXPECT_EQ(next_day(Concept::second).treatment, Treatment::retrain) << "nobody came";
  state_.treating = false;
  EXPECT_EQ(health_of(state_), "needs_attention");
  note_champion(state_, 2);
  EXPECT_EQ(health_of(state_), "healthy");
  EXPECT_EQ(state_.served_version, 2);
}

TEST_F(Policy, ACandidateIsJudgedOnAsManyBatchesAsCanShowTheGain) {
  pass(15);
  const Verdict verdict = until_verdict();
  ASSERT_EQ(verdict.treatment, Treatment::retrain);
  EXPECT_GE(verdict.test_from, (day_ - 3) * base::kDayUs) << "a large change shows in a day or two";
  EXPECT_LT(verdict.changes.back(), verdict.test_from) << "and the others since the change are learnt from";
}

TEST_F(Policy, EvidenceThatRisesAgainAfterAPromotionIsAboutTheSameChange) {
  pass(15);
  const Verdict first = until_verdict();
  const TimeUs since = first.changes.back();
  ASSERT_GT(since, 0);
  note_promotion(state_, 2, now_);
  note_learnt(state_, since, first.batches);
  Verdict verdict;
  for (int i = 0; i < 30 && verdict.treatment == Treatment::none; ++i) {
    verdict = next(stream_.day(day_++, Concept::second, 2, Concept::first));
  }
  ASSERT_EQ(verdict.treatment, Treatment::retrain);
  EXPECT_EQ(verdict.changes.front(), since) << "what the first candidate had too few rows of is not old";
  EXPECT_EQ(PolicyState::from_json(state_.to_json()).changed_since, since);
}

TEST_F(Policy, WhatWasLearntFromFewBatchesIsLearntAgainWhenThereAreMore) {
  pass(15);
  const Verdict first = until_verdict();
  ASSERT_GE(first.batches, 4);
  note_promotion(state_, 2, now_);
  note_learnt(state_, first.changes.back(), first.batches);
  Verdict verdict;
  int days = 0;
  for (; days < 30 && verdict.treatment == Treatment::none; ++days) {
    verdict = next(stream_.day(day_++, Concept::second, 2, Concept::second));
  }
  ASSERT_EQ(verdict.treatment, Treatment::retrain);
  EXPECT_TRUE(verdict.refits);
  EXPECT_EQ(verdict.changes.back(), first.changes.back());
  EXPECT_GE(verdict.batches, 2 * first.batches);
  EXPECT_LT(verdict.gain_se, first.gain_se) << "more rows of the same: it need not prove a change again";
  note_learnt(state_, verdict.changes.back(), verdict.batches);
  EXPECT_EQ(next(stream_.day(day_++, Concept::second, 2, Concept::second)).treatment, Treatment::none);
}

TEST_F(Policy, WhatSpokeForAChangeAndThenNoLongerIsNeverLearntFrom) {
  options_.heal.poison_budget = 12;
  pass(15);
  const TimeUs first = day_ * base::kDayUs;
  for (int i = 0; i < 12 && !state_.learnable.alarms(); ++i) next_day(Concept::second);
  ASSERT_TRUE(state_.learnable.alarms());
  for (int i = 0; i < 40 && state_.learnable.alarms(); ++i) next_day(Concept::first);
  ASSERT_EQ(state_.left_out.size(), 1u);
  EXPECT_LE(state_.left_out[0].from, first + base::kDayUs + 1);
  EXPECT_GT(state_.left_out[0].until, first + 3 * base::kDayUs);
  EXPECT_EQ(PolicyState::from_json(state_.to_json()).left_out, state_.left_out);
}

TEST_F(Policy, WhatSpokeForAChangeFromTheStartDoesNotLeaveOutAllThatWasBefore) {
  options_.heal.poison_budget = 1'000;  // Nothing is done about it.
  for (int day = 0; day < 3; ++day) state_.recent.push_back(stream_.day(day_ + day, Concept::first));
  const TimeUs oldest = day_ * base::kDayUs;
  day_ += 3;
  state_.served_version = 1;
  state_.learnable.add(kAlarmLog + 0.5, day_ * base::kDayUs);
  ASSERT_EQ(state_.learnable.since(), 0) << "there was no batch before";
  for (int i = 0; i < 300 && state_.left_out.empty(); ++i) next_day(Concept::first);
  ASSERT_EQ(state_.left_out.size(), 1u);
  EXPECT_GE(state_.left_out[0].from, oldest);
}

TEST_F(Policy, BatchesOfRepairedRowsAreNotLearntFromWhereThereAreOthers) {
  pass(15);
  const TimeUs first = day_ * base::kDayUs;
  for (int i = 0; i < 20 && state_.retrains.empty(); ++i) {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::second);
    batch.damaged = i < 2 ? batch.rows() / 4 : 0;
    if (next(std::move(batch)).treatment == Treatment::retrain) break;
  }
  ASSERT_EQ(state_.damaged.size(), 1u) << "one stretch";
  EXPECT_EQ(state_.damaged[0].from, first);
  EXPECT_EQ(state_.damaged[0].until, first + 2 * base::kDayUs);
  EXPECT_EQ(PolicyState::from_json(state_.to_json()).damaged, state_.damaged);
  note_not_yet(state_, now_);
  Verdict verdict;
  for (int i = 0; i < 20 && verdict.treatment != Treatment::retrain; ++i) verdict = next_day(Concept::second);
  EXPECT_EQ(verdict.left_out, state_.damaged) << "there are enough others by now";
}

TEST_F(Policy, WhileAnswersFollowTheLevelADayThatLiesHighSpeaksForNobody) {
  state_.levels.followed = true;
  note_promotion(state_, 2, now_);
  for (int i = 0; i < 6; ++i) {
    watch::LabelledBatch batch = stream_.day(day_++, Concept::first, 2);
    Stream::add_previous(batch, 1, Concept::first);
    for (double& score : batch.scores[2]) score = model::at_level(score, 1.5);
    batch.plain = batch.scores[2];
    EXPECT_EQ(next(std::move(batch)).treatment, Treatment::none) << i;
  }
}

TEST_F(Policy, TheBudgetOfRetrainsHolds) {
  options_.heal.retrains_max = 1;
  pass(15);
  ASSERT_EQ(until_verdict().treatment, Treatment::retrain);
  const TimeUs first = now_;
  state_.treating = false;
  Verdict verdict = next_day(Concept::second);
  EXPECT_EQ(verdict.treatment, Treatment::hold);
  EXPECT_EQ(verdict.expected, "the retrain budget is used up");
  EXPECT_EQ(verdict.evidence.int_or("retrains_in_window"), 1);
  while (now_ < first + options_.heal.retrains_window) verdict = next_day(Concept::second);
  EXPECT_EQ(verdict.treatment, Treatment::retrain) << "a week later the budget is there again";
}

TEST_F(Policy, ABatchOfTheFormerChampionIsNoEvidenceAgainstThePresentOne) {
  pass(15);
  ASSERT_EQ(until_verdict().treatment, Treatment::retrain);
  note_promotion(state_, 2, now_);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(next_day(Concept::second).treatment, Treatment::none);
  EXPECT_EQ(state_.learnable.length(), 0);
  EXPECT_EQ(state_.batches_since_promotion, 0);
}

TEST_F(Policy, AVersionThatIsWorseThanTheFormerOneGoes) {
  note_promotion(state_, 2, now_);
  Verdict verdict;
  for (int i = 0; i < 3 && verdict.treatment == Treatment::none; ++i) {
    verdict = next_day_of_a_bad_version(2, 1);
  }
  ASSERT_EQ(verdict.treatment, Treatment::roll_back);
  EXPECT_EQ(verdict.back_to, 1);
  EXPECT_EQ(verdict.hypothesis, "version 2 is worse than the one before it");
  EXPECT_EQ(verdict.expected, "the former champion answers again; nothing is trained");
  EXPECT_GT(verdict.evidence.double_or("served_brier"), verdict.evidence.double_or("previous_brier"));
  EXPECT_GT(verdict.evidence.double_or("S_previous"), kAlarmLog);
  note_rollback(state_, 1, now_);
  EXPECT_EQ(state_.served_version, 1);
  EXPECT_EQ(state_.failed_heals, 1);
  EXPECT_TRUE(state_.retrains.empty());
}

TEST_F(Policy, HealsThatAreTakenBackAreFailedHeals) {
  for (const std::int64_t version : {2, 3}) {
    note_promotion(state_, version, now_);
    while (next_day_of_a_bad_version(version, 1).treatment == Treatment::none) {
    }
    note_rollback(state_, 1, now_);
  }
  EXPECT_EQ(state_.failed_heals, 2);
  EXPECT_EQ(health_of(state_), "needs_attention");
}

TEST_F(Policy, AVersionPushedByHandIsRolledBackWithoutBlameForTheLoop) {
  note_champion(state_, 2);
  while (next_day_of_a_bad_version(2, 1).treatment == Treatment::none) {
  }
  note_rollback(state_, 1, now_);
  EXPECT_EQ(state_.failed_heals, 0);
}

TEST_F(Policy, WhatIsHeldIsNotReachedBeforeGoingBackEither) {
  options_.held[Treatment::roll_back] = "it waits for a person's word";
  note_promotion(state_, 2, now_);
  Verdict verdict;
  while (verdict.treatment == Treatment::none) verdict = next_day_of_a_bad_version(2, 1);
  EXPECT_EQ(verdict.treatment, Treatment::hold);
  EXPECT_EQ(verdict.expected, "it waits for a person's word");
}

TEST_F(Policy, AVersionThatPassesItsProbationClearsTheSheet) {
  note_refusal(state_, 0);
  note_promotion(state_, 1, 0);
  EXPECT_EQ(state_.failed_heals, 1);
  pass(kProbationBatches - 1);
  EXPECT_EQ(state_.failed_heals, 1);
  pass(1);
  EXPECT_EQ(state_.failed_heals, 0);
}

TEST_F(Policy, ThePeriodicPolicyLooksAtTheCalendarOnly) {
  options_.kind = PolicyKind::periodic;
  options_.period = 3 * base::kDayUs;
  pass(3);
  const Verdict verdict = next_day(Concept::second);
  EXPECT_EQ(verdict.treatment, Treatment::retrain);
  EXPECT_EQ(verdict.hypothesis, "the period is over");
  EXPECT_EQ(verdict.evidence.dump(), R"({"period_days":3.0})");
}

TEST_F(Policy, ThePolicyNeverNever) {
  options_.kind = PolicyKind::never;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(next_day(Concept::second).treatment, Treatment::none);
}

TEST_F(Policy, AVerdictIsTheSameAfterARestart) {
  PolicyState restarted = state_;
  for (int i = 0; i < 40; ++i) {
    const watch::LabelledBatch batch = stream_.day(day_++, i < 15 ? Concept::first : Concept::second);
    const Verdict verdict = next(batch);
    const std::deque<watch::LabelledBatch> recent = restarted.recent;
    restarted = PolicyState::from_json(base::parse_json(restarted.to_json().dump()).value());
    restarted.recent = recent;
    EXPECT_EQ(decide(options_, restarted, batch, now_).to_json().dump(), verdict.to_json().dump());
    if (i % 9 == 8 && state_.treating) note_refusal(state_, now_), note_refusal(restarted, now_);
    EXPECT_EQ(restarted.to_json().dump(), state_.to_json().dump());
  }
}

TEST(Verdict, IsShownWithWhatItIsAbout) {
  Verdict verdict;
  verdict.treatment = Treatment::roll_back;
  verdict.hypothesis = "h";
  verdict.expected = "e";
  verdict.back_to = 3;
  EXPECT_EQ(verdict.to_json().dump(),
            R"({"treatment":"roll_back","hypothesis":"h","evidence":{},"expected":"e","back_to":3})");
  EXPECT_EQ(treatment_name(Treatment::none), "none");
  EXPECT_EQ(treatment_name(Treatment::hold), "hold");
}

}  // namespace
}  // namespace trimtab::heal
