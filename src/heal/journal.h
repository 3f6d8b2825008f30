// What the record keeps, and people are told, of a batch and of what is done about it: how every version did,
// the verdict with its evidence, the treatment that begins, how a rollout stands, and how it all ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "heal/incident.h"
#include "heal/patient.h"
#include "heal/policy.h"
#include "store/connection.h"
#include "watch/batches.h"

namespace trimtab::heal {

// How one version did on one labelled batch.
struct VersionPerformance {
  std::int64_t version = 0;
  std::string role;  // "served": the answers that were given; "shadow", "previous"
  std::int64_t labels = 0;
  std::string metrics;  // JSON
};
using BatchReport = std::vector<VersionPerformance>;

// A verdict, and what the policy remembers once it is journaled.
struct Finding {
  Verdict verdict;
  PolicyState next;
  bool proposes = false;  // `mode: suggest`: the treatment waits as a plan (heal/approval.h).
};

// What a verdict is reached at: a labelled batch, or what is known at once (heal/canary_guard.h).
struct Occasion {
  std::int64_t number = 0;  // Of the batch; or the time.
  Json detected;
  std::int64_t served_version = 0;
};
Occasion occasion_of(const watch::LabelledBatch& batch);
// Whether a version waits for approval in it: that does not go away by itself.
bool is_version_waiting(const Incident& incident);

// What every version that scored the batch did on it; the answers that were given stand under role "served".
BatchReport performance(const watch::LabelledBatch& batch, bool binary);

// When the world changed, of a journaled treatment to train; empty: it did not.
std::vector<TimeUs> changes_of(const Json& treatment);

// Writes to one transaction, and lives as long as that. Errors: those of the storage.
class Journal {
 public:
  Journal(store::Connection& connection, const Patient& ward, TimeUs now)
      : connection_(connection), ward_(ward), now_(now) {}

  Status append(std::int64_t incident, const std::string& kind, const Json& detail);
  // To whoever is to be told.
  Status say(const std::string& action, std::int64_t incident, const std::string& summary,
             const Json& detail);
  Result<std::int64_t> open(const std::string& summary, const Json& detected);
  Status close(const Incident& incident, const Json& closed);

  Status write_performance(const watch::LabelledBatch& batch, const BatchReport& rows);
  // The verdict, in the open incident (null: in a new one), and the treatment that it begins or proposes.
  // `train_takes`: until a training's result may be used.
  Status write_verdict(const Occasion& occasion, const Finding& finding, const Incident* open,
                       TimeUs train_takes);
  // What the batch says of a version that is being rolled out.
  Status write_rollout(const watch::LabelledBatch& batch, const Incident& incident);
  // An incident that only waited is over when what it waited for has gone. `is_ill`: is_service_ill().
  Status close_if_over(const Incident& incident, const PolicyState& state, bool is_ill);
  // Words for people when it has come so far that the loop does nothing more by itself.
  Status say_if_person_is_called(const Incident& incident, const PolicyState& before,
                                 const PolicyState& after);

 private:
  store::Connection& connection_;
  const Patient& ward_;
  TimeUs now_;
};

}  // namespace trimtab::heal
