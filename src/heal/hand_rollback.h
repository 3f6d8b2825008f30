// A person takes a version back. The loop is told: what it had begun for the endpoint ends here, and its
// evidence starts anew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/policy.h"
#include "store/home.h"

namespace trimtab::heal {

struct HandRollback {
  std::string endpoint;
  std::optional<std::int64_t> to;  // Nothing: the version that the champion once replaced.
  std::string reason;
  std::string actor = "cli";
};

struct RollbackReport {
  std::string endpoint;
  std::int64_t from = 0;
  std::int64_t to = 0;  // The same as `from`: it served already, and nothing was changed.
  std::vector<std::int64_t> incidents_closed;

  std::string to_text() const;  // Says what serves now.
  Json to_json() const;
};

// While a version is being rolled out, and without `to`, that one is taken back and the champion stays.
// One transaction: the champion, its aliases, the audit row, the end of open incidents (a treatment that was
// begun gets the outcome "superseded") and the policy's new state, which is given back in `policy`. A version
// whose files cannot be read is refused before that; bringing it up is left to who serves. Errors: not_found
// (endpoint; a version that does not exist or never was), conflict (a version whose gates did not pass),
// storage_broken.
Result<RollbackReport> roll_back_by_hand(store::Home& home, const base::Clock& clock,
                                         const HandRollback& wish, PolicyState& policy);
// What a rollback by hand means to a policy whose state is in memory: to it the version is a new champion
// like any other. Makes that state the kept one. On the loop's thread. Safe to repeat.
Status adopt_rollback(store::Home& home, const base::Clock& clock, const RollbackReport& report,
                      PolicyState& policy);
// The policy's state as it was kept last, for when no server has it in memory.
Result<PolicyState> kept_policy(store::Home& home, const std::string& endpoint);

}  // namespace trimtab::heal
