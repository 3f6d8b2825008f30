// What exists in a running server, and how it hangs together. Nothing registers itself: this is the list.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/predict/predict_routes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/tls.h"
#include "flow/step_limits.h"
#include "heal/policy.h"
#include "people/single_sign_on.h"
#include "project/project.h"

namespace trimtab::app {

// A second port, for predictions alone, as a hosting platform asks it of a container.
struct PredictPort {
  int port = 8080;  // 0: any free one.
  // Reached by the platform under names that nobody knows here, and from other machines.
  bool is_container = false;
  api::ContainerContract contract;
};
// What the platform that started this process says in its environment, by `look_up` (std::getenv's contract):
// AIP_HTTP_PORT, AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE of Vertex AI, SAGEMAKER_BIND_TO_PORT of SageMaker.
// Nothing when neither port is set. Errors: invalid (a port that is no port, a route that is no path).
Result<std::optional<PredictPort>> predict_port_of(
    const std::function<const char*(const char* name)>& look_up);

// Where predictions are given over gRPC, as soon as an endpoint is declared.
struct GrpcPort {
  int port = 7701;        // 0: any free one.
  bool is_asked = false;  // Else it is a matter of course, and done without when something else has the port.
};

// The sockets that a server listened on, for the one that takes its place: who connects in between waits.
struct Listening {
  base::Descriptor server, predict;  // None: there was no such port.
};

struct ServerSettings {
  std::string home;  // Folder.
  std::string host = "127.0.0.1";
  int port = 7700;
  std::vector<std::string> hosts_allowed;
  std::optional<PredictPort> predict_port;
  std::optional<base::TlsFiles> tls;                // Nothing: plain HTTP.
  std::optional<people::ProviderOptions> provider;  // Nothing: people have passwords here.
  // Permissions on or off; nothing: as this home was served last, at first off.
  std::optional<bool> must_sign_in;
  std::optional<GrpcPort> grpc_port;
  std::shared_ptr<const Listening> listening;  // Of the server before this one; null: there was none.
  std::optional<TimeUs> manual_clock_from;     // A manual clock that starts here (or where it stood before).
  heal::PolicyOptions policy;                  // What is declared for an endpoint comes on top.
  flow::StepLimits limits;                     // Of each step that this server runs.
  // Called on the loop's thread after an apply that found another trimtab.yaml than the server was started
  // with and carried it out: who owns the server starts it again with that file.
  std::function<void()> on_project_changed = [] {};
};

// A server in operation: home, engine, endpoints, loop and HTTP.
class RunningServer {
 public:
  // Raises the process's limit of open files to what it may be.
  // Errors: home_locked, address_in_use, storage_broken, invalid (an address that other machines reach, while
  // nobody has to sign in), and what the project or a version says.
  static Result<std::unique_ptr<RunningServer>> start(const ServerSettings& settings,
                                                      std::vector<project::Project> projects);
  ~RunningServer();  // Drains requests, finishes the look in progress, flushes the log.
  int port() const;
  // Of the person "admin", whom the first start with permissions has made; told this once.
  const std::string& first_password() const;
  std::optional<int> predict_port() const;  // Of PredictPort, when there is one.
  std::optional<int> grpc_port() const;     // Nothing: gRPC is not spoken.
  // Ends this server for another in its place: new connections wait for that one, open ones get an answer to
  // what is on its way and are asked to come again. Errors: internal; then nothing has happened.
  Result<std::shared_ptr<const Listening>> make_way();

 private:
  struct State;
  explicit RunningServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Beside server.json: which certificate the server of a home shows, so that the command line knows it.
std::filesystem::path certificate_path_file(const std::string& home);

// The path of this executable, for starting workers.
std::string own_program();
// Where a project's home is unless --home says otherwise: TRIMTAB_HOME, else .trimtab beside trimtab.yaml.
std::string default_home(const std::string& project_folder);

}  // namespace trimtab::app
