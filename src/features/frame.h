// Shapes rows for a learner: binds the declared features, fits what has to be fitted on the training rows
// alone, and writes the training frame. The fitted recipe goes into the model; the endpoint runs the very
// same one.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "features/frame_spec.h"
#include "table/operation.h"

namespace trimtab::features {

// Operation "frame": input "part" (kept parts, in snapshot order). Uses rows with time ≤ as_of, label_time ≤
// as_of and a target that is not null; splits by time (the newest are the test; `gap` before them is left
// out); fits fills and levels on the training rows; writes "frame.parquet": features by name, "__target",
// "__time",
// "__part" ("train"/"test"), "__origin" (integer: index of the part), "__row", and a text column
// "__slice_<c>" for each slice. Result:
// {"recipe","train_rows","test_rows","unlabelled","from","to","test_from"}. `test_from` overrides the split:
// rows at or after it are the test (healing judges on the newest batches).
Json frame_params(const FrameSpec& spec, TimeUs as_of, std::optional<TimeUs> test_from = std::nullopt);
Result<Json> make_frame(const table::OperationRun& run);

}  // namespace trimtab::features
