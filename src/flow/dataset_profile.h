// What is known of the columns of a table or source: the states that were kept of its parts, merged and told.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "flow/executor.h"
#include "project/project.h"
#include "store/home.h"

namespace trimtab::flow {

// The states of a table's parts are kept since its last refresh; those of a source are made by the same step
// the first time somebody asks. `name`: a table, else a source. Result:
// {"name","kind","rows","parts","columns":[{"name","type","rows","nulls","distinct","min","mean","max",
// "standard_deviation","p5","p25","p50","p75","p95","top":[{"value","count"}],"top_is_exact"}],"alerts":[…]};
// min, mean and max are those of numbers and times, p5 to p95 (within 1 %) of numbers; where they have no
// meaning they are absent.
// Errors: not_found (did you mean; not applied yet), and the step's.
Result<Json> profile_dataset(const project::Project& project, store::Home& home, Executor& executor,
                             ProgressListener& listener, const std::string& name);

}  // namespace trimtab::flow
