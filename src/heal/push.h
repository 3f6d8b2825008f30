// A person, or an MLflow client, puts a version under the champion's alias. Before it serves it is asked
// about the newest labelled batches: one that is clearly worse than the champion there never answers a
// request.
#pragma once

#include <cstdint>
#include <span>

#include "heal/policy.h"
#include "watch/batches.h"

namespace trimtab::heal {

inline constexpr std::size_t kPushBatches = 3;  // So many of the newest it is held against.

// Treatment `serve_push` or `refuse_push`, with the paired difference of losses as evidence; `back_to` names
// the pushed version. A batch counts when its `scores` hold both versions; without any, the version serves
// and its first batches decide.
Verdict weigh_push(std::int64_t champion, std::int64_t pushed, std::span<const watch::LabelledBatch> batches);

}  // namespace trimtab::heal
