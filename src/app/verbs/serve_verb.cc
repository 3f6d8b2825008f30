#include <csignal>
#include <cstdio>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"

namespace trimtab::app {
namespace {

Status read_policy(const std::string& text, ServerSettings& settings) {
  if (text == "declared") return {};
  settings.policy = heal::PolicyKind::never;
  if (text == "never") return {};
  settings.policy = heal::PolicyKind::periodic;
  const Result<TimeUs> period = text.starts_with("every:") ? base::parse_duration(text.substr(6))
                                                           : Result<TimeUs>(fail(ErrorCode::invalid, ""));
  if (!period) return fail(ErrorCode::invalid, "'" + text + "' is no policy", "declared, never, or every:7d");
  settings.policy_period = *period;
  return {};
}

}  // namespace

Status serve_verb(const Arguments& arguments) {
  // Blocked before any thread starts, so that only the wait below hears them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  project::Project project = TRY(load_project_or_none(arguments));
  ServerSettings settings;
  settings.home = home_folder(arguments, project);
  settings.host = arguments.host;
  settings.port = arguments.port;
  settings.hosts_allowed = arguments.allow_hosts;
  TRY(read_policy(arguments.policy, settings));
  base::SystemClock clock;
  if (arguments.clock == "manual")
    settings.manual_clock_from = plan::as_of_for(project, arguments.as_of, clock);
  std::vector<project::Project> projects;
  projects.push_back(std::move(project));
  const std::unique_ptr<RunningServer> server = TRY(RunningServer::start(settings, std::move(projects)));
  std::printf("trimtab serves at http://%s:%d\n", settings.host.c_str(), server->port());
  std::fflush(stdout);
  int received = 0;
  sigwait(&stop_signals, &received);
  return {};
}

}  // namespace trimtab::app
