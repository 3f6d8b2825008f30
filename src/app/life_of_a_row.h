// The life of a row, from the file it came in to the verdict that it helped to reach: the whole program as a
// list.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "flow/executor.h"
#include "heal/rounds.h"
#include "heal/ward.h"
#include "plan/apply.h"

namespace trimtab::app {

// The first half: from files to a version that answers. What `trimtab apply` does; safe to interrupt and
// repeat. Errors: all diagnostics of the project, a step's, check_failed from a check or a gate.
Result<plan::ApplyReport> live_until_served(
    const plan::Workplace& workplace, TimeUs as_of, flow::ProgressListener& listener,
    const std::function<Status(const std::string& endpoint)>& on_promoted);

// The second half, for an endpoint under care: from answers and their truth to the next verdict. What the
// server does again and again; a look more or less changes nothing.
Status live_on(heal::Rounds& rounds, heal::Patient& ward);

}  // namespace trimtab::app
