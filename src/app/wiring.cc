#include "app/wiring.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "api/access_rules.h"
#include "api/grpc/grpc_server.h"
#include "api/predict/parquet_rows.h"
#include "api/predict/refusals.h"
#include "api/route_list.h"
#include "api/server_rooms.h"
#include "app/life_of_a_row.h"
#include "app/upkeep.h"
#include "base/diagnostics.h"
#include "base/file.h"
#include "base/log.h"
#include "flow/dataset_profile.h"
#include "flow/executor.h"
#include "flow/pipeline.h"
#include "flow/source_refresh.h"
#include "heal/healer.h"
#include "heal/ward.h"
#include "http/server.h"
#include "notify/courier.h"
#include "people/gate.h"
#include "people/password.h"
#include "people/people.h"
#include "plan/apply.h"
#include "project/load.h"
#include "registry/run_book.h"
#include "serve/lookups.h"
#include "store/home.h"
#include "table/engine.h"

namespace trimtab::app {
namespace {

constexpr const char* kClockSetting = "clock";
constexpr const char* kSignInSetting = "must_sign_in";
constexpr int kOutboundThreads = 2;
constexpr std::size_t kLongRequestsMax = 32;  // Waiting.
constexpr std::size_t kOutboundMax = 64;
constexpr TimeUs kTrainTakes = base::kHourUs;  // Until a training's result may be used, by the clock.

std::vector<std::string> source_folders(const std::vector<project::Project>& projects) {
  std::vector<std::string> folders;
  for (const project::Project& project : projects) {
    if (!project.folder.empty()) folders.push_back(project.folder.string());
  }
  return folders;
}

// What the home remembers under a name; nothing at first.
Result<std::optional<std::string>> kept_setting(store::Home& home, const char* name) {
  std::optional<std::string> value;
  TRY(home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT value FROM setting WHERE name = ?");
    if (TRY(row.with(name).step())) value = row.text(0);
    return {};
  }));
  return value;
}

Status keep_setting(store::Home& home, const char* name, const std::string& value) {
  return home.database().write([&](store::Connection& connection) {
    return connection.prepare("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)")
        .with(name, value)
        .run();
  });
}

// Where a manual clock stood when the server last stopped, or where it is to start.
Result<TimeUs> manual_start(store::Home& home, TimeUs given) {
  const std::optional<std::string> kept = TRY(kept_setting(home, kClockSetting));
  return kept ? std::max(given, TimeUs{std::stoll(*kept)}) : given;
}

Status keep_certificate_path(const std::string& home, const std::optional<base::TlsFiles>& files) {
  const std::filesystem::path file = certificate_path_file(home);
  if (!files) return base::remove_tree(file);
  return base::write_file_durably(file, std::filesystem::absolute(files->certificate).string(), 0600);
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
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

std::filesystem::path certificate_path_file(const std::string& home) {
  return std::filesystem::path(home) / "server.certificate";
}

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
  std::unique_ptr<notify::Courier> courier;
  std::unique_ptr<table::Engine> engine;
  flow::ExecutorOptions execution;  // Of every step, whoever asks for it.
  std::unique_ptr<flow::Executor> executor;
  std::unique_ptr<flow::Pipeline> pipeline;  // Of the first project; used by the healer's thread alone.
  std::unique_ptr<serve::Lookups> lookups;
  std::vector<std::unique_ptr<heal::Ward>> wards;
  std::unique_ptr<heal::Rounds> rounds;
  std::unique_ptr<heal::Healer> healer;
  std::unique_ptr<Upkeep> upkeep;
  std::unique_ptr<api::ServerRooms> rooms;
  std::unique_ptr<api::RecordRooms> record;
  std::unique_ptr<people::People> people;
  std::shared_ptr<people::Gate> gate;
  std::unique_ptr<people::SingleSignOn> sign_on;  // Null: no identity provider.
  std::unique_ptr<http::HandlerPool> outbound;
  std::unique_ptr<api::PeopleRooms> office;
  std::unique_ptr<api::AccessRooms> access;
  std::string first_password;
  std::shared_ptr<base::TlsServer> tls;  // Null: plain HTTP.
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::Server> predict_server;  // Null: predictions are given at `server` alone.
  std::unique_ptr<api::GrpcServer> grpc_server;  // Null: nor over gRPC.
  std::function<void()> on_project_changed;

  const base::Clock& clock() const {
    return manual_clock ? static_cast<const base::Clock&>(*manual_clock) : system_clock;
  }
  const project::Project& project() const { return projects.front(); }

  Status open_home(const ServerSettings& settings);
  Status open_wards(const ServerSettings& settings);
  Status open_office(const ServerSettings& settings);
  Status open_doors(const ServerSettings& settings);
  std::vector<http::Route> guarded(std::vector<http::Route> routes) const;
  Status open_grpc_door(const ServerSettings& settings, const GrpcPort& wanted);
  Status open_predict_door(const ServerSettings& settings, const PredictPort& wanted);
  Result<std::vector<std::filesystem::path>> part_files(const std::string& source);
  Result<table::Schema> source_schema(const std::string& source);
  Result<Json> apply(std::optional<TimeUs> as_of, const std::string& actor);
  Result<Json> apply_changed(const project::Project& changed, std::optional<TimeUs> as_of,
                             const std::string& actor);
  Result<Json> preview(const api::PlanWish& wish);
  Status remember_clock();
};

Status RunningServer::State::open_home(const ServerSettings& settings) {
  home = TRY(store::Home::open(settings.home, system_clock));
  if (settings.manual_clock_from) {
    manual_clock = std::make_unique<base::ManualClock>(TRY(manual_start(*home, *settings.manual_clock_from)));
  }
  runs = TRY(registry::RunBook::open(*home, clock()));
  // Those who are told live in the world, whatever the server's own clock says.
  courier = std::make_unique<notify::Courier>(*home, system_clock);
  courier->start();
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

namespace {

// What is declared of the time of a prediction, as a gate or as health; 0: nothing.
TimeUs time_max_us(const project::Model& model, const project::Endpoint& endpoint) {
  double ms = 0;
  const auto take = [&ms](const std::string& metric, double limit) {
    if (metric == "p99_ms" && (ms == 0 || limit < ms)) ms = limit;
  };
  for (const project::Gate& gate : model.gates) {
    if (!gate.at_least && !gate.against_champion) take(gate.metric, gate.threshold);
  }
  for (const project::HealthLimit& limit : endpoint.health) take(limit.metric, limit.threshold);
  return static_cast<TimeUs>(ms * base::kMillisecondUs);
}

}  // namespace

Status RunningServer::State::open_wards(const ServerSettings& settings) {
  lookups = std::make_unique<serve::Lookups>(
      *engine, [this](const std::string& source) { return part_files(source); });
  std::vector<heal::Ward*> under_care;
  for (const project::Endpoint& endpoint : project().endpoints) {
    heal::PolicyOptions policy = settings.policy;
    policy.heal = endpoint.heal;
    policy.rollout = endpoint.rollout;
    policy.time_max_us = time_max_us(*project().find_model(endpoint.model), endpoint);
    policy.time_counts = manual_clock == nullptr;
    policy.binary = project().find_model(endpoint.model)->task == project::Task::binary;
    wards.push_back(TRY(heal::Ward::open(project(), endpoint, policy, *home, *engine, *lookups, clock())));
    under_care.push_back(wards.back().get());
  }
  rounds =
      std::make_unique<heal::Rounds>(*home, clock(), heal::train_with(*pipeline, project()), kTrainTakes);
  healer = std::make_unique<heal::Healer>(clock(), manual_clock.get(), *rounds, under_care, live_on,
                                          heal::HealerOptions{});
  upkeep = std::make_unique<Upkeep>(*home, *runs, clock(), *healer, project().retention);
  return {};
}

// The file is not the one that this server was started with: its steps run and its versions are registered
// here, and the server that is started again with it serves them.
Result<Json> RunningServer::State::apply_changed(const project::Project& changed, std::optional<TimeUs> as_of,
                                                 const std::string& actor) {
  const plan::Workplace workplace{changed, *home, *engine, clock(), execution, actor};
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

Result<Json> RunningServer::State::apply(std::optional<TimeUs> as_of, const std::string& actor) {
  if (project().name.empty()) {
    return fail(ErrorCode::invalid, "this server has no project to apply",
                "start it with the folder of a trimtab.yaml");
  }
  const Result<project::Project> now = project::load(project().file);
  if (!now && now.error().code != ErrorCode::not_found) return fail(now.error());
  if (now && now->text != project().text) return apply_changed(*now, as_of, actor);
  const plan::Workplace workplace{project(), *home, *engine, clock(), execution, actor};
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

// Who the people are, and whether they have to say so.
Status RunningServer::State::open_office(const ServerSettings& settings) {
  people = TRY(people::People::open(*home, clock()));
  gate = std::make_shared<people::Gate>(*people, home->token());
  const std::optional<std::string> kept = TRY(kept_setting(*home, kSignInSetting));
  const bool was_on = kept && *kept == "on";
  const bool must_sign_in = settings.must_sign_in.value_or(was_on);
  if (!must_sign_in && !is_loopback(settings.host)) {
    return fail(ErrorCode::invalid,
                "other machines reach " + settings.host + ", and nobody would have to sign in there",
                "add --auth to switch permissions on, or serve at 127.0.0.1");
  }
  if (must_sign_in != was_on) TRY(keep_setting(*home, kSignInSetting, must_sign_in ? "on" : "off"));
  office = std::unique_ptr<api::PeopleRooms>(
      new api::PeopleRooms{.home = *home, .people = *people, .gate = *gate, .must_sign_in = must_sign_in});
  if (settings.provider) {
    sign_on = TRY(people::SingleSignOn::make(*settings.provider, system_clock));
    outbound = std::make_unique<http::HandlerPool>(kOutboundThreads, kOutboundMax);
    office->sign_on = sign_on.get();
    office->outbound = outbound.get();
  }
  access = std::unique_ptr<api::AccessRooms>(new api::AccessRooms{*record, *people, project().name});
  if (!must_sign_in || people->roster()->has_admin()) return {};
  first_password = people::random_password();
  const std::string hash = TRY(people::hash_password(first_password));
  return people::wait_for([&](people::People::Done done) {
    people->add_person("server", "admin", hash, http::Role::admin, std::move(done));
  });
}

std::vector<http::Route> RunningServer::State::guarded(std::vector<http::Route> routes) const {
  return office->must_sign_in ? api::with_access(std::move(routes), *access) : routes;
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
      .apply = [this](std::optional<TimeUs> as_of, const std::string& actor) { return apply(as_of, actor); },
      .preview = [this](const api::PlanWish& wish) { return preview(wish); },
      .profile = [this](const std::string& name) -> Result<Json> {
        // Workers of its own: those of the loop may be training.
        flow::Executor aside(*home, clock(), execution);
        flow::ProgressListener silent;
        return flow::profile_dataset(project(), *home, aside, silent, name);
      },
      .upkeep = [this](const std::string& task, const Json& wish,
                       Upkeep::Done done) { upkeep->run(task, wish, std::move(done)); }});
  record = std::unique_ptr<api::RecordRooms>(new api::RecordRooms{*home, clock(), *runs, *courier});
  TRY(open_office(settings));
  // One core is left to the short ones.
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  rooms->long_requests = std::make_shared<http::HandlerPool>(std::max(1, cores - 1), kLongRequestsMax);
  rooms->parquet_bodies = std::make_shared<api::ParquetBodies>(TRY(home->make_staging("parquet")));
  std::vector<http::Route> routes = guarded(api::all_routes(*rooms, *record, *office, TRIMTAB_VERSION));
  http::ServerOptions options;
  if (office->must_sign_in) options.doorkeeper = gate;
  if (settings.tls) tls = TRY(base::TlsServer::make(*settings.tls));
  options.tls = tls;
  office->is_tls = tls != nullptr;
  TRY(keep_certificate_path(settings.home, settings.tls));
  options.host = settings.host;
  options.port = settings.port;
  if (settings.listening) options.listener = settings.listening->server.get();
  options.hosts_allowed = settings.hosts_allowed;
  options.token = home->token();
  options.clock_is_manual = manual_clock != nullptr;
  options.no_route = api::mlflow_no_route;
  options.reword = api::reword_refusal;
  options.body_folder = TRY(home->make_staging("bodies"));
  server = TRY(http::Server::start(options, TRY(http::Router::make(std::move(routes)))));
  if (settings.predict_port) TRY(open_predict_door(settings, *settings.predict_port));
  if (settings.grpc_port) TRY(open_grpc_door(settings, *settings.grpc_port));
  return home->publish_address(settings.host, server->port());
}

Status RunningServer::State::open_predict_door(const ServerSettings& settings, const PredictPort& wanted) {
  http::ServerOptions options;
  options.host = wanted.is_container ? "0.0.0.0" : settings.host;
  options.port = wanted.port;
  if (settings.listening) options.listener = settings.listening->predict.get();
  options.hosts_allowed = settings.hosts_allowed;
  options.answers_any_host = wanted.is_container;
  if (!wanted.is_container) options.tls = tls;
  options.reword = api::reword_refusal;
  std::vector<http::Route> routes = api::container_routes(*rooms, wanted.contract, TRIMTAB_VERSION);
  // A platform that runs a container lets nobody in but itself.
  if (!wanted.is_container && office->must_sign_in) {
    options.doorkeeper = gate;
    routes = guarded(std::move(routes));
  }
  predict_server = TRY(http::Server::start(options, TRY(http::Router::make(std::move(routes)))));
  return {};
}

// A server without endpoints has nothing to say there, and is spared the memory.
Status RunningServer::State::open_grpc_door(const ServerSettings& settings, const GrpcPort& wanted) {
  if (wards.empty()) return {};
  api::GrpcOptions options{.host = settings.host, .port = wanted.port};
  if (office->must_sign_in) {
    options.doorkeeper = gate;
    options.access = access.get();
  }
  Result<std::unique_ptr<api::GrpcServer>> opened = api::GrpcServer::start(options, *rooms, TRIMTAB_VERSION);
  if (!opened && wanted.is_asked) return fail(opened.error());
  if (!opened) base::log_warning("app", opened.error().message + "; predictions are given over HTTP alone");
  if (opened) grpc_server = std::move(*opened);
  return {};
}

Status RunningServer::State::remember_clock() {
  if (!manual_clock) return {};
  return keep_setting(*home, kClockSetting, std::to_string(manual_clock->now()));
}

RunningServer::RunningServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

RunningServer::~RunningServer() {
  if (state_->grpc_server) state_->grpc_server->stop();
  if (state_->predict_server) state_->predict_server->stop();
  if (state_->server) state_->server->stop();
  if (state_->rooms) state_->rooms->long_work->stop();
  state_->upkeep.reset();
  state_->healer.reset();
  const Status kept = state_->remember_clock();
  if (!kept) base::log_warning("app", "the clock could not be kept: " + kept.error().message);
}

Result<std::shared_ptr<const Listening>> RunningServer::make_way() {
  constexpr TimeUs kFarewell = 200 * base::kMillisecondUs;
  auto listening = std::make_shared<Listening>();
  listening->server = TRY(state_->server->listener());
  if (state_->predict_server) listening->predict = TRY(state_->predict_server->listener());
  // At the same time, so that one farewell is waited for.
  std::thread other([this] {
    if (state_->predict_server) state_->predict_server->stop(5 * base::kSecondUs, kFarewell);
  });
  state_->server->stop(5 * base::kSecondUs, kFarewell);
  other.join();
  return listening;
}

int RunningServer::port() const { return state_->server->port(); }

const std::string& RunningServer::first_password() const { return state_->first_password; }

std::optional<int> RunningServer::predict_port() const {
  if (!state_->predict_server) return std::nullopt;
  return state_->predict_server->port();
}

std::optional<int> RunningServer::grpc_port() const {
  if (!state_->grpc_server) return std::nullopt;
  return state_->grpc_server->port();
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
  state->upkeep->start();
  return std::unique_ptr<RunningServer>(new RunningServer(std::move(state)));
}

}  // namespace trimtab::app
