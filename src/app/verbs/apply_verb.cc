#include <chrono>
#include <thread>

#include "app/life_of_a_row.h"
#include "app/progress.h"
#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "plan/apply.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

// The server that owns the home runs the steps, within the limits that it was started with.
Status leave_limits_to_server(const Arguments& arguments) {
  if (arguments.step_time_max.empty() && arguments.step_memory_max.empty()) return {};
  return fail(ErrorCode::conflict,
              "a server owns this home, and its steps have the limits it was started with",
              "leave --step-time-max and --step-memory-max out, or start the server with them");
}

// Whoever has applied a changed file wants to meet the server that knows it.
Status await_server(const std::string& home, std::int64_t epoch_before) {
  constexpr int kLooks = 600;
  for (int look = 0; look < kLooks; ++look) {
    const std::optional<store::ServerAddress> address = store::find_server(home);
    if (address && address->epoch > epoch_before) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return fail(ErrorCode::busy, "the server has applied the file, but does not come back with it",
              "look at its log, and start it again");
}

}  // namespace

Status apply_verb(const Arguments& arguments) {
  project::Project project = TRY(project::load(arguments.project));
  const std::string home = home_folder(arguments, project);
  const flow::StepLimits limits =
      TRY(flow::parse_step_limits(arguments.step_time_max, arguments.step_memory_max));
  if (std::optional<http::Client> server = TRY(find_running_server(home))) {
    TRY(leave_limits_to_server(arguments));
    Json body = Json::object({{"project", project.name}});
    if (arguments.as_of) body.set("as_of", base::format_time(*arguments.as_of));
    const std::int64_t epoch = store::find_server(home).value_or(store::ServerAddress{}).epoch;
    const Json report = TRY(ask(*server, "POST", "/api/v1/apply", body));
    if (report.bool_or("server_starts_again")) TRY(await_server(home, epoch));
    print_report(arguments, report.text_or("text"), report);
    return {};
  }
  const std::unique_ptr<Workbench> bench = TRY(open_workbench(home, std::move(project)));
  bench->executor.limits = limits;
  const TimeUs as_of = plan::as_of_for(bench->project, arguments.as_of, bench->clock);
  plan::ApplyReport report;
  {
    ProgressPrinter progress(ProgressPrinter::style_for(arguments.json));
    const auto nobody_serves = [](const std::string&) -> Status { return {}; };
    report = TRY(live_until_served(bench->workplace(), as_of, progress, nobody_serves));
  }
  print_report(arguments, report.to_text(), report.to_json());
  return {};
}

}  // namespace trimtab::app
