// The step "sense": what a labelled batch says for and against the version that answers, as evidence in pairs
// on the same rows. Decides nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "heal/policy.h"
#include "watch/batches.h"

namespace trimtab::heal {

// Is there something to learn here that `version` does not know? A correction on all features, fitted on
// earlier batches, against the version and against the version recalibrated. Its numbers go into `evidence`.
void sense_learnable(PolicyState& state, std::int64_t version, const watch::LabelledBatch& batch,
                     Json& evidence);

// Would an earlier champion have done better than `version`? The one for which most speaks, when an alarm
// does.
std::optional<std::int64_t> sense_earlier(PolicyState& state, std::int64_t version,
                                          const watch::LabelledBatch& batch, Json& evidence);

// The batch as if `version` had answered all of it, for what looks at the answers given: its scores, moved to
// the level that is served now where another one answered.
watch::LabelledBatch as_answered_by(const watch::LabelledBatch& batch, std::int64_t version, double level);

// Nobody may learn from this batch.
bool is_left_out(const PolicyState& state, const watch::LabelledBatch& batch);
void leave_out(PolicyState& state, features::TimeSpan span);

}  // namespace trimtab::heal
