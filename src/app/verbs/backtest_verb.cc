#include <cstdio>

#include "app/backtest/backtest.h"
#include "app/progress.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "project/load.h"

namespace trimtab::app {

Status backtest_verb(const Arguments& arguments) {
  const project::Project project = TRY(project::load(arguments.project));
  BacktestOptions options;
  options.home = home_folder(arguments, project);
  options.endpoint = arguments.name;
  base::SystemClock clock;
  options.from = arguments.from.value_or(plan::as_of_for(project, std::nullopt, clock));
  options.to = arguments.to;
  options.limits = TRY(flow::parse_step_limits(arguments.step_time_max, arguments.step_memory_max));
  options.policies = arguments.policies;
  options.settings = arguments.settings;
  if (options.policies.empty()) options.policies = {"never", "weekly", "trimtab"};
  options.say = [](const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); };
  BacktestReport report;
  {
    ProgressPrinter progress(ProgressPrinter::style_for(arguments.json));
    report = TRY(run_backtest(project, options, progress));
  }
  print_report(arguments, report.to_text(), report.to_json());
  return {};
}

}  // namespace trimtab::app
