// The whole loop on history: the same traffic, sent to a real server under each policy, and what came of it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/backtest/oracle_refit.h"
#include "app/backtest/policy_run.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "flow/executor.h"
#include "project/project.h"

namespace trimtab::app {

struct BacktestOptions {
  std::string home;      // The project's home; replays live in backtests/ below it.
  std::string endpoint;  // "": the project's only one.
  TimeUs from = 0;
  std::optional<TimeUs> to;           // Default: the end of the data.
  std::vector<std::string> policies;  // "trimtab", "weekly", or a name of heal::parse_policy.
  std::vector<std::string> settings;  // For project::set_heal: another policy than the file declares.
  flow::StepLimits limits;            // Of each step, the servers' steps included.
  std::function<void(const std::string& line)> say;  // How far it is.
};

struct BacktestReport {
  std::vector<PolicyResult> policies;
  OracleResult oracle;

  // {"policies":[…],"oracle":{…},"timeline":[…]}: the timeline of the policy "trimtab".
  Json to_json() const;
  std::string to_text() const;  // A table, then the timeline.
};

// Resumable: the same call goes on where an interrupted one stopped. Never touches the project's own record.
Result<BacktestReport> run_backtest(const project::Project& project, const BacktestOptions& options,
                                    flow::ProgressListener& listener);

}  // namespace trimtab::app
