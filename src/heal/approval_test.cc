#include "heal/approval.h"

#include <gtest/gtest.h>

#include "heal/recall.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "notify/outbox.h"
#include "store/audit.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kTrainTakes = base::kHourUs;
constexpr TimeUs kStart = 15'000 * base::kDayUs;

PolicyOptions suggesting() {
  PolicyOptions options;
  // Proposes with every batch, so that the test need not wait for evidence.
  options.kind = PolicyKind::every_batches;
  options.heal.mode = project::HealMode::suggest;
  options.heal.notify =
      project::Notify{.webhook = "https://hooks.example.com/x", .secret_env = "", .email = "", .smtp = ""};
  return options;
}

class ApprovalTest : public testing::Test {
 protected:
  ApprovalTest() {
    open_endpoint(*home_, clock_);
    patient_ = std::make_unique<SimulatedPatient>(*home_, suggesting());
  }

  // A batch closes a day later, and the loop makes of it what it makes of it.
  void next_batch() {
    clock_.advance_to(clock_.now() + base::kDayUs);
    const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, *patient_->deployed);
    const Finding finding = rounds_.weigh(*patient_, batch);
    ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding));
    ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  }
  Incident incident(std::int64_t id = 1) { return find_incident(*home_, id).value(); }
  std::string journal() {
    std::string kinds;
    for (const IncidentEvent& event : incident().events) kinds += (kinds.empty() ? "" : " ") + event.kind;
    return kinds;
  }
  std::string refusal(const PlanDecision& wish) {
    const auto report = decide_on_plan(*home_, clock_, wish, patient_->policy());
    return report ? report->to_text() : base::render(report.error());
  }
  std::vector<std::string> told() {
    std::vector<std::string> events;
    const std::vector<notify::Delivery> deliveries = notify::list_deliveries(*home_, 100).value();
    for (const notify::Delivery& delivery : deliveries) events.push_back(delivery.event);
    return events;
  }

  base::ManualClock clock_{kStart};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<SimulatedPatient> patient_;
  int trainings_ = 0;
  Rounds rounds_{*home_, clock_,
                 [this](const flow::TrainingRequest&, const std::string&) -> Result<Trained> {
                   ++trainings_;
                   return Trained{version_with("a better version", true), Json::object()};
                 },
                 kTrainTakes};
  Stream stream_{5};
  std::int64_t day_ = 14'990;
};

using Words = std::vector<std::string>;

TEST_F(ApprovalTest, APlanWaitsUntilItIsApprovedAndIsThenCarriedOut) {
  next_batch();
  EXPECT_EQ(journal(), "detected verdict plan");
  EXPECT_EQ(incident().state, "waiting");
  EXPECT_FALSE(patient_->policy().treating);
  EXPECT_TRUE(patient_->policy().retrains.empty()) << "nothing is paid before it is done";
  EXPECT_EQ(told(), (Words{"incident.opened", "incident.waiting"}));
  clock_.advance_to(clock_.now() + 2 * kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(trainings_, 0);

  const auto report =
      decide_on_plan(*home_, clock_, {.incident = 1, .plan = std::nullopt, .reason = "seen", .actor = "ada"},
                     patient_->policy());
  ASSERT_TRUE(report) << base::render(report.error());
  EXPECT_EQ(report->to_text(), "incident 1, endpoint late: retrain is approved; the server carries it out\n");
  EXPECT_EQ(journal(), "detected verdict plan approved treatment");
  EXPECT_TRUE(patient_->policy().treating);
  EXPECT_EQ(patient_->policy().retrains.size(), 1u);
  EXPECT_EQ(incident().unfinished_treatment()->detail.int_or("as_of"), clock_.now());
  // Killed here: what was approved stands.
  patient_->restart();
  EXPECT_TRUE(patient_->policy().treating);
  clock_.advance_to(clock_.now() + kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(trainings_, 1);
  EXPECT_EQ(journal(), "detected verdict plan approved treatment outcome closed");
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(told(), (Words{"incident.opened", "incident.waiting", "incident.promoted", "incident.closed"}));
  EXPECT_EQ(refusal({.incident = 1}),
            "error: nothing of incident 1 waits for approval: it is closed\n"
            "   hint: `trimtab incidents 1` shows its journal");
}

TEST_F(ApprovalTest, TheAuditNamesThePerson) {
  next_batch();
  ASSERT_TRUE(decide_on_plan(*home_, clock_,
                             {.incident = 1, .approves = false, .reason = "a strike", .actor = "ada"},
                             patient_->policy()));
  std::string row;
  ASSERT_TRUE(home_->database().read([&](store::Connection& connection) {
    return store::list_audit(connection, 1, [&](const store::AuditEntry& entry) {
      row = entry.actor + " " + entry.action + " " + entry.object + " " + entry.detail;
    });
  }));
  EXPECT_EQ(
      row, R"(ada incident.reject incident/1 {"plan":3,"actor":"ada","why":"a strike","treatment":"retrain",)"
           R"("endpoint":"late"})");
}

TEST_F(ApprovalTest, WhatWasRejectedIsNotDone) {
  next_batch();
  EXPECT_EQ(refusal({.incident = 1, .approves = false}),
            "incident 1, endpoint late: retrain is rejected; nothing is done\n");
  EXPECT_EQ(journal(), "detected verdict plan rejected");
  EXPECT_EQ(incident().state, "diagnosed");
  clock_.advance_to(clock_.now() + 2 * kTrainTakes);
  ASSERT_TRUE(rounds_.finish_treatments(*patient_));
  EXPECT_EQ(trainings_, 0);
  EXPECT_EQ(refusal({.incident = 1}),
            "error: nothing of incident 1 waits for approval: it is diagnosed\n"
            "   hint: `trimtab incidents 1` shows its journal");
  const auto held = held_treatments({incident()}, clock_.now(), base::kDayUs);
  EXPECT_EQ(held.at(Treatment::retrain), "a person rejected it lately");
  EXPECT_TRUE(held_treatments({incident()}, clock_.now() + 15 * base::kDayUs, base::kDayUs).empty());
}

TEST_F(ApprovalTest, APlanThatAnotherHasReplacedIsRefused) {
  next_batch();
  next_batch();
  EXPECT_EQ(journal(), "detected verdict plan verdict plan");
  EXPECT_EQ(refusal({.incident = 1, .plan = 3}),
            "error: plan 3 of incident 1 does not wait any more: plan 5 has taken its place\n"
            "   hint: look at it with `trimtab incidents 1`, then decide");
  EXPECT_EQ(refusal({.incident = 1, .plan = 5}),
            "incident 1, endpoint late: retrain is approved; the server carries it out\n");
}

TEST_F(ApprovalTest, APlanForAnotherChampionIsRefused) {
  next_batch();
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("by hand", true)));
  ASSERT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 2, "cli", "endpoint.promote", "t"));
  EXPECT_EQ(refusal({.incident = 1}),
            "error: the plan of incident 1 was made for version 1, but the champion of 'late' is version 2 "
            "now\n"
            "   hint: reject it; the next batches say what the present champion needs");
  EXPECT_EQ(refusal({.incident = 1, .approves = false}),
            "incident 1, endpoint late: retrain is rejected; nothing is done\n");
}

TEST_F(ApprovalTest, AnIncidentThatIsNotThereIsNotFound) {
  EXPECT_EQ(refusal({.incident = 7}),
            "error: there is no incident 7\n   hint: `trimtab incidents` lists them");
}

TEST_F(ApprovalTest, WhatWaitsIsNotAskedAgainForAWhile) {
  next_batch();
  const auto held = held_treatments({incident()}, clock_.now(), base::kDayUs);
  EXPECT_EQ(held.at(Treatment::retrain),
            "it waits for a person's word: `trimtab approve 1` or `trimtab reject 1`");
  EXPECT_TRUE(held_treatments({incident()}, clock_.now() + 8 * base::kDayUs, base::kDayUs).empty());
}

}  // namespace
}  // namespace trimtab::heal
