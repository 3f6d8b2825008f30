// What was counted of versions on trial (serve/vitals.h), kept in the record from look to look: a server that
// is killed in the middle of a trial goes on with it. What came after its last look is lost, failures and
// good answers alike, so that the rest says neither more nor less than it did.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "serve/vitals.h"
#include "store/home.h"

namespace trimtab::heal {

// Writes only when something has changed; none: what was kept is forgotten.
Status keep_counts(store::Home& home, const std::string& endpoint,
                   const std::vector<serve::PairVitals>& on_trial);
Result<std::vector<serve::PairVitals>> kept_counts(store::Home& home, const std::string& endpoint);
// A person has ended the trial: the same version begins anew if it comes again. Call inside the write that
// ends it.
Status forget_counts(store::Connection& connection, const std::string& endpoint);

}  // namespace trimtab::heal
