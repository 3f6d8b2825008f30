// Shapes rows for a learner: binds the declared features, fits what has to be fitted on the training rows
// alone, and writes the training frame. The fitted recipe goes into the model; the endpoint runs the very
// same one.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "features/frame_spec.h"
#include "table/operation.h"

namespace trimtab::features {

struct TimeSpan {  // Of event times.
  TimeUs from = 0;
  TimeUs until = 0;  // Exclusive.
  friend bool operator==(const TimeSpan&, const TimeSpan&) = default;
};

// Which rows a frame is made of. Healing learns from what came after a change, judges on the newest batches
// and leaves out those that are known to be wrong.
struct FrameWindow {
  TimeUs as_of = 0;
  std::optional<TimeUs> test_from = {};   // Rows at or after it are the test; overrides the split.
  std::optional<TimeUs> train_from = {};  // Older rows are left out.
  std::vector<TimeSpan> left_out = {};
};

// Operation "frame": input "part" (kept parts, in snapshot order). Uses rows with time ≤ as_of, label_time ≤
// as_of and a target that is not null; splits by time (the newest are the test; `gap` before them is left
// out); fits fills and levels on the training rows; writes "frame.parquet": features by name, "__target",
// "__time",
// "__part" ("train"/"test"), "__origin" (integer: index of the part), "__row", and a text column
// "__slice_<c>" for each slice. Result:
// {"recipe","train_rows","test_rows","unlabelled","from","to","test_from"}.
Json frame_params(const FrameSpec& spec, const FrameWindow& window);
Result<Json> make_frame(const table::OperationRun& run);

}  // namespace trimtab::features
