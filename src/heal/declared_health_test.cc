#include "heal/declared_health.h"

#include <gtest/gtest.h>

#include "heal/incident.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "project/limit_text.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kHealthBegin = 15'000 * base::kDayUs;

std::vector<project::HealthLimit> limits_of(const std::string& metric, const std::string& text) {
  return {project::parse_health_limit(metric, text, {}).value()};
}

PolicyOptions one_may_be_wrong() {
  PolicyOptions options;
  options.heal.poison_budget = 1;
  return options;
}

// Two days of 400 rows, answered by version 1, which knows what is true, or not.
PolicyState two_days(Concept truth) {
  PolicyState state;
  state.served_version = 1;
  Stream stream(7);
  for (std::int64_t day = 1; day <= 2; ++day)
    state.recent.push_back(stream.day(day, truth, 1, Concept::first, 400));
  return state;
}

LimitFinding weighed(const std::string& metric, const std::string& text, const PolicyState& state,
                     const ServiceFigures& service = {}, TimeUs now = kHealthBegin) {
  return weigh_limits(limits_of(metric, text), one_may_be_wrong(), state, service, now).at(0);
}

TEST(DeclaredHealth, AMetricIsOutWhenItsWholeIntervalIs) {
  const LimitFinding good = weighed("auc", ">= 0.6", two_days(Concept::first));
  EXPECT_FALSE(good.is_out);
  EXPECT_GT(*good.value, 0.8);
  EXPECT_EQ(good.rows, 800);
  const LimitFinding bad = weighed("auc", ">= 0.6", two_days(Concept::second));
  EXPECT_TRUE(bad.is_out);
  EXPECT_LT(*bad.high, 0.6);
  EXPECT_TRUE(weighed("brier", "<= 0.2", two_days(Concept::second)).is_out);
  const std::string limit = ">= " + std::to_string(*good.value + 0.001);
  EXPECT_FALSE(weighed("auc", limit, two_days(Concept::first)).is_out) << "that may be chance";
}

TEST(DeclaredHealth, RightScoresAreNotOutByTheErrorThatChanceMakes) {
  const LimitFinding right = weighed("ece", "<= 0.02", two_days(Concept::first));
  EXPECT_GT(*right.value, 0.02) << "10 bins of 80 rows";
  EXPECT_FALSE(right.is_out);
  EXPECT_TRUE(weighed("ece", "<= 0.02", two_days(Concept::second)).is_out);
}

TEST(DeclaredHealth, AsManyBatchesAsMayBeWrongBreakNoLimit) {
  PolicyState state = two_days(Concept::second);
  state.recent.pop_front();
  const LimitFinding finding = weighed("auc", ">= 0.6", state);
  EXPECT_FALSE(finding.is_out);
  EXPECT_EQ(finding.why, "1 of 2 labelled batches of this version are there");
  PolicyState promoted = two_days(Concept::second);
  promoted.served_version = 2;
  EXPECT_EQ(weighed("auc", ">= 0.6", promoted).why, "0 of 2 labelled batches of this version are there");
}

TEST(DeclaredHealth, ErrorsAndTimesAreRates) {
  ServiceFigures service{.requests = 1000, .errors = 15, .timed = 1000, .slow = 15, .p99_ms = 9};
  EXPECT_FALSE(weighed("errors", "<= 1%", {}, service).is_out) << "15 of 1,000 may be chance";
  EXPECT_FALSE(weighed("p99_ms", "<= 5", {}, service).is_out);
  service.errors = service.slow = 40;
  EXPECT_TRUE(weighed("errors", "<= 1%", {}, service).is_out);
  EXPECT_EQ(weighed("errors", "<= 1%", {}, service).to_text(), "errors 4 % where <= 1% is declared");
  EXPECT_TRUE(weighed("p99_ms", "<= 5", {}, service).is_out);
  service.time_counts = false;
  EXPECT_FALSE(weighed("p99_ms", "<= 5", {}, service).is_out) << "a clock is moved by hand";
  service.errors = 1;
  EXPECT_TRUE(weighed("errors", "<= 0", {}, service).is_out) << "none may fail";
  EXPECT_EQ(weighed("errors", "<= 1%", {}).why, "no requests");
}

TEST(DeclaredHealth, FreshnessIsTheAgeOfTheNewestRow) {
  ServiceFigures service;
  EXPECT_EQ(weighed("freshness", "<= 7d", {}, service).why, "the age of the newest row is not known");
  service.newest = kHealthBegin - 7 * base::kDayUs;
  EXPECT_FALSE(weighed("freshness", "<= 7d", {}, service).is_out);
  const LimitFinding old = weighed("freshness", "<= 7d", {}, service, kHealthBegin + base::kDayUs);
  EXPECT_TRUE(old.is_out);
  EXPECT_EQ(old.to_text(), "freshness 8d where <= 7d is declared");
}

TEST(DeclaredHealth, TrafficIsThatOfTheLastHour) {
  RecentTraffic traffic;
  EXPECT_EQ(traffic.look(kHealthBegin, {100, 50}).errors, 50);
  EXPECT_EQ(traffic.look(kHealthBegin + base::kHourUs / 2, {200, 50}).requests, 200);
  const RecentTraffic::Count later = traffic.look(kHealthBegin + 2 * base::kHourUs, {300, 50});
  EXPECT_EQ(later.requests, 100);
  EXPECT_EQ(later.errors, 0) << "what failed has passed";
}

// The loop's passes, on a real record.
class GuardHealth : public testing::Test {
 protected:
  GuardHealth() {
    open_endpoint(*home_, clock_);
    patient_ = std::make_unique<SimulatedPatient>(*home_, PolicyOptions());
    patient_->limits_found = {{.limit = "auc >= 0.6", .value = 0.7, .threshold = 0.6}};
  }
  void look() {
    ASSERT_TRUE(rounds_.guard(*patient_));
    ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  }
  std::vector<Incident> incidents() { return incidents_of(*home_); }
  std::string health() { return registry::find_endpoint(*home_, kEndpoint)->health; }

  base::ManualClock clock_{kHealthBegin};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<SimulatedPatient> patient_;
  Rounds rounds_{*home_, clock_,
                 [](const flow::TrainingRequest&, const std::string&) -> Result<Trained> {
                   return fail(ErrorCode::internal, "nothing is trained here");
                 },
                 base::kHourUs};
};

TEST_F(GuardHealth, ALimitThatIsOutIsAnIncidentUntilItHoldsAgain) {
  look();
  EXPECT_TRUE(incidents().empty());
  EXPECT_EQ(health(), "healthy");
  patient_->limits_found[0].is_out = true;
  patient_->limits_found[0].value = 0.104;
  patient_->limits_found.push_back({.limit = "freshness <= 7d", .value = 60, .threshold = 604800});
  look();
  look();
  ASSERT_EQ(incidents().size(), 1U);
  const Incident open = incidents().front();
  EXPECT_EQ(open.summary, "the endpoint is not as declared: auc >= 0.6 does not hold");
  ASSERT_EQ(open.events.size(), 2U) << "said once";
  EXPECT_EQ(open.events[0].detail.text_or("health"), "auc 0.104 where >= 0.6 is declared");
  EXPECT_EQ(open.events[1].detail["evidence"]["limits"].as_array().size(), 2U) << "for and against";
  EXPECT_EQ(health(), "degraded");
  patient_->limits_found[1].is_out = true;
  look();
  ASSERT_EQ(incidents().front().events.size(), 3U);
  EXPECT_EQ(incidents().front().events[2].detail.text_or("hypothesis"),
            "the endpoint is not as declared: auc >= 0.6, freshness <= 7d does not hold");
  for (LimitFinding& one : patient_->limits_found) one.is_out = false;
  look();
  EXPECT_EQ(incidents().front().state, "closed");
  EXPECT_EQ(health(), "healthy");
  look();
  EXPECT_EQ(incidents().size(), 1U);
}

}  // namespace
}  // namespace trimtab::heal
