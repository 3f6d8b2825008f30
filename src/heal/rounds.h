// What the control loop does for an endpoint under care, as passes that app/life_of_a_row.cc calls in order.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "flow/pipeline.h"
#include "heal/incident.h"
#include "heal/policy.h"
#include "heal/ward.h"
#include "store/home.h"
#include "watch/batches.h"

namespace trimtab::heal {

// How one version did on one labelled batch.
struct VersionPerformance {
  std::int64_t version = 0;
  std::string role;  // "served": the answers that were given; "shadow", "previous"
  std::int64_t labels = 0;
  std::string metrics;  // JSON
};
using BatchReport = std::vector<VersionPerformance>;

// A verdict, and what the policy remembers once it is journaled.
struct Finding {
  Verdict verdict;
  PolicyState next;
};

// Belongs to the loop's thread.
class Rounds {
 public:
  // `train_takes`: until a training's result may be used, by the clock. `stop` is polled while steps run.
  Rounds(store::Home& home, const base::Clock& clock, flow::Pipeline& pipeline, TimeUs train_takes);

  TimeUs now() const { return clock_.now(); }
  // Carries out what the journal says was begun and is due. Safe to repeat: steps are cached, a step
  // registers once.
  Status finish_treatments(Ward& ward);
  BatchReport measure(Ward& ward, const watch::LabelledBatch& batch) const;
  Finding weigh(Ward& ward, const watch::LabelledBatch& batch) const;
  // If it cannot be made durable, the verdict was not reached.
  Status journal(Ward& ward, const watch::LabelledBatch& batch, const BatchReport& performance,
                 const Finding& finding);
  // The former champion is let go when it has scored along for long enough.
  Status end_probation(Ward& ward);
  // The earliest time at which something begun is due.
  std::optional<TimeUs> next_due(Ward& ward) const;

 private:
  Status treat(Ward& ward, const Incident& incident, const IncidentEvent& treatment);
  Status retrain(Ward& ward, const Incident& incident, const Json& treatment);
  Status roll_back(Ward& ward, const Incident& incident);
  Status conclude(Ward& ward, const Incident& incident, const Json& outcome, const std::string& health);

  store::Home& home_;
  const base::Clock& clock_;
  flow::Pipeline& pipeline_;
  TimeUs train_takes_;
  flow::ProgressListener listener_;
};

}  // namespace trimtab::heal
