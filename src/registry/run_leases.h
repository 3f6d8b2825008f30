// The tags of a run's lease; see RunBook::heartbeat.
#pragma once

#include <string_view>

#include "base/result.h"
#include "registry/run_facts.h"

namespace trimtab::registry {

inline constexpr std::string_view kLeaseTag = "trimtab.lease";
inline constexpr std::string_view kLeaseEndedTag = "trimtab.lease_ended";

// The name of the setting in which the last look at leases stands: {"time", "heartbeats": {run id: time}}.
inline constexpr std::string_view kLeaseLookSetting = "lease_look";

// Errors: invalid, when the tag is that of a lease and no duration of ten seconds or more. Other tags are
// fine.
Status check_lease(const KeyValue& tag);

}  // namespace trimtab::registry
