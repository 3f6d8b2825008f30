#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <unistd.h>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "base/log.h"
#include "heal/naive_policy.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

// Blocked before any thread starts, so that only the wait of serve_verb hears them. SIGUSR1 is the server's
// own: an apply has taken another trimtab.yaml.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

Result<std::unique_ptr<RunningServer>> start(const ServerSettings& settings,
                                             const project::Project& project) {
  std::vector<project::Project> projects{project};
  return RunningServer::start(settings, std::move(projects));
}

// The server with another project. A verb may hold the home for a moment between the two; a project that
// cannot be served leaves things as they were.
Result<std::unique_ptr<RunningServer>> start_again(const ServerSettings& settings, project::Project& current,
                                                   const std::string& path) {
  constexpr int kAttempts = 600;
  Result<project::Project> next = project::load(path);
  if (!next) base::log_error("serve", "the server goes on as before: " + base::render(next.error()));
  for (int attempt = 0;; ++attempt) {
    Result<std::unique_ptr<RunningServer>> server = start(settings, next ? *next : current);
    if (server && next) current = std::move(*next);
    if (server) return server;
    if (server.error().code == ErrorCode::home_locked && attempt < kAttempts) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    if (!next) return server;
    base::log_error("serve", "the server goes on as before: " + base::render(server.error()));
    next = fail(server.error());
  }
}

}  // namespace

Status serve_verb(const Arguments& arguments) {
  const sigset_t signals = block_signals();
  project::Project project = TRY(load_project_or_none(arguments));
  ServerSettings settings;
  settings.home = home_folder(arguments, project);
  settings.host = arguments.host;
  settings.port = arguments.port;
  settings.hosts_allowed = arguments.allow_hosts;
  settings.limits = TRY(flow::parse_step_limits(arguments.step_time_max, arguments.step_memory_max));
  settings.policy = TRY(heal::parse_policy(arguments.policy));
  base::SystemClock clock;
  if (arguments.clock == "manual")
    settings.manual_clock_from = plan::as_of_for(project, arguments.as_of, clock);
  settings.on_project_changed = [] { ::kill(::getpid(), SIGUSR1); };
  settings.predict_port = TRY(predict_port_of([](const char* name) { return std::getenv(name); }));
  if (arguments.predict_port) settings.predict_port = PredictPort{*arguments.predict_port, false, {}};
  std::unique_ptr<RunningServer> server = TRY(start(settings, project));
  std::printf("trimtab serves at http://%s:%d\n", settings.host.c_str(), server->port());
  if (const auto port = server->predict_port()) {
    std::printf("predictions alone at http://%s:%d\n",
                settings.predict_port->is_container ? "0.0.0.0" : settings.host.c_str(), *port);
    settings.predict_port->port = *port;
  }
  std::fflush(stdout);
  settings.port = server->port();
  for (int received = 0; sigwait(&signals, &received) == 0 && received == SIGUSR1;) {
    server.reset();
    server = TRY(start_again(settings, project, arguments.project));
  }
  return {};
}

}  // namespace trimtab::app
