// What the control loop does for an endpoint under care, as passes that app/life_of_a_row.cc calls in order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "flow/pipeline.h"
#include "heal/incident.h"
#include "heal/journal.h"
#include "heal/patient.h"
#include "heal/policy.h"
#include "judge/metrics.h"
#include "registry/record.h"
#include "store/home.h"
#include "watch/batches.h"

namespace trimtab::heal {

// A candidate, trained and judged, as the record takes it, and its metrics with their intervals.
struct Trained {
  registry::NewVersion version;
  Json metrics = Json::object();
  judge::PairedDifference gain = {};  // Of the champion's losses over the candidate's; no rows: no champion.
};
// Trains, or finds again what the same request has trained before. `reason` goes into the record. Errors: the
// steps' own; they count as a failed heal unless they are about the storage or the server's end.
using Train = std::function<Result<Trained>(const flow::TrainingRequest& request, const std::string& reason)>;
// By the steps of a project's pipeline. Both must outlive the function.
Train train_with(flow::Pipeline& pipeline, const project::Project& project);

// Belongs to the loop's thread.
class Rounds {
 public:
  // `train_takes`: until a training's result may be used, by the clock.
  Rounds(store::Home& home, const base::Clock& clock, Train train, TimeUs train_takes);

  TimeUs now() const { return clock_.now(); }
  // Carries out what the journal says was begun and is due, and sees to it that the record's health is what
  // the state says. Safe to repeat from wherever a crash left it: a treatment names the versions it is about,
  // steps are cached, a step registers once. Errors: those of the storage; the next look tries again.
  Status finish_treatments(Patient& ward);
  // Looks at how the version on trial answers, without labels; what follows is begun by finish_treatments.
  Status guard(Patient& ward);
  BatchReport measure(Patient& ward, const watch::LabelledBatch& batch) const;
  Finding weigh(Patient& ward, const watch::LabelledBatch& batch) const;
  // If it cannot be made durable, the verdict was not reached. An incident that only waits is closed when the
  // evidence for it has gone.
  Status journal(Patient& ward, const watch::LabelledBatch& batch, const BatchReport& performance,
                 const Finding& finding);
  // The former champion is let go when it has scored along for long enough.
  Status end_probation(Patient& ward);
  // The earliest time at which something begun is due.
  std::optional<TimeUs> next_due(Patient& ward) const;

 private:
  Status treat(Patient& ward, const Incident& incident, const Json& treatment);
  Status retrain(Patient& ward, const Incident& incident, const Json& treatment);
  Status roll_out(Patient& ward, const Incident& incident, std::int64_t version);
  Status begin_rollout(Patient& ward, const Incident& incident, std::int64_t version, const Json& judged);
  Status carry_rollout(Patient& ward, const Incident& incident, const IncidentEvent& newest);
  Status end_rollout(Patient& ward, const Incident& incident, const Json& outcome);
  Status promote(Patient& ward, const Incident& incident, std::int64_t version, Json outcome);
  Status roll_back(Patient& ward, const Incident& incident, const Json& treatment);
  Status change_level(Patient& ward, const Incident& incident, bool follows);
  Status give_up(Patient& ward, const Incident& incident, const Error& error);
  Status conclude(Patient& ward, const Incident& incident, const Json& outcome, PolicyState next);
  Status settle(Patient& ward);
  Status take_up_push(Patient& ward, std::int64_t version, std::int64_t champion);

  store::Home& home_;
  const base::Clock& clock_;
  Train train_;
  TimeUs train_takes_;
};

}  // namespace trimtab::heal
