// What is known of an endpoint under care when a server starts: the policy's state as it was last made
// durable, and the batches that it was decided on, rebuilt from predictions and labels.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "heal/policy.h"
#include "model/prediction.h"
#include "store/home.h"
#include "watch/batch_replay.h"
#include "watch/batches.h"

namespace trimtab::heal {

// Makes the policy's state the one that a restart begins with. Call inside the write that changes it.
Status keep_policy(store::Connection& connection, const std::string& endpoint, const PolicyState& state,
                   TimeUs now);

// Belongs to one thread.
class Recall {
 public:
  // `batches` is fresh and outlives the recall; it holds all that is still open in the end. Errors:
  // storage_broken.
  static Result<Recall> begin(store::Home& home, const std::string& endpoint, TimeUs batch_duration,
                              watch::Batches& batches);
  // Every prediction of the log, in its order; those that are too old to matter are left out.
  void add(const model::Prediction& prediction);
  const PolicyState& state() const { return state_; }  // As it was made durable.
  // With the batches that it was decided on.
  PolicyState finish();

 private:
  Recall(PolicyState state, TimeUs from, watch::BatchReplay replay);

  PolicyState state_;
  TimeUs from_;  // Event time.
  watch::BatchReplay replay_;
};

}  // namespace trimtab::heal
