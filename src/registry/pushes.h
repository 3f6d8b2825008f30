// A push: a client of the registry moves the alias that mirrors an endpoint's champion. The alias moves at
// once, as MLflow has it; whether the version comes to answer is decided afterwards, and if it does not, the
// alias returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

inline constexpr const char* kRefusedTag = "trimtab.refused";

// The version that the alias of the endpoint's champion stands at, when it is another one than the champion.
// Nothing when nothing serves yet, unless it is a first version that waits for approval. Errors: not_found
// (endpoint).
Result<std::optional<std::int64_t>> pushed_version(store::Home& home, const std::string& endpoint);
// Moves the alias, as a client would. Idempotent. Errors: not_found (endpoint).
Status push_version(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                    std::int64_t version, const std::string& actor, const std::string& reason);
// The alias returns to the champion, and the version is tagged with the reason; one transaction with its
// audit row. Does nothing when the alias stands elsewhere by now. Errors: not_found (endpoint).
Status refuse_push(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                   std::int64_t version, const std::string& reason);
// Why the version was refused when it was pushed; "": it was not.
Result<std::string> why_refused(store::Home& home, const std::string& model, std::int64_t version);
// Errors: conflict, in the words of change_champion, when the version's gates did not pass; not_found.
Status may_be_pushed(store::Home& home, const std::string& endpoint, std::int64_t version);

}  // namespace trimtab::registry
