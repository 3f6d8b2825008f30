// The loop's passes over one endpoint on a real record, with a policy and trainings that say what a test
// wants.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "heal/rounds.h"
#include "heal/simulated_patient_test.h"
#include "heal/stream_test.h"
#include "store/scratch_folder.h"

namespace trimtab::heal {

// A loop whose trainings bring what the test says.
class RoundsTest : public testing::Test {
 protected:
  static constexpr TimeUs kTrainTakes = base::kHourUs;
  static constexpr TimeUs kStart = 15'000 * base::kDayUs;

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
    const std::vector<Incident> all = incidents_of(*home_);
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

}  // namespace trimtab::heal
