// The history nobody can quietly change: one hash-chained row per state change, in the change's own
// transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace trimtab::store {

class Connection;

struct AuditEntry {
  std::int64_t sequence = 0;
  TimeUs time = 0;
  std::string actor;   // "cli", "server", "heal", later a person's name.
  std::string action;  // "endpoint.promote", "model_version.create", ...
  std::string object;  // "endpoint/late"
  std::string detail;  // Compact JSON: what it was, what it is, why.
  std::string previous_sha256;
  std::string sha256;  // Of all fields above.
};

// Appends one row. Call inside the write that makes the change.
Status append_audit(Connection& connection, TimeUs time, std::string_view actor, std::string_view action,
                    std::string_view object, std::string_view detail_json);

// Walks the chain from the start. Returns its length. Errors: storage_broken naming the first bad sequence.
Result<std::int64_t> verify_audit(Connection& connection);

// Newest first, at most `count_max`.
Status list_audit(Connection& connection, std::int64_t count_max,
                  const std::function<void(const AuditEntry&)>& visit);

}  // namespace trimtab::store
