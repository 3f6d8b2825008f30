#include "heal/version_approval.h"

#include <gtest/gtest.h>

#include "heal/hand_rollback.h"
#include "heal/rounds.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "registry/approvals.h"
#include "registry/pushes.h"
#include "store/audit.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {
namespace {

constexpr TimeUs kTakes = base::kHourUs;
constexpr TimeUs kOpening = 15'000 * base::kDayUs;

// A version whose other gates have passed.
registry::NewVersion version_that_waits(const std::string& step_key, const std::string& gate) {
  registry::NewVersion version = version_with(step_key, false);
  version.waits = true;
  version.gates.push(Json::object({{"gate", gate},
                                   {"verdict", "pending"},
                                   {"measured", Json::object({{"value", 0.0}})},
                                   {"threshold", 1}}));
  return version;
}

class VersionApproval : public testing::Test {
 protected:
  VersionApproval() {
    open_endpoint(*home_, clock_);
    patient_ = std::make_unique<SimulatedPatient>(*home_, PolicyOptions());
  }
  void push() {
    const auto made =
        registry::register_version(*home_, clock_, version_that_waits(step_key_, gate_)).value();
    ASSERT_EQ(made.gates, "open");
    ASSERT_TRUE(registry::push_version(*home_, clock_, kEndpoint, made.version, "ada", "by hand"));
    look();
  }
  // A batch that asks for a training, and what comes of it an hour later.
  void retrain() {
    const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, *patient_->deployed);
    Finding finding{{}, patient_->policy()};
    finding.verdict.treatment = Treatment::retrain;
    finding.verdict.hypothesis = "it has changed";
    finding.next.treating = true;
    ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding));
    clock_.advance_to(clock_.now() + kTakes);
    look();
  }
  void look() { ASSERT_TRUE(rounds_.finish_treatments(*patient_)); }
  std::string say(PlanDecision wish) {
    const auto report = decide_on_plan(*home_, clock_, wish, patient_->policy());
    return report ? report->to_text() : base::render(report.error());
  }
  std::string journal(std::int64_t id = 1) {
    std::string kinds;
    const Incident incident = find_incident(*home_, id).value();
    for (const IncidentEvent& event : incident.events) kinds += (kinds.empty() ? "" : " ") + event.kind;
    return kinds;
  }
  std::string audited() {
    std::string rows;
    EXPECT_TRUE(home_->database().read([&](store::Connection& connection) {
      return store::list_audit(connection, 100, [&](const store::AuditEntry& entry) {
        if (!entry.action.starts_with("model_version.") || entry.action == "model_version.create") return;
        rows = entry.actor + " " + entry.action + " " + entry.object + " " + entry.detail + "\n" + rows;
      });
    }));
    return rows;
  }
  std::string gates(std::int64_t version) {
    return registry::find_version(*home_, kEndpoint, version).value().gates;
  }
  registry::EndpointFacts facts() { return registry::find_endpoint(*home_, kEndpoint).value(); }

  base::ManualClock clock_{kOpening};
  store::ScratchFolder scratch_;
  std::unique_ptr<store::Home> home_ = store::Home::open(scratch_ / "home", clock_).value();
  std::unique_ptr<SimulatedPatient> patient_;
  std::string step_key_ = "second", gate_ = "approvals >= 1";
  Rounds rounds_{*home_, clock_,
                 [this](const flow::TrainingRequest&, const std::string&) -> Result<Trained> {
                   return Trained{version_that_waits(step_key_, gate_), Json::object()};
                 },
                 kTakes};
  Stream stream_{5};
  std::int64_t day_ = 14'990;
};

TEST_F(VersionApproval, APushWaitsAndAnswersWhenItIsApproved) {
  push();
  for (int i = 0; i < 3; ++i) look();
  EXPECT_EQ(journal(), "detected plan") << "it is asked once";
  EXPECT_EQ(find_incident(*home_, 1).value().state, "waiting");
  EXPECT_EQ(waiting_json(*home_, kEndpoint).value().dump(),
            R"([{"incident":1,"plan":2,"treatment":"roll_out","version":2,"wanted":1,"role":"approver",)"
            R"("approvals":0}])");
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(
      registry::change_champion(*home_, clock_, kEndpoint, 2, "cli", "endpoint.promote", "t").error().message,
      "version 2 of model 'late' may not serve: it waits for approval");
  EXPECT_EQ(say({.incident = 1, .reason = "seen", .actor = "ada"}),
            "incident 1, endpoint late: version 2 is approved; the server lets it answer\n");
  EXPECT_EQ(gates(2), "passed");
  patient_->restart();  // Killed here: what was approved stands.
  look();
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(journal(), "detected plan approved treatment outcome closed");
  EXPECT_EQ(audited(), R"(ada model_version.approve model/late/2 {"why":"seen","approvals":1,"wanted":1})"
                       "\n");
  const Json gate = registry::gates_json(*home_, kEndpoint, 2).value().as_array().at(0);
  EXPECT_EQ(gate.dump(),
            R"({"gate":"approvals >= 1","measured":{"value":1.0},"verdict":"pass","threshold":1.0,)"
            R"("detail":"by ada"})");
  EXPECT_EQ(say({.incident = 1}),
            "error: nothing of incident 1 waits for approval: it is closed\n"
            "   hint: `trimtab incidents 1` shows its journal");
}

TEST_F(VersionApproval, WhatIsRejectedIsRefusedForGoodAndItsAliasReturns) {
  push();
  EXPECT_EQ(say({.incident = 1, .approves = false, .reason = "not before Monday", .actor = "ada"}),
            "incident 1, endpoint late: version 2 is rejected; the champion goes on answering\n");
  EXPECT_EQ(journal(), "detected plan rejected closed");
  look();
  EXPECT_EQ(gates(2), "refused");
  EXPECT_EQ(registry::pushed_version(*home_, kEndpoint).value(), std::nullopt);
  EXPECT_EQ(registry::why_refused(*home_, kEndpoint, 2).value(),
            "version 2 of model 'late' was rejected by ada: not before Monday");
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(patient_->policy().failed_heals, 0);
  EXPECT_EQ(audited(), R"(ada model_version.reject model/late/2 {"why":"not before Monday"})"
                       "\n");
}

TEST_F(VersionApproval, SoManyDifferentPeopleAsTheGateAsksFor) {
  gate_ = "approvals >= 2";
  push();
  EXPECT_EQ(say({.incident = 1, .reason = "seen", .actor = "ada"}),
            "incident 1, endpoint late: version 2 is approved by one person more; missing: 1\n");
  EXPECT_EQ(gates(2), "open");
  EXPECT_EQ(journal(), "detected plan approval");
  EXPECT_EQ(find_incident(*home_, 1).value().state, "waiting");
  EXPECT_EQ(say({.incident = 1, .actor = "ada"}),
            "error: version 2 of model 'late' was approved by ada already: somebody else is wanted, too\n"
            "   hint: under `serve --auth` each says who they are");
  look();
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_EQ(say({.incident = 1, .actor = "ben"}),
            "incident 1, endpoint late: version 2 is approved; the server lets it answer\n");
  look();
  EXPECT_EQ(patient_->deployed, 2);
}

TEST_F(VersionApproval, OnlyWhoHasTheRoleThatTheGateNames) {
  gate_ = "approvals(admin) >= 1";
  push();
  EXPECT_EQ(say({.incident = 1, .actor = "ada", .role = http::Role::approver}),
            "error: ada has the role approver, but version 2 waits for the role admin\n"
            "   hint: ask somebody who has it, or change the gate `approvals`");
  EXPECT_EQ(journal(), "detected plan");
  EXPECT_EQ(say({.incident = 1, .actor = "eve", .role = http::Role::admin}),
            "incident 1, endpoint late: version 2 is approved; the server lets it answer\n");
}

TEST_F(VersionApproval, WhatHealingHasTrainedWaitsInItsIncident) {
  retrain();
  EXPECT_EQ(journal(), "detected verdict treatment outcome plan");
  EXPECT_EQ(patient_->deployed, 1);
  EXPECT_FALSE(patient_->policy().treating);
  EXPECT_EQ(patient_->policy().failed_heals, 0);
  // Nor is it over when a batch says nothing.
  const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, 1);
  ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), {{}, patient_->policy()}));
  EXPECT_EQ(find_incident(*home_, 1).value().state, "waiting");
  say({.incident = 1});
  look();
  EXPECT_EQ(patient_->deployed, 2);
  EXPECT_EQ(journal(), "detected verdict treatment outcome plan approved treatment outcome closed");
  EXPECT_TRUE(patient_->policy().on_trial);
}

TEST_F(VersionApproval, ANewerCandidateTakesThePlaceOfTheOneThatWaits) {
  retrain();
  step_key_ = "a third one of it";
  retrain();
  EXPECT_EQ(waiting_json(*home_, kEndpoint).value().as_array().at(0).int_or("version"), 3);
  EXPECT_EQ(say({.incident = 1, .plan = 5}),
            "error: plan 5 of incident 1 does not wait any more: plan 9 has taken its place\n"
            "   hint: look at it with `trimtab incidents 1`, then decide");
}

TEST_F(VersionApproval, WhatWaitedWaitsAgainAfterATrainingThatBroughtNothing) {
  retrain();
  gate_ = "auc >= 0.7";  // Which has not passed.
  step_key_ = "a worse one, of the same length";
  const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, 1);
  Finding finding{{}, patient_->policy()};
  finding.verdict.treatment = Treatment::follow_level;
  finding.next.treating = true;
  ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding));
  EXPECT_EQ(waiting_json(*home_, kEndpoint).value().as_array().size(), 0u);
  look();
  EXPECT_EQ(waiting_json(*home_, kEndpoint).value().as_array().at(0).int_or("version"), 2);
  say({.incident = 1});
  look();
  EXPECT_EQ(patient_->deployed, 2);
}

TEST_F(VersionApproval, AnApprovalForAnotherChampionIsRefused) {
  push();
  ASSERT_TRUE(registry::register_version(*home_, clock_, version_with("a third version", true)));
  ASSERT_TRUE(registry::change_champion(*home_, clock_, kEndpoint, 3, "cli", "endpoint.promote", "t"));
  EXPECT_EQ(
      say({.incident = 1}),
      "error: the plan of incident 1 was made for version 1, but the champion of 'late' is version 3 now\n"
      "   hint: reject it; the next batches say what the present champion needs");
  EXPECT_EQ(gates(2), "open") << "the whole transaction is undone";
}

TEST_F(VersionApproval, GoingBackNeedsNone) {
  push();
  say({.incident = 1});
  look();
  ASSERT_EQ(patient_->deployed, 2);
  const auto report = roll_back_by_hand(*home_, clock_, {.endpoint = kEndpoint}, patient_->policy());
  ASSERT_TRUE(report) << base::render(report.error());
  EXPECT_EQ(facts().serving_version, 1);
}

TEST_F(VersionApproval, AFirstVersionWaitsToo) {
  ASSERT_TRUE(home_->database().write([](store::Connection& connection) {
    return connection.run_script("UPDATE endpoint SET serving_version = NULL; DELETE FROM model_alias;");
  }));
  patient_->deployed.reset();
  const auto made =
      registry::register_version(*home_, clock_, version_that_waits("first of all", gate_)).value();
  ASSERT_TRUE(registry::push_version(*home_, clock_, kEndpoint, made.version, "cli", "declared"));
  EXPECT_EQ(registry::pushed_version(*home_, kEndpoint).value(), made.version);
}

// Killed before any row that is written, it is asked about once.
class KilledApproval : public VersionApproval, public testing::WithParamInterface<int> {};

TEST_P(KilledApproval, WhatHealingHasTrainedIsAskedAboutOnce) {
  const watch::LabelledBatch batch = stream_.day(++day_, Concept::first, 1);
  Finding finding{{}, patient_->policy()};
  finding.verdict.treatment = Treatment::retrain;
  finding.next.treating = true;
  ASSERT_TRUE(rounds_.journal(*patient_, batch, rounds_.measure(*patient_, batch), finding));
  clock_.advance_to(clock_.now() + kTakes);
  MortalRecord record(*home_);
  record.dies_after(GetParam());
  (void)rounds_.finish_treatments(*patient_);
  record.lives();
  patient_->restart();
  look();
  look();
  EXPECT_EQ(journal(), "detected verdict treatment outcome plan");
  record.dies_after(GetParam());
  const bool decided = decide_on_plan(*home_, clock_, {.incident = 1}, patient_->policy()).has_value();
  EXPECT_EQ(gates(2), decided ? "passed" : "open") << "wholly or not at all";
  record.lives();
  if (!decided) say({.incident = 1});
  record.dies_after(GetParam());
  (void)rounds_.finish_treatments(*patient_);
  record.lives();
  patient_->restart();
  look();
  EXPECT_EQ(journal(), "detected verdict treatment outcome plan approved treatment outcome closed");
  EXPECT_EQ(patient_->deployed, 2);
}

INSTANTIATE_TEST_SUITE_P(BeforeRow, KilledApproval, testing::Range(0, 12));

}  // namespace
}  // namespace trimtab::heal
