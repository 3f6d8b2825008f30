#include "app/wiring.h"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>
#include <utility>

#include "api/mlflow/mlflow_routes.h"
#include "api/native/native_routes.h"
#include "api/predict/predict_routes.h"
#include "api/server_rooms.h"
#include "app/life_of_a_row.h"
#include "base/diagnostics.h"
#include "base/log.h"
#include "flow/executor.h"
#include "flow/pipeline.h"
#include "flow/source_refresh.h"
#include "heal/healer.h"
#include "heal/ward.h"
#include "http/server.h"
#include "plan/apply.h"
#include "registry/run_book.h"
#include "serve/lookups.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::app {
namespace {

constexpr const char* kClockSetting = "clock";
constexpr TimeUs kTrainTakes = base::kHourUs;  // Until a training's result may be used, by the clock.

std::vector<std::string> source_folders(const std::vector<project::Project>& projects) {
  std::vector<std::string> folders;
  for (const project::Project& project : projects) {
    if (!project.folder.empty()) folders.push_back(project.folder.string());
  }
  return folders;
}

// Where a manual clock stood when the server last stopped, or where it is to start.
Result<TimeUs> manual_start(store::Home& home, TimeUs given) {
  TimeUs start = given;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT value FROM setting WHERE name = ?");
    if (TRY(row.with(kClockSetting).step())) start = std::max(start, TimeUs{std::stoll(row.text(0))});
    return {};
  }));
  return start;
}

}  // namespace

std::string own_program() {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? "trimtab" : program.string();
}

std::string default_home(const std::string& project_folder) {
  if (const char* home = std::getenv("TRIMTAB_HOME"); home != nullptr && *home != '\0') return home;
  return (std::filesystem::path(project_folder) / ".trimtab").string();
}

// Members are made in this order and taken down in the reverse one.
struct RunningServer::State {
  std::vector<project::Project> projects;
  base::SystemClock system_clock;
  std::unique_ptr<base::ManualClock> manual_clock;
  std::unique_ptr<store::Home> home;
  std::unique_ptr<registry::RunBook> runs;
  std::unique_ptr<table::Engine> engine;
  std::unique_ptr<flow::Executor> executor;
  std::unique_ptr<flow::Pipeline> pipeline;  // Of the first project; used by the healer's thread alone.
  std::unique_ptr<serve::Lookups> lookups;
  std::vector<std::unique_ptr<heal::Ward>> wards;
  std::unique_ptr<heal::Rounds> rounds;
  std::unique_ptr<heal::Healer> healer;
  std::unique_ptr<api::ServerRooms> rooms;
  std::unique_ptr<api::RecordRooms> record;
  std::unique_ptr<http::Server> server;

  const base::Clock& clock() const {
    return manual_clock ? static_cast<const base::Clock&>(*manual_clock) : system_clock;
  }
  const project::Project& project() const { return projects.front(); }

  Status open_home(const ServerSettings& settings);
  Status open_wards(const ServerSettings& settings);
  Status open_doors(const ServerSettings& settings);
  Result<std::vector<std::filesystem::path>> part_files(const std::string& source);
  Result<table::Schema> source_schema(const std::string& source);
  Result<Json> apply(std::optional<TimeUs> as_of);
  Status remember_clock();
};

Status RunningServer::State::open_home(const ServerSettings& settings) {
  home = TRY(store::Home::open(settings.home, system_clock));
  if (settings.manual_clock_from) {
    manual_clock = std::make_unique<base::ManualClock>(TRY(manual_start(*home, *settings.manual_clock_from)));
  }
  runs = TRY(registry::RunBook::open(*home, clock()));
  table::EngineOptions options;
  options.folders_allowed = source_folders(projects);
  options.folders_allowed.push_back(home->blobs().folder().string());
  engine = TRY(table::Engine::open(options));
  flow::ExecutorOptions execution;
  execution.program = own_program();
  execution.folders_allowed = source_folders(projects);
  executor = std::make_unique<flow::Executor>(*home, clock(), execution);
  pipeline = std::make_unique<flow::Pipeline>(project(), *home, *engine, *executor, clock());
  return {};
}

// Joined tables in the state that the last refresh left, and what arrived since.
Result<std::vector<std::filesystem::path>> RunningServer::State::part_files(const std::string& source) {
  flow::ProgressListener silent;
  const table::Snapshot snapshot = TRY(pipeline->refresh_source(source, clock().now(), silent));
  std::vector<std::filesystem::path> files;
  for (const table::Part& part : snapshot.parts) files.push_back(home->blobs().path(part.blob_sha256));
  return files;
}

Result<table::Schema> RunningServer::State::source_schema(const std::string& source) {
  const std::optional<table::Snapshot> snapshot =
      TRY(flow::load_snapshot(*home, project().name, flow::source_dataset(source)));
  if (snapshot) return snapshot->schema;
  std::vector<std::string> names;
  for (const project::Source& known : project().sources) names.push_back(known.name);
  const bool is_declared = project().find_source(source) != nullptr;
  return fail(ErrorCode::not_found, "there is no table '" + source + "'",
              is_declared ? "run `trimtab apply` first" : base::did_you_mean(source, names));
}

Status RunningServer::State::open_wards(const ServerSettings& settings) {
  lookups = std::make_unique<serve::Lookups>(
      *engine, [this](const std::string& source) { return part_files(source); });
  std::vector<heal::Ward*> under_care;
  for (const project::Endpoint& endpoint : project().endpoints) {
    heal::PolicyOptions policy;
    policy.kind = settings.policy;
    policy.period = settings.policy_period;
    policy.heal = endpoint.heal;
    policy.binary = project().find_model(endpoint.model)->task == project::Task::binary;
    wards.push_back(TRY(heal::Ward::open(project(), endpoint, policy, *home, *engine, *lookups, clock())));
    under_care.push_back(wards.back().get());
  }
  rounds = std::make_unique<heal::Rounds>(*home, clock(), *pipeline, kTrainTakes);
  healer = std::make_unique<heal::Healer>(clock(), manual_clock.get(), *rounds, under_care, live_on,
                                          heal::HealerOptions{});
  return {};
}

Result<Json> RunningServer::State::apply(std::optional<TimeUs> as_of) {
  if (project().name.empty()) {
    return fail(ErrorCode::invalid, "this server has no project to apply",
                "start it with the folder of a trimtab.yaml");
  }
  flow::ExecutorOptions execution;
  execution.program = own_program();
  execution.folders_allowed = source_folders(projects);
  const plan::Workplace workplace{project(), *home, *engine, clock(), execution};
  flow::ProgressListener silent;
  const auto reload = [this](const std::string& endpoint) -> Status {
    for (const std::unique_ptr<heal::Ward>& ward : wards) {
      if (ward->name() == endpoint) return ward->redeploy();
    }
    return {};
  };
  const plan::ApplyReport report =
      TRY(live_until_served(workplace, plan::as_of_for(project(), as_of, clock()), silent, reload));
  return report.to_json();
}

Status RunningServer::State::open_doors(const ServerSettings& settings) {
  rooms = std::unique_ptr<api::ServerRooms>(new api::ServerRooms{
      .home = *home,
      .clock = clock(),
      .clock_is_manual = manual_clock != nullptr,
      .projects = projects,
      .wards = wards,
      .healer = *healer,
      .lookups = *lookups,
      .source_schema = [this](const std::string& source) { return source_schema(source); },
      .apply = [this](std::optional<TimeUs> as_of) { return apply(as_of); }});
  record = std::unique_ptr<api::RecordRooms>(new api::RecordRooms{*home, clock(), *runs});
  std::vector<http::Route> routes = api::predict_routes(*rooms);
  for (auto part : {api::endpoint_routes(*rooms), api::table_routes(*rooms), api::operation_routes(*rooms),
                    api::experiment_routes(*record), api::run_routes(*record), api::metric_routes(*record),
                    api::model_routes(*record), api::logged_model_routes(*record),
                    api::artifact_routes(*record), api::server_routes(*record)}) {
    routes.insert(routes.end(), part.begin(), part.end());
  }
  const std::vector<http::Route> service = api::service_routes(routes, TRIMTAB_VERSION);
  routes.insert(routes.end(), service.begin(), service.end());
  http::ServerOptions options;
  options.host = settings.host;
  options.port = settings.port;
  options.hosts_allowed = settings.hosts_allowed;
  options.token = home->token();
  options.clock_is_manual = manual_clock != nullptr;
  options.no_route = api::mlflow_no_route;
  options.body_folder = TRY(home->make_staging("bodies"));
  server = TRY(http::Server::start(options, TRY(http::Router::make(std::move(routes)))));
  return home->publish_address(settings.host, server->port());
}

Status RunningServer::State::remember_clock() {
  if (!manual_clock) return {};
  const std::string now = std::to_string(manual_clock->now());
  return home->database().write([&](store::Connection& connection) {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(kClockSetting, now)
        .run();
  });
}

RunningServer::RunningServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

RunningServer::~RunningServer() {
  if (state_->server) state_->server->stop();
  state_->healer.reset();
  const Status kept = state_->remember_clock();
  if (!kept) base::log_warning("app", "the clock could not be kept: " + kept.error().message);
}

int RunningServer::port() const { return state_->server->port(); }

Result<std::unique_ptr<RunningServer>> RunningServer::start(const ServerSettings& settings,
                                                            std::vector<project::Project> projects) {
  auto state = std::make_unique<State>();
  state->projects = std::move(projects);
  TRY(state->open_home(settings));
  TRY(state->open_wards(settings));
  TRY(state->open_doors(settings));
  state->healer->start();
  return std::unique_ptr<RunningServer>(new RunningServer(std::move(state)));
}

}  // namespace trimtab::app
