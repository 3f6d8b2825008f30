// What could have been had on a history: an oracle that is refitted before every span of 28 days, on all rows
// before it and on the 28 days before it, hears every label at once, needs no gate, and afterwards answers
// with whichever of the two did better. Policies are held against it.
#pragma once

#include <cstdint>
#include <string>

#include "app/verbs/workbench.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "flow/executor.h"

namespace trimtab::app {

// Mean losses over all labelled rows; nothing when no span could be refitted.
struct OracleResult {
  Json log_loss, brier;  // Numbers, or null.
  std::int64_t rows = 0;
  std::string trouble;  // Why a span is missing, in words; "": none is.
};

// Rows with time in [from, to). Trains in the bench's home, whose steps are cached: a second call costs
// nothing. A span that cannot be trained on or judged is left out, and `trouble` says so.
OracleResult refit_oracle(Workbench& bench, const project::Model& model, TimeUs from, TimeUs to,
                          flow::ProgressListener& listener);

}  // namespace trimtab::app
