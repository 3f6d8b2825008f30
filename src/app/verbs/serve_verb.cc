#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include "app/verbs/verb_list.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "base/file.h"
#include "base/log.h"
#include "heal/naive_policy.h"
#include "project/load.h"

namespace trimtab::app {
namespace {

Result<std::optional<base::TlsFiles>> read_tls(const Arguments& arguments) {
  if (arguments.tls_certificate.empty() && arguments.tls_key.empty()) return std::optional<base::TlsFiles>();
  if (!arguments.tls_certificate.empty() && !arguments.tls_key.empty())
    return std::optional<base::TlsFiles>({arguments.tls_certificate, arguments.tls_key});
  return fail(ErrorCode::invalid, "TLS needs a certificate and its key", "pass --tls-cert and --tls-key");
}

// The secret comes by the environment: other people see the words of a command line.
Result<std::optional<people::ProviderOptions>> read_provider(const Arguments& arguments) {
  if (arguments.oidc_issuer.empty()) return std::optional<people::ProviderOptions>();
  if (arguments.oidc_client.empty() || arguments.oidc_url.empty()) {
    return fail(ErrorCode::invalid, "an identity provider needs --oidc-client and --oidc-url",
                "--oidc-url is the address by which browsers reach this server");
  }
  const char* secret = std::getenv("TRIMTAB_OIDC_SECRET");
  return std::optional<people::ProviderOptions>(
      {arguments.oidc_issuer, arguments.oidc_client, secret == nullptr ? "" : secret, arguments.oidc_url});
}

// The file's project with what --set says in its place.
Status apply_settings(project::Project& project, const Arguments& arguments) {
  for (const std::string& setting : arguments.settings) TRY(project::set_heal(project, setting));
  return {};
}

// Blocked before any thread starts, so that only the wait of serve_verb hears them. SIGUSR1 is the server's
// own: an apply has taken another trimtab.yaml.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // A file that may grow no further is a failed write, not the end.
  return signals;
}

Result<std::unique_ptr<RunningServer>> start(const ServerSettings& settings,
                                             const project::Project& project) {
  std::vector<project::Project> projects{project};
  return RunningServer::start(settings, std::move(projects));
}

// A server that cannot start, say on a port that is taken, leaves no home that was not there.
Result<std::unique_ptr<RunningServer>> start_first(const ServerSettings& settings,
                                                   project::Project& project) {
  std::error_code unknown;
  const bool is_new = !std::filesystem::exists(settings.home, unknown) && !unknown;
  Result<std::unique_ptr<RunningServer>> server = start(settings, project);
  // Another server may have made it meanwhile.
  const bool is_ours = is_new && !server && server.error().code != ErrorCode::home_locked;
  if (is_ours) static_cast<void>(base::remove_tree(settings.home));
  return server;
}

// The server with another project. A verb may hold the home for a moment between the two; a project that
// cannot be served leaves things as they were.
Result<std::unique_ptr<RunningServer>> start_again(const ServerSettings& settings, project::Project& current,
                                                   const Arguments& arguments) {
  constexpr int kAttempts = 600;
  Result<project::Project> next = project::load(arguments.project);
  if (next) TRY(apply_settings(*next, arguments));
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
  TRY(apply_settings(project, arguments));
  ServerSettings settings;
  settings.home = home_folder(arguments, project);
  settings.host = arguments.host;
  settings.port = arguments.port;
  settings.hosts_allowed = arguments.allow_hosts;
  settings.must_sign_in = arguments.auth;
  settings.tls = TRY(read_tls(arguments));
  settings.provider = TRY(read_provider(arguments));
  settings.limits = TRY(flow::parse_step_limits(arguments.step_time_max, arguments.step_memory_max));
  settings.policy = TRY(heal::parse_policy(arguments.policy));
  base::SystemClock clock;
  if (arguments.clock == "manual")
    settings.manual_clock_from = plan::as_of_for(project, arguments.as_of, clock);
  settings.on_project_changed = [] { ::kill(::getpid(), SIGUSR1); };
  settings.predict_port = TRY(predict_port_of([](const char* name) { return std::getenv(name); }));
  if (arguments.predict_port) settings.predict_port = PredictPort{*arguments.predict_port, false, {}};
  if (arguments.grpc_port) {
    settings.grpc_port = GrpcPort{*arguments.grpc_port, true};
  } else if (settings.port != 0) {
    settings.grpc_port = GrpcPort{settings.port + 1, false};
  }
  std::unique_ptr<RunningServer> server = TRY(start_first(settings, project));
  const char* scheme = settings.tls ? "https" : "http";
  std::printf("trimtab serves at %s://%s:%d\n", scheme, settings.host.c_str(), server->port());
  if (const auto port = server->predict_port()) {
    std::printf("predictions alone at %s://%s:%d\n", settings.predict_port->is_container ? "http" : scheme,
                settings.predict_port->is_container ? "0.0.0.0" : settings.host.c_str(), *port);
    settings.predict_port->port = *port;
  }
  if (const auto port = server->grpc_port()) {
    std::printf("predictions over gRPC at %s:%d\n", settings.host.c_str(), *port);
    settings.grpc_port->port = *port;
  }
  if (!server->first_password().empty()) {
    std::printf("people have to sign in; the first is 'admin' with the password %s (shown this once)\n",
                server->first_password().c_str());
  }
  std::fflush(stdout);
  settings.port = server->port();
  for (int received = 0; sigwait(&signals, &received) == 0 && received == SIGUSR1;) {
    Result<std::shared_ptr<const Listening>> kept = server->make_way();
    if (!kept) base::log_warning("serve", base::render(kept.error()));
    settings.listening = kept ? *std::move(kept) : nullptr;
    server.reset();
    server = TRY(start_again(settings, project, arguments));
  }
  return {};
}

}  // namespace trimtab::app
