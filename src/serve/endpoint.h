// An endpoint in operation: which versions are loaded, the swap between them, and the answer to a request.
// A request touches no disk and waits for nobody.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "model/artifact.h"
#include "model/prediction.h"
#include "serve/answers.h"
#include "serve/bring_up.h"
#include "serve/deployment.h"
#include "serve/door.h"
#include "serve/lookups.h"
#include "serve/request_rows.h"
#include "serve/vitals.h"
#include "table/engine.h"

namespace trimtab::serve {

struct PredictRequest {
  std::string_view body;  // JSON: dataframe_split, dataframe_records, instances (list of objects), inputs.
  std::string_view inference_id;  // Header X-Amzn-SageMaker-Inference-Id; of several rows with "-1", "-2", ….
  bool ignores_unknown = false;   // Columns that nobody knows are passed over, not refused.
  bool explain = false;           // Also when the body has "explain": true.
  bool is_trial = false;  // The champion's answer to a question that nobody has: no id, no log, no memory.
};

// Hears of every prediction on the thread that made it, of at most so many at a time; must be quick. What it
// hears of is its own to change.
using OnPredictions = std::function<void(std::span<model::Prediction>)>;
inline constexpr std::size_t kHandedOnMax = 64;
// Asked before each request: may predictions be given now? Its error is the answer.
using MayPredict = std::function<Status()>;

// What an endpoint is to run. The rollout decides on it, by what the record says; here it is only carried
// out.
struct DeployPlan {
  std::vector<VersionPlan> versions;  // The champion first; at most one canary; others score along.
  std::string canary_key;  // Column whose values keep to one version; "": the prediction's id does.
  std::function<std::vector<std::string>()> recent_rows;  // As they are logged: scored before requests are.
  TimeUs time_max_us = 0;  // One row's scoring, as the owner wants it; 0: no limit is declared.
  // The champion that does not load, and whose place the first version takes until it does; it stays among
  // the failures. 0: none.
  std::int64_t stands_in_for = 0;

  // By what runs, not by what it is warmed up with.
  bool operator==(const DeployPlan& other) const {
    return versions == other.versions && canary_key == other.canary_key && time_max_us == other.time_max_us;
  }
};

// A version that was to run and cannot.
struct VersionFailure {
  std::int64_t version = 0;
  model::Role role = model::Role::served;
  std::string why;
  TimeUs since = 0;
};

// Thread-safe.
class Endpoint {
 public:
  Endpoint(std::string name, table::Engine& engine, Lookups& lookups, const base::Clock& clock,
           OnPredictions on_predictions, MayPredict may_predict = {});
  ~Endpoint();

  const std::string& name() const { return name_; }
  // Loads and warms what does not run yet, then swaps; requests in flight finish on what they began with. The
  // same plan again does nothing, unless something of it failed. A champion that does not load leaves
  // everything as it was; without another version that does not load the rest is run. Both stand in
  // failures() until they load, or are no longer wanted. Errors: those of Scorer::make, in words that name
  // the version.
  Status deploy(const DeployPlan& plan, const LoadArtifact& load);
  std::vector<VersionPlan> running() const;
  std::vector<VersionFailure> failures() const;
  // Waits until everything that was answered before has been scored along and handed on.
  void settle() const;

  // The reply's body, as `write` puts it. Ids: column
  // prediction_id, header, else made here; an id that was chosen before returns the logged answer for the
  // same input, and nothing is scored when all ids of a request are known. Explanations cost about a hundred
  // predictions, so they are given for at most kExplainedMax rows. Errors: those of MayPredict, busy
  // (no version serves yet), malformed, invalid (unknown field: did you mean; missing column; wrong type: row
  // and column named), conflict (a known id with another input), too_large.
  static constexpr std::size_t kExplainedMax = 100;
  static constexpr std::size_t kAnswersMax = 1'000'000;  // Ids that are remembered.
  Result<std::string> predict(const PredictRequest& request, const WriteReply& write = native_reply);
  // From now on the served version's scores are moved by so much in log odds before they are answered; what
  // it said itself is logged beside the answer. 0: answered as they are.
  void answer_at(double level);
  // Hashes of requests begin with it (Privacy::request_seed). Before the first request.
  void hash_requests_from(std::uint64_t seed);
  // From now on what is wrong with requests is repaired where that can be done (door.h), and not refused.
  // Before the first deployment.
  void repair_requests(DoorOptions options);
  Door* door();  // Null: requests are not repaired.
  const Door* door() const;
  // Remembers an answer given before a restart, for repeated ids.
  void remember(const model::Prediction& prediction);

  // What a request may hold, as of the version that serves now. Errors: busy (none does yet).
  Result<std::shared_ptr<const RequestColumns>> request_columns() const;
  // The same as {"columns":[{"name","type","required"}]}.
  Result<Json> request_schema() const;
  struct Counters {
    std::uint64_t requests = 0, rows = 0, errors = 0;
    std::uint64_t latency_us_p50 = 0, latency_us_p99 = 0;  // Of the last 1,024 requests.
  };
  Counters counters() const;
  // How many of the last 1,024 requests took longer than that, and of how many.
  std::pair<std::int64_t, std::int64_t> slower_than(TimeUs time) const;
  // How the versions that run did beside each other, on all that was answered until now. Counted since they
  // run side by side in this process, or on from what was counted before.
  std::vector<PairVitals> vitals() const;
  // What was counted before a restart. Before the first deployment; what it does not run side by side is
  // forgotten.
  void go_on_from(std::vector<PairVitals> counted);

 private:
  struct State;
  std::string name_;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::serve
