// One policy's life in a replay: a home and a project folder of its own, a real server on a manual clock, and
// the requests of history sent to it tick by tick. Killed at any moment, it goes on at the tick where it
// stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/backtest/history_feed.h"
#include "base/json.h"
#include "base/result.h"
#include "flow/step_limits.h"

namespace trimtab::app {

struct PolicySettings {
  std::string name;                   // "never", "weekly", "trimtab", "psi"
  std::string policy;                 // For `serve --policy`: "never", "every:7d", "declared".
  std::vector<std::string> settings;  // For `serve --set`.
  std::filesystem::path folder;       // Holds project/, home/, progress and answers; made already.
  std::string endpoint;
  TimeUs from = 0;
  TimeUs to = 0;
  flow::StepLimits limits;
};

struct PolicyResult {
  std::string name;
  Json log_loss, auc, brier;  // Numbers, or null.
  std::int64_t predictions = 0, labels = 0;
  std::int64_t retrains = 0, promotions = 0, rollbacks = 0, incidents = 0;
  std::int64_t batches = 0;  // Labelled ones, on which was decided.
  // Promotions whose version did no better than its predecessor on the batches that both scored.
  std::int64_t useless = 0;
  // Days, on average over the incidents that say since when it was worse: until it was seen, and until
  // another version or level answered. Null: none says so.
  Json days_to_detect, days_to_heal;
  Json timeline = Json::array();  // {"time","event","evidence","action"}, oldest first.

  Json to_json() const;  // Without the timeline.
};

// Replays the feed. `on_tick(done, total)` is called on this thread. Errors: step_failed (the server did not
// start or died), and whatever the server answered that it should not have.
Result<PolicyResult> run_policy(const PolicySettings& settings, const HistoryFeed& feed,
                                const std::function<void(std::int64_t done, std::int64_t total)>& on_tick);

}  // namespace trimtab::app
