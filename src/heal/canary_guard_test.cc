#include "heal/canary_guard.h"

#include <cmath>
#include <gtest/gtest.h>

#include "heal/approval.h"
#include "heal/evidence.h"
#include "heal/hand_rollback.h"
#include "heal/recall.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "registry/pushes.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kBegin = 15'000 * base::kDayUs;

// E by the integral itself, in 100,000 steps.
double by_steps(int count, int of, double rate) {
  double sum = 0;
  const int steps = 100'000;
  for (int i = 0; i < steps; ++i) {
    const double p = rate + (1 - rate) * (i + 0.5) / steps;
    sum += std::pow(p / rate, count) * std::pow((1 - p) / (1 - rate), of - count) / steps;
  }
  return std::log(sum);
}

TEST(RateEvidence, IsTheIntegralThatItSays) {
  for (const double rate : {0.5, 0.01}) {
    for (const auto& [count, of] : {std::pair{13, 13}, {33, 40}, {9, 12}, {5, 60}, {60, 90}}) {
      EXPECT_NEAR(rate_evidence(count, of, rate), std::max(0.0, by_steps(count, of, rate)), 1e-4)
          << count << " of " << of << " at " << rate;
    }
  }
}

TEST(RateEvidence, AlarmsAtThirteenOfThirteen) {
  EXPECT_LT(rate_evidence(12, 12, 0.5), kAlarmLog);
  EXPECT_GT(rate_evidence(13, 13, 0.5), kAlarmLog);
  EXPECT_GT(rate_evidence(33, 40, 0.5), kAlarmLog);
  EXPECT_LT(rate_evidence(32, 40, 0.5), kAlarmLog);
  EXPECT_EQ(rate_evidence(0, 0, 0.5), 0);
  EXPECT_EQ(rate_evidence(50, 100, 0.5), 0);
  EXPECT_GT(rate_evidence(600'000, 1'000'000, 0.5), 1000) << "and never ends in infinity";
  EXPECT_TRUE(std::isfinite(rate_evidence(1'000'000, 1'000'000, 0.01)));
}

// Looked at after each of 200 requests that one of both failed, a version that is just as bad alarms in fewer
// than one of 1,000 lives; one that fails four times as often in nearly all.
TEST(RateEvidence, RarelyAlarmsWhateverOneLooksAt) {
  std::uint64_t state = 88172645463325252ULL;
  const auto coin = [&state](double chance) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return std::ldexp(static_cast<double>(state >> 11), -53) < chance;
  };
  const auto alarms = [&](double chance, int lives) {
    int alarmed = 0;
    for (int life = 0; life < lives; ++life) {
      int own = 0;
      for (int n = 1; n <= 200; ++n) {
        own += coin(chance) ? 1 : 0;
        if (rate_evidence(own, n, 0.5) <= kAlarmLog) continue;
        ++alarmed;
        break;
      }
    }
    return alarmed;
  };
  EXPECT_LE(alarms(0.5, 2000), 5) << "2 are expected at most";
  EXPECT_GE(alarms(0.8, 200), 195);
}

ServiceTrial failing(std::int64_t alone) {
  ServiceTrial trial{.version = 2, .against = 1, .requests = 400, .failed = alone + 3, .failed_alone = alone};
  trial.failed_at = kBegin;
  trial.error = "cannot take square root of a negative number";
  return trial;
}

ServiceTrial slow(std::int64_t alone, std::int64_t timed) {
  return {.version = 2,
          .against = 1,
          .requests = timed,
          .timed = timed,
          .slow_alone = alone,
          .ms = 9.87,
          .against_ms = 0.4};
}

TEST(WeighService, AVersionThatFailsAloneIsIll) {
  EXPECT_FALSE(weigh_service(failing(12)).is_ill);
  const ServiceFinding ill = weigh_service(failing(13));
  EXPECT_TRUE(ill.is_ill);
  EXPECT_EQ(ill.hypothesis, "version 2 fails requests that version 1 answers");
  EXPECT_EQ(ill.why,
            "version 2 failed 16 of 400 requests, 13 of them where version 1 answered; the first at "
            "2011-01-26T00:00:00Z: cannot take square root of a negative number");
}

TEST(WeighService, WhatTheOtherFailsAsOftenIsNothing) {
  ServiceTrial trial = failing(20);
  trial.against_failed_alone = 18;
  EXPECT_FALSE(weigh_service(trial).is_ill);
  trial.against_failed_alone = 1;
  EXPECT_EQ(
      weigh_service(trial).why,
      "version 2 failed 23 of 400 requests, 20 of them where version 1 answered, which failed 1 that it "
      "answered; the first at 2011-01-26T00:00:00Z: cannot take square root of a negative number");
}

TEST(WeighService, WithoutALimitItIsSlowInMoreThanHalfOfTheRows) {
  EXPECT_FALSE(weigh_service(slow(40, 400)).is_ill);
  const ServiceFinding ill = weigh_service(slow(390, 400));
  EXPECT_TRUE(ill.is_ill);
  EXPECT_EQ(ill.hypothesis, "version 2 takes too long where version 1 does not");
  EXPECT_EQ(ill.why,
            "version 2 took more than 3 times as long as version 1 for 390 of 400 rows, on average 9.87 ms a "
            "row where version 1 took 0.4 ms");
}

TEST(WeighService, WithALimitItIsSlowInMoreThanOnePercent) {
  ServiceTrial trial = slow(40, 400);
  trial.ms_max = 5;
  EXPECT_EQ(
      weigh_service(trial).why,
      "version 2 took longer than 5 ms for 40 of 400 rows, on average 9.87 ms a row where version 1 took "
      "0.4 ms");
  trial.slow_alone = 4;
  EXPECT_FALSE(weigh_service(trial).is_ill) << "that is what a 99th percentile allows";
  trial.slow_alone = trial.against_slow_alone = 40;
  EXPECT_FALSE(weigh_service(trial).is_ill) << "it is the machine";
}

TEST(WeighService, WhereTheClockIsMovedByHandTimeSaysNothing) {
  ServiceTrial trial = slow(390, 400);
  trial.time_counts = false;
  EXPECT_FALSE(weigh_service(trial).is_ill);
}

TEST(WeighService, TheJournalGivesTheSameVerdictAgain) {
  for (const ServiceTrial& trial : {failing(13), failing(12), slow(390, 400), slow(10, 400)}) {
    const Json kept = base::parse_json(trial.to_json().dump()).value();
    const ServiceTrial again = ServiceTrial::from_json(kept);
    EXPECT_EQ(again.to_json().dump(), trial.to_json().dump());
    EXPECT_EQ(weigh_service(again).why, weigh_service(trial).why);
    EXPECT_EQ(weigh_service(again).is_ill, weigh_service(trial).is_ill);
  }
}

// A loop around a rollout of version 2, or version 2 on probation.
class CanaryGuard : public testing::Test {
 protected:
  CanaryGuard() {
    open_endpoint(*home_, clock_);
    patient_ = std::make_unique<SimulatedPatient>(*home_, rolling());
  }
  static PolicyOptions rolling(project::HealMode mode = project::HealMode::automatic) {
    PolicyOptions options;
    options.rollout = project::Rollout{.shadow_batches = 1, .canary = {0.1}, .key = ""};
    options.heal.mode = mode;
    return options;
  }
  void roll_out() {
    EXPECT_TRUE(registry::register_version(*home_, clock_, version_with("second", true)));
    EXPECT_TRUE(registry::push_version(*home_, clock_, kEndpoint, 2, "ada", "by hand"));
    EXPECT_TRUE(rounds_.finish_treatments(*patient_));
    EXPECT_EQ(patient_->challenger, 2);
    beside(1, 2, model::Role::shadow);
  }
  // Version 2 answers, and version 1 is warm.
  void promote(project::HealMode mode) {
    patient_ = std::make_unique<SimulatedPatient>(*home_, rolling(mode));
    EXPECT_TRUE(registry::register_version(*home_, clock_, version_with("second", true)));
    EXPECT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 2, "heal", "endpoint.promote", "t"));
    EXPECT_TRUE(patient_->redeploy());
    patient_->policy().on_trial = true;
    beside(2, 1, model::Role::previous);
  }
  void beside(std::int64_t served, std::int64_t other, model::Role role) {
    serve::PairVitals pair;
    pair.served = served;
    pair.other = other;
    pair.role = role;
    pair.requests = 100;
    patient_->side_by_side = {pair};
  }
  serve::PairVitals& pair() { return patient_->side_by_side.at(0); }
  void look() {
    ASSERT_TRUE(rounds_.guard(*patient_));
    ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  }
  std::vector<Incident> incidents() { return incidents_of(*home_); }
  std::string journal() {
    std::string kinds;
    const Incident first = incidents().at(0);
    for (const IncidentEvent& event : first.events) kinds += (kinds.empty() ? "" : " ") + event.kind;
    return kinds;
  }
  Json newest(const std::string& kind) {
    Json found;
    const Incident first = incidents().at(0);
    for (const IncidentEvent& event : first.events) {
      if (event.kind == kind) found = event.detail;
    }
    return found;
  }
  registry::EndpointFacts facts() { return registry::find_endpoint(*home_, kEndpoint).value(); }

  base::ManualClock clock_{kBegin};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<SimulatedPatient> patient_;
  Rounds rounds_{*home_, clock_,
                 [](const flow::TrainingRequest&, const std::string&) -> Result<Trained> {
                   return fail(ErrorCode::internal, "nothing is trained here");
                 },
                 base::kHourUs};
};

TEST_F(CanaryGuard, ARolloutThatFailsRequestsIsSentBackAtOnce) {
  roll_out();
  pair().only_other_failed = pair().other_failed = 12;
  look();
  EXPECT_EQ(patient_->challenger, 2) << "that may be chance";
  pair().only_other_failed = pair().other_failed = 13;
  pair().other_first = {kBegin, "a division by zero"};
  look();
  EXPECT_EQ(patient_->challenger, std::nullopt);
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(journal(), "detected treatment rollout rollout outcome closed");
  EXPECT_EQ(newest("outcome").text_or("why"),
            "version 2 failed 13 of 100 requests, 13 of them where version 1 answered; the first at "
            "2011-01-26T00:00:00Z: a division by zero");
  EXPECT_EQ(registry::why_refused(*home_, kEndpoint, 2).value(), newest("outcome").text_or("why"))
      << "a person's push says why";
  EXPECT_EQ(registry::pushed_version(*home_, kEndpoint).value(), std::nullopt);
  const ServiceTrial replayed = ServiceTrial::from_json(newest("rollout")["service"]);
  EXPECT_EQ(weigh_service(replayed).why, newest("outcome").text_or("why"));
}

TEST_F(CanaryGuard, ARolloutThatTakesTooLongIsSentBackUnlessTheClockIsMovedByHand) {
  roll_out();
  pair().timed = 100;
  pair().only_other_slow = 90;
  pair().served_us = 100 * 400, pair().other_us = 100 * 9000;
  look();
  EXPECT_EQ(newest("outcome").text_or("why"),
            "version 2 took more than 3 times as long as version 1 for 90 of 100 rows, on average 9 ms a row "
            "where version 1 took 0.4 ms");
}

TEST_F(CanaryGuard, AChampionOnProbationThatFailsIsRolledBack) {
  promote(project::HealMode::automatic);
  pair().only_served_failed = pair().served_failed = 20;
  pair().served_first = {kBegin, "a division by zero"};
  look();
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(incidents().at(0).summary, "version 2 fails requests that version 1 answers");
  EXPECT_EQ(newest("outcome").dump(), R"({"result":"rolled back","version":1})");
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(patient_->policy().failed_heals, 1);
  EXPECT_EQ(facts().previous_version, std::nullopt) << "it was a mistake";
  look();
  EXPECT_EQ(incidents().size(), 1u) << "what is done is done";
}

TEST_F(CanaryGuard, AChampionThatIsNotOnTrialIsLeftToWhoChoseIt) {
  promote(project::HealMode::automatic);
  patient_->policy().on_trial = false;
  pair().only_served_failed = pair().served_failed = 20;
  look();
  EXPECT_TRUE(incidents().empty());
}

TEST_F(CanaryGuard, UnderSuggestAPersonIsAskedOnce) {
  promote(project::HealMode::suggest);
  pair().only_served_failed = pair().served_failed = 20;
  for (int i = 0; i < 3; ++i) look();
  EXPECT_EQ(journal(), "detected verdict plan");
  EXPECT_EQ(incidents().at(0).state, "waiting");
  EXPECT_EQ(patient_->deployed, 2);
  // A batch without a verdict of its own does not end what still is so.
  Stream stream(5);
  const watch::LabelledBatch batch = stream.day(14'990, Concept::first, 2);
  const Finding nothing{{}, patient_->policy()};
  ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), nothing));
  EXPECT_EQ(incidents().at(0).state, "waiting");
  ASSERT_TRUE(decide_on_plan(*home_, clock_, {.incident = 1}, patient_->policy()));
  look();
  EXPECT_EQ(patient_->deployed, 1);
}

TEST_F(CanaryGuard, SwitchedOffItOnlySaysSo) {
  promote(project::HealMode::off);
  pair().only_served_failed = pair().served_failed = 20;
  for (int i = 0; i < 3; ++i) look();
  EXPECT_EQ(journal(), "detected verdict");
  EXPECT_EQ(newest("verdict").text_or("expected"), "heal.mode is off");
  EXPECT_EQ(patient_->deployed, 2);
}

TEST_F(CanaryGuard, AKilledServerGoesOnWithTheTrial) {
  roll_out();
  patient_->side_by_side.clear();
  std::uint64_t request = 0;
  const auto ask = [&](int times) {
    const serve::Asked asked[] = {{1, false, ""}, {2, true, "a division by zero"}};
    for (int i = 0; i < times; ++i) patient_->counted->note(++request, asked, kBegin);
  };
  ask(12);
  look();
  EXPECT_EQ(patient_->challenger, 2);
  patient_->restart();
  look();
  EXPECT_EQ(patient_->challenger, 2) << "nothing was counted twice";
  ask(1);
  look();
  EXPECT_EQ(patient_->challenger, std::nullopt);
  EXPECT_EQ(newest("outcome").text_or("why"),
            "version 2 failed 13 of 13 requests, 13 of them where version 1 answered; the first at "
            "2011-01-26T00:00:00Z: a division by zero");
  look();
  EXPECT_TRUE(kept_counts(*home_, kEndpoint).value().empty()) << "the trial is over";
}

TEST_F(CanaryGuard, WhatAPersonTakesBackAnswersNothingMoreWhateverTheLoopIsAt) {
  roll_out();
  ASSERT_TRUE(registry::change_challenger_share(*home_, clock_, kEndpoint, 2, 0.1, "heal", "incident 1"));
  ASSERT_TRUE(roll_back_by_hand(*home_, clock_, {.endpoint = kEndpoint}, patient_->policy()));
  EXPECT_EQ(facts().challenger_version, std::nullopt);
  EXPECT_EQ(facts().serving_version, 1);
}

TEST_F(CanaryGuard, WhatAPersonEndsBeginsAnew) {
  roll_out();
  pair().only_other_failed = pair().other_failed = 12;
  look();
  EXPECT_EQ(kept_counts(*home_, kEndpoint).value().at(0).only_other_failed, 12);
  ASSERT_TRUE(roll_back_by_hand(*home_, clock_, {.endpoint = kEndpoint}, patient_->policy()));
  EXPECT_TRUE(kept_counts(*home_, kEndpoint).value().empty());
}

// Killed before any row that is written, it comes to the same end.
class KilledGuard : public CanaryGuard, public testing::WithParamInterface<int> {
 protected:
  void look_until_killed() {
    const std::vector<serve::PairVitals> seen = patient_->side_by_side;
    MortalRecord record(*home_);
    record.dies_after(GetParam());
    if (rounds_.guard(*patient_)) (void)rounds_.finish_treatments(*patient_);
    record.lives();
    patient_->restart();
    // What was counted since the last look died with the process: the versions fail again.
    const bool is_kept = !kept_counts(*home_, kEndpoint).value().empty();
    if (!is_kept && (patient_->challenger || incidents().empty())) patient_->side_by_side = seen;
    look();
    look();
  }
};

TEST_P(KilledGuard, ARolloutIsSentBackOnce) {
  roll_out();
  pair().only_other_failed = pair().other_failed = 13;
  look_until_killed();
  EXPECT_EQ(patient_->challenger, std::nullopt);
  EXPECT_EQ(facts().challenger_version, std::nullopt);
  EXPECT_EQ(journal(), "detected treatment rollout rollout outcome closed");
  EXPECT_EQ(facts().serving_version, 1);
}

TEST_P(KilledGuard, AChampionIsRolledBackOnce) {
  promote(project::HealMode::automatic);
  ASSERT_TRUE(home_->database().write([&](store::Connection& connection) {
    return keep_policy(connection, kEndpoint, patient_->policy(), clock_.now());
  }));
  pair().only_served_failed = pair().served_failed = 20;
  look_until_killed();
  EXPECT_EQ(journal(), "detected verdict treatment outcome closed");
  EXPECT_EQ(facts().serving_version, 1);
  EXPECT_EQ(patient_->policy().failed_heals, 1);
}

INSTANTIATE_TEST_SUITE_P(BeforeRow, KilledGuard, testing::Range(0, 14));

}  // namespace
}  // namespace trimtab::heal
