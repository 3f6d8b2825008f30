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

// One look: pushes what the batch says to state.learnable, and sets its figures in `evidence`. A
// recalibration may also turn the champion's scores round, and so explain labels that say the contrary of
// what they always said; from the batch on that makes `turned_most` of them in a row it no longer does
// (state.turned).
void gather_evidence(PolicyState& state, const watch::LabelledBatch& batch, int turned_most, Json& evidence);

}  // namespace trimtab::heal
