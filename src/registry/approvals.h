// The gate that people decide. A version whose other gates have passed waits, its gates "open", until as many
// different people as the gate asks for have approved it; then it has passed. One of them may reject it. Who,
// when and why stand in the audit for ever, and that is what approvals are counted from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

bool is_approval_gate(const std::string& gate);

struct AwaitedApproval {
  std::int64_t wanted = 1;
  std::string role;             // That each of the people must have at least.
  std::vector<std::string> by;  // Who has approved so far.

  std::int64_t missing() const { return wanted - static_cast<std::int64_t>(by.size()); }
};

// What the version waits for. Nothing: it has passed, was refused, or its gates are open for other reasons.
Result<std::optional<AwaitedApproval>> awaited_approval(store::Connection& connection,
                                                        const std::string& model, std::int64_t version);
Result<std::optional<AwaitedApproval>> awaited_approval(store::Home& home, const std::string& model,
                                                        std::int64_t version);

// Parts of a larger transaction, with their audit rows. Give what is still awaited; nothing missing: the
// version's gates have passed. Errors: conflict (it does not wait; the same person has approved it already).
Result<AwaitedApproval> approve_version(store::Connection& connection, const std::string& model,
                                        std::int64_t version, const std::string& person,
                                        const std::string& reason, TimeUs now);
// Its gates have refused it then. Errors: conflict (it does not wait).
Status reject_version(store::Connection& connection, const std::string& model, std::int64_t version,
                      const std::string& person, const std::string& reason, TimeUs now);
// "rejected by ada: …", "": nobody did.
Result<std::string> why_rejected(store::Home& home, const std::string& model, std::int64_t version);

}  // namespace trimtab::registry
