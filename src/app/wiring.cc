#include "app/wiring.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

#include "api/route_list.h"
#include "api/server_rooms.h"
#include "app/life_of_a_row.h"
#include "base/diagnostics.h"
#include "base/log.h"
#include "flow/dataset_profile.h"
#include "flow/executor.h"
#include "flow/pipeline.h"
#include "flow/source_refresh.h"
#include "heal/healer.h"
#include "heal/ward.h"
#include "http/server.h"
#include "plan/apply.h"
#include "project/load.h"
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

// A connection is a descriptor, and the usual soft limit of 1,024 is less than the connections a server
// takes.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    base::log_warning("app", "the limit of open files could not be raised; `trimtab doctor` says what it is");
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

namespace {

using LookUp = std::function<const char*(const char* name)>;

std::string variable(const LookUp& look_up, const char* name) {
  const char* value = look_up(name);
  return value == nullptr ? "" : value;
}

Result<std::string> path_variable(const LookUp& look_up, const char* name) {
  std::string path = variable(look_up, name);
  if (path.empty() || path.front() == '/') return path;
  return fail(ErrorCode::invalid, std::string(name) + " is no path: '" + path + "'",
              "begin it with a slash, or unset it");
}

}  // namespace

Result<std::optional<PredictPort>> predict_port_of(const LookUp& look_up) {
  const char* name = variable(look_up, "AIP_HTTP_PORT").empty() ? "SAGEMAKER_BIND_TO_PORT" : "AIP_HTTP_PORT";
  const std::string text = variable(look_up, name);
  if (text.empty()) return std::optional<PredictPort>();
  PredictPort wanted;
  wanted.is_container = true;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), wanted.port);
  if (wrong != std::errc() || end != text.data() + text.size() || wanted.port < 0 || wanted.port > 65535) {
    return fail(ErrorCode::invalid, std::string(name) + " is no port: '" + text + "'", "set 1 to 65535");
  }
  wanted.contract.health_route = TRY(path_variable(look_up, "AIP_HEALTH_ROUTE"));
  wanted.contract.predict_route = TRY(path_variable(look_up, "AIP_PREDICT_ROUTE"));
  return std::optional<PredictPort>(std::move(wanted));
}

// Members are made in this order and taken down in the reverse one.
struct RunningServer::State {
  std::vector<project::Project> projects;
  base::SystemClock system_clock;
  std::unique_ptr<base::ManualClock> manual_clock;
  std::unique_ptr<store::Home> home;
  std::unique_ptr<registry::RunBook> runs;
  std::unique_ptr<table::Engine> engine;
  flow::ExecutorOptions execution;  // Of every step, whoever asks for it.
  std::unique_ptr<flow::Executor> executor;
  std::unique_ptr<flow::Pipeline> pipeline;  // Of the first project; used by the healer's thread alone.
  std::unique_ptr<serve::Lookups> lookups;
  std::vector<std::unique_ptr<heal::Ward>> wards;
  std::unique_ptr<heal::Rounds> rounds;
  std::unique_ptr<heal::Healer> healer;
  std::unique_ptr<api::ServerRooms> rooms;
  std::unique_ptr<api::RecordRooms> record;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::Server> predict_server;  // Null: predictions are given at `server` alone.
  std::function<void()> on_project_changed;

  const base::Clock& clock() const {
    return manual_clock ? static_cast<const base::Clock&>(*manual_clock) : system_clock;
  }
  const project::Project& project() const { return projects.front(); }

  Status open_home(const ServerSettings& settings);
  Status open_wards(const ServerSettings& settings);
  Status open_doors(const ServerSettings& settings);
  Status open_predict_door(const ServerSettings& settings, const PredictPort& wanted);
  Result<std::vector<std::filesystem::path>> part_files(const std::string& source);
  Result<table::Schema> source_schema(const std::string& source);
  Result<Json> apply(std::optional<TimeUs> as_of);
  Result<Json> apply_changed(const project::Project& changed, std::optional<TimeUs> as_of);
  Result<Json> preview(const api::PlanWish& wish);
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
  engine = table::Engine::on_first_use(options);
  execution.program = own_program();
  execution.folders_allowed = source_folders(projects);
  execution.limits = settings.limits;
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
    heal::PolicyOptions policy = settings.policy;
    policy.heal = endpoint.heal;
    policy.binary = project().find_model(endpoint.model)->task == project::Task::binary;
    wards.push_back(TRY(heal::Ward::open(project(), endpoint, policy, *home, *engine, *lookups, clock())));
    under_care.push_back(wards.back().get());
  }
  rounds =
      std::make_unique<heal::Rounds>(*home, clock(), heal::train_with(*pipeline, project()), kTrainTakes);
  healer = std::make_unique<heal::Healer>(clock(), manual_clock.get(), *rounds, under_care, live_on,
                                          heal::HealerOptions{});
  return {};
}

// The file is not the one that this server was started with: its steps run and its versions are registered
// here, and the server that is started again with it serves them.
Result<Json> RunningServer::State::apply_changed(const project::Project& changed,
                                                 std::optional<TimeUs> as_of) {
  const plan::Workplace workplace{changed, *home, *engine, clock(), execution};
  flow::ProgressListener silent;
  const auto served_later = [](const std::string&) -> Status { return {}; };
  const plan::ApplyReport report =
      TRY(live_until_served(workplace, plan::as_of_for(changed, as_of, clock()), silent, served_later));
  on_project_changed();
  const std::string text = report.to_text() + "The server goes on with " + changed.file + " as it is now.\n";
  return report.to_json().set("text", text).set("server_starts_again", true);
}

// What a file that is not applied yet would do, or what is wrong with it. Runs and keeps nothing.
Result<Json> RunningServer::State::preview(const api::PlanWish& wish) {
  const project::Project wanted = TRY(project::parse(wish.text, wish.file, wish.folder));
  if (wish.only_check) {
    flow::ExecutorOptions dry = execution;
    dry.dry_run = true;
    flow::Executor dry_executor(*home, clock(), dry);
    flow::Pipeline dry_pipeline(wanted, *home, *engine, dry_executor, clock());
    flow::ProgressListener silent;
    TRY(dry_pipeline.validate(silent));
    return Json::object({{"ok", true}});
  }
  const plan::Workplace workplace{wanted, *home, *engine, clock(), execution};
  const plan::Plan plan = TRY(plan::make_plan(workplace, plan::as_of_for(wanted, wish.as_of, clock())));
  return plan.to_json().set("text", plan.to_text());
}

Result<Json> RunningServer::State::apply(std::optional<TimeUs> as_of) {
  if (project().name.empty()) {
    return fail(ErrorCode::invalid, "this server has no project to apply",
                "start it with the folder of a trimtab.yaml");
  }
  const Result<project::Project> now = project::load(project().file);
  if (!now && now.error().code != ErrorCode::not_found) return fail(now.error());
  if (now && now->text != project().text) return apply_changed(*now, as_of);
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
  return report.to_json().set("text", report.to_text());
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
      .apply = [this](std::optional<TimeUs> as_of) { return apply(as_of); },
      .preview = [this](const api::PlanWish& wish) { return preview(wish); },
      .profile = [this](const std::string& name) -> Result<Json> {
        flow::ProgressListener silent;
        return flow::profile_dataset(project(), *home, *executor, silent, name);
      }});
  record = std::unique_ptr<api::RecordRooms>(new api::RecordRooms{*home, clock(), *runs});
  std::vector<http::Route> routes = api::all_routes(*rooms, *record, TRIMTAB_VERSION);
  http::ServerOptions options;
  options.host = settings.host;
  options.port = settings.port;
  options.hosts_allowed = settings.hosts_allowed;
  options.token = home->token();
  options.clock_is_manual = manual_clock != nullptr;
  options.no_route = api::mlflow_no_route;
  options.body_folder = TRY(home->make_staging("bodies"));
  server = TRY(http::Server::start(options, TRY(http::Router::make(std::move(routes)))));
  if (settings.predict_port) TRY(open_predict_door(settings, *settings.predict_port));
  return home->publish_address(settings.host, server->port());
}

Status RunningServer::State::open_predict_door(const ServerSettings& settings, const PredictPort& wanted) {
  http::ServerOptions options;
  options.host = wanted.is_container ? "0.0.0.0" : settings.host;
  options.port = wanted.port;
  options.hosts_allowed = settings.hosts_allowed;
  options.answers_any_host = wanted.is_container;
  std::vector<http::Route> routes = api::container_routes(*rooms, wanted.contract, TRIMTAB_VERSION);
  predict_server = TRY(http::Server::start(options, TRY(http::Router::make(std::move(routes)))));
  return {};
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
  if (state_->predict_server) state_->predict_server->stop();
  if (state_->server) state_->server->stop();
  state_->healer.reset();
  const Status kept = state_->remember_clock();
  if (!kept) base::log_warning("app", "the clock could not be kept: " + kept.error().message);
}

int RunningServer::port() const { return state_->server->port(); }

std::optional<int> RunningServer::predict_port() const {
  if (!state_->predict_server) return std::nullopt;
  return state_->predict_server->port();
}

Result<std::unique_ptr<RunningServer>> RunningServer::start(const ServerSettings& settings,
                                                            std::vector<project::Project> projects) {
  raise_open_files();
  auto state = std::make_unique<State>();
  state->on_project_changed = settings.on_project_changed;
  state->projects = std::move(projects);
  TRY(state->open_home(settings));
  TRY(state->open_wards(settings));
  TRY(state->open_doors(settings));
  state->healer->start();
  return std::unique_ptr<RunningServer>(new RunningServer(std::move(state)));
}

}  // namespace trimtab::app
