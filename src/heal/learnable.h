// Is there something to learn that the champion does not know? Small corrections of its scores are fitted on
// earlier batches and held against it on the next one. What a recalibration does as well, or what the version
// lacked from the beginning, is nothing to train for.
#pragma once

#include <vector>

#include "base/json.h"
#include "heal/policy.h"
#include "watch/batches.h"
#include "watch/correction.h"

namespace trimtab::heal {

inline constexpr double kWorthwhile = 0.001;  // Of Brier loss: less is not worth a heal.

// Rows of several batches in one, as corrections want them; those without a score are left out.
struct RowPool {
  int width = 0;
  std::vector<double> features, score, truth;

  void add(const watch::LabelledBatch& batch);
  watch::CorrectionRows rows() const { return {width, features, score, truth}; }
};

// One look: pushes what the batch says to state.learnable, and sets its figures in `evidence`.
void gather_evidence(PolicyState& state, const watch::LabelledBatch& batch, Json& evidence);

}  // namespace trimtab::heal
