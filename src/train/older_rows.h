// A world that has changed: how much rows from before the change still help to foretell those since. Nobody
// can say beforehand. Where little has changed the many old rows are worth more than they mislead; where much
// has, the few new ones must speak alone. So it is asked of held-out rows since the change.
#pragma once

#include <functional>
#include <span>

#include "base/clock.h"
#include "base/result.h"
#include "model/booster.h"

namespace trimtab::train {

// Training rows and when they happened, one time a row.
struct TimedRows {
  const model::TrainingData& rows;
  std::span<const TimeUs> times;
};

// How rows from before a change are learnt from: at `weight`, from 1 down to 0, when they are older than
// `since`.
struct OlderRows {
  TimeUs since = 0;
  double weight = 1;
};

// Of the rows since the newest of `changes` (ascending, at least one), three stretches are left out of a fit
// in turn; what foretells them best is chosen: every row in full, or those from before one of the changes at
// less. In full when there are no rows before, or too few since to ask. Of very many old rows only every so
// many-th is asked. `on_round(done, total)` returns false to cancel (errors: cancelled, and train_booster's).
Result<OlderRows> weigh_older_rows(const TimedRows& train, std::span<const TimeUs> changes,
                                   const model::BoosterOptions& options,
                                   const std::function<bool(std::int64_t, std::int64_t)>& on_round);

// The rows with the older ones at their weight; at 0 they are left away.
model::TrainingData with_older_rows(const OlderRows& older, const TimedRows& train);

}  // namespace trimtab::train
