// Who is champion, and since when. serving_version is the truth; aliases mirror it; every change is one
// transaction with its audit row.
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

struct EndpointFacts {
  std::string name;
  std::string project;
  std::string model;
  std::optional<std::int64_t> serving_version;
  std::optional<std::int64_t> challenger_version;
  double challenger_share = 0;  // Of the rows that it answers, a canary; 0: it scores along, a shadow.
  TimeUs challenger_since = 0;  // That it has this share; 0: nobody noted when.
  std::optional<std::int64_t> previous_version;
  std::string health;  // healthy, degraded, healing, needs_attention
  TimeUs changed_at = 0;

  Json to_json() const;  // champion, challenger, previous, health, …
};

// Makes the endpoint exist. Errors: name_taken (another project owns the name, and says which).
Status declare_endpoint(store::Home& home, const base::Clock& clock, const std::string& project,
                        const std::string& name, const std::string& model, const std::string& actor = "cli");
Result<EndpointFacts> find_endpoint(store::Home& home, const std::string& name);
Result<std::vector<EndpointFacts>> list_endpoints(store::Home& home);

// Whether the history says that this endpoint has ever served this version of its model. Errors: not_found.
Result<bool> has_served(store::Home& home, const std::string& endpoint, std::int64_t version);

// Makes `version` the champion; the old one becomes `previous`. The alias "champion" of the model mirrors it
// when the endpoint bears the model's name, otherwise "<endpoint>-champion"; a push to it that nobody has
// decided on yet (registry/pushes.h) stands. Idempotent. `action` is
// "endpoint.promote", "endpoint.roll_back" or "endpoint.refit" (the same knowledge from more rows: who was
// `previous` stays so). Errors: not_found, conflict (a version whose gates did not pass).
Status change_champion(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                       std::int64_t version, const std::string& actor, const std::string& action,
                       const std::string& reason);
// Nothing: there is none. A new one begins in shadow. Mirrored by the alias "challenger".
Status change_challenger(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                         std::optional<std::int64_t> version, const std::string& actor,
                         const std::string& reason);
// The same, as a part of a larger transaction.
Status change_challenger_within(store::Connection& connection, const std::string& endpoint,
                                std::optional<std::int64_t> version, TimeUs now, const std::string& actor,
                                const std::string& reason);
// From now on the challenger answers this share of the rows, in [0, 1); 0: it scores along only. The champion
// stays the champion. Idempotent. Errors: not_found, invalid (no such share), conflict (`version` is not the
// challenger, or its gates did not pass).
Status change_challenger_share(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                               std::int64_t version, double share, const std::string& actor,
                               const std::string& reason);
// What change_champion does with "endpoint.roll_back", as a part of a larger transaction; besides, probation
// ends, a challenger that is the version itself is no longer one, and the endpoint counts as healthy. True
// when the champion changed, false when it serves already. Errors: as change_champion.
Result<bool> roll_back_within(store::Connection& connection, const std::string& endpoint,
                              std::int64_t version, TimeUs now, const std::string& actor,
                              const std::string& reason);
// The version that the champion once replaced: the one to go back to. Errors: not_found.
Result<std::int64_t> version_before(store::Connection& connection, const std::string& endpoint);
// Ends probation: the previous version is not kept warm any longer.
Status forget_previous(store::Home& home, const base::Clock& clock, const std::string& endpoint);
Status change_health(store::Home& home, const base::Clock& clock, const std::string& endpoint,
                     const std::string& health, const std::string& reason);

}  // namespace trimtab::registry
