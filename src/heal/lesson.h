// What a training is to learn from and to be judged on when the evidence says that the world has changed.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "features/frame.h"
#include "heal/policy.h"
#include "watch/batches.h"

namespace trimtab::heal {

// [{"from","until"}]
Json spans_json(const std::vector<features::TimeSpan>& spans);
std::vector<features::TimeSpan> spans_from(const Json& json);

// A candidate is judged on the newest batches, as many as can show what the evidence promises, a week of days
// at most: the others since the change are for learning. Where a change is small, that is all seven.
inline constexpr int kTestBatchesMax = 7;
// Where the newest `count` batches begin that are not left out, `batch` among them.
TimeUs start_of_newest(std::int64_t count, const PolicyState& state, const watch::LabelledBatch& batch,
                       const std::vector<features::TimeSpan>& left_out = {});
// Where the evidence began to rise: the batch before, or the oldest that is remembered when it rose from the
// start.
TimeUs rise_of_evidence(const PolicyState& state, const watch::LabelledBatch& batch);
// How many batches since the change a training can learn from or be judged on, `batch` among them.
std::int64_t batches_to_learn(TimeUs change, const PolicyState& state, const watch::LabelledBatch& batch);
bool is_within(const std::vector<features::TimeSpan>& spans, const watch::LabelledBatch& batch);

inline constexpr double kTestLog = 4.6;  // ln 100: evidence that a test can be expected to confirm.

// Fills in what a verdict to train after `changes` (ascending, at least one) says of rows: which are left
// out, how many batches there are, where the test begins, and how clear the gain must be. `refits`: the
// champion has learnt the newest change already, from fewer batches.
void set_lesson(Verdict& verdict, const PolicyState& state, const watch::LabelledBatch& batch,
                std::vector<TimeUs> changes, bool refits);

}  // namespace trimtab::heal
