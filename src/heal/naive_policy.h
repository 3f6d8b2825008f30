// Policies to compare the declared one with: in a backtest on a user's own past, and in the healing bench.
// They ask for no evidence that learning would help, which is what they are there to show.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "heal/policy.h"

namespace trimtab::heal {

// "declared", "never", "every:7d" (periodic, gated like any candidate), "every-batch:12" (after each labelled
// batch, on the newest 12, without gates), "every-batches:5:12" (after each fifth), "psi:12" (when a
// feature's population stability index exceeds 0.2), "loss-3sigma:12" (when a batch's loss lies three
// standard deviations above those before it). The last number of each, the window, is 12 when it is left out.
// "contract+psi" and the like: behind the contract of rows that stands before `declared`. Sets `kind` and
// what belongs to it; the rest of the options stays as it is. Errors: invalid (names them all).
Result<PolicyOptions> parse_policy(std::string_view text);

// What decide() does for every kind but `declared`: a batch, whoever answered it, with no treatment under
// way. A verdict to retrain counts in state.retrains and sets state.treating. What a policy has to remember
// goes into state.naive.
Verdict weigh_naive(const PolicyOptions& options, PolicyState& state, const watch::LabelledBatch& batch,
                    TimeUs now);

}  // namespace trimtab::heal
