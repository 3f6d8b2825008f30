// For tests: a small project with an endpoint that serves, behind a real server. Its versions are baselines:
// version 1 answers 0.25, version 2 answers 0.75, and version 3 was refused by its gates.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/predict/parquet_rows.h"
#include "api/predict/predict_routes.h"
#include "api/route_list.h"
#include "flow/executor.h"
#include "flow/pipeline.h"
#include "http/client.h"
#include "http/server.h"
#include "model/artifact.h"
#include "project/load.h"
#include "registry/endpoints.h"
#include "registry/record.h"
#include "store/scratch_folder.h"
#include "watch/baseline.h"

namespace trimtab::api {

inline constexpr const char* kServedProject = R"(project: p
sources:
  rows: {read: rows.csv, time: at}
  places: {read: places.csv, time: seen}
tables:
  t: {from: rows}
models:
  m: {from: t, task: binary, target: y > 0, features: [x], learner: {baseline: {}}}
endpoints:
  late: {model: m}
)";
inline constexpr TimeUs kStart = 1'364'774'400 * base::kSecondUs;  // 2013-04-01

struct Answered {
  int status = 0;
  Json body;
  std::string text;

  // "code: message (hint)" of a refusal.
  std::string refusal() const {
    const Json& wrong = body["error"];
    const std::string hint = wrong.text_or("hint");
    return wrong.text_or("code") + ": " + wrong.text_or("message") + (hint.empty() ? "" : " (" + hint + ")");
  }
};

// A request that is more than a path and a JSON body.
struct Sent {
  std::string method = "POST";
  std::string path;
  std::string body;
  std::string type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class ServedProject {
 public:
  // `more_endpoints` are lines of the project file; no version serves there.
  explicit ServedProject(bool clock_is_manual = true, std::string more_endpoints = {})
      : clock_is_manual_(clock_is_manual),
        projects_({must(project::parse(kServedProject + more_endpoints, "p.yaml", folder_.path()))}),
        home_(must(store::Home::open(folder_ / "home", clock_))),
        runs_(must(registry::RunBook::open(*home_, clock_))),
        record_{*home_, clock_, *runs_, courier_},
        people_(must(people::People::open(*home_, clock_))),
        gate_(*people_, home_->token()),
        people_rooms_{.home = *home_, .people = *people_, .gate = gate_},
        engine_(must(table::Engine::open({.folders_allowed = {folder_.path().string()}}))),
        executor_(*home_, clock_, flow::ExecutorOptions{}),
        pipeline_(projects_[0], *home_, *engine_, executor_, clock_),
        lookups_(*engine_, [](const std::string&) { return std::vector<std::filesystem::path>(); }),
        rounds_(*home_, clock_, heal::train_with(pipeline_, projects_[0]), base::kHourUs) {
    make_versions();
    for (const project::Endpoint& endpoint : projects_[0].endpoints) {
      wards_.push_back(must(heal::Ward::open(projects_[0], endpoint, heal::PolicyOptions{}, *home_, *engine_,
                                             lookups_, clock_)));
    }
    const auto look = [](heal::Rounds& rounds, heal::Ward& ward) { return rounds.finish_treatments(ward); };
    healer_ = std::make_unique<heal::Healer>(clock_, &clock_, rounds_, std::vector{wards_[0].get()}, look,
                                             heal::HealerOptions{});
    rooms_.reset(new ServerRooms{
        .home = *home_,
        .clock = clock_,
        .clock_is_manual = clock_is_manual_,
        .projects = projects_,
        .wards = wards_,
        .healer = *healer_,
        .lookups = lookups_,
        .source_schema = [this](const std::string& name) { return schema_of(name); },
        .apply = [](std::optional<TimeUs> as_of, const std::string& actor) -> Result<Json> {
          const Json time = as_of ? Json(base::format_time(*as_of)) : Json();
          return Json::object({{"as_of", time}, {"actor", actor}});
        },
        .preview = [](const PlanWish& wish) -> Result<Json> {
          if (wish.text.empty()) return fail(ErrorCode::malformed, "no text");
          Json json = Json::object({{"file", wish.file}});
          return json.set("only_check", wish.only_check);
        },
        .profile = [](const std::string& name) -> Result<Json> { return Json::object({{"name", name}}); },
        .parquet_bodies = std::make_shared<ParquetBodies>(folder_ / "bodies")});
    http::ServerOptions options;
    options.token = home_->token();
    options.clock_is_manual = clock_is_manual_;
    server_ = must(http::Server::start(options, must(http::Router::make(routes()))));
    healer_->start();
  }
  ~ServedProject() { server_->stop(); }

  std::set<std::string> predict_paths() {
    std::set<std::string> paths;
    for (const http::Route& route : predict_routes(*rooms_, "0.0.0")) paths.insert(route.path);
    return paths;
  }
  std::vector<http::Route> container_routes(const ContainerContract& contract) {
    return api::container_routes(*rooms_, contract, "0.0.0");
  }
  std::vector<http::Route> routes() { return all_routes(*rooms_, record_, people_rooms_, "0.0.0"); }
  ServerRooms& rooms() { return *rooms_; }
  store::Home& home() { return *home_; }
  base::ManualClock& clock() { return clock_; }
  heal::Ward& ward() { return *wards_[0]; }

  Answered get(const std::string& path) { return send("GET", path, "", ""); }
  Answered post(const std::string& path, const std::string& body, const std::string& token = "") {
    return send("POST", path, body, token);
  }
  // With the home's token, as the command line sends it.
  Answered order(const std::string& path, const std::string& body) {
    return post(path, body, home_->token());
  }
  Answered send(const std::string& method, const std::string& path, const std::string& body,
                const std::string& token) {
    Sent sent{.method = method, .path = path, .body = body};
    if (!token.empty()) sent.headers = {{"Authorization", "Bearer " + token}};
    return send(sent);
  }
  Answered send(const Sent& sent) {
    http::Client client("127.0.0.1", server_->port());
    for (const auto& [name, value] : sent.headers) client.set_header(name, value);
    const http::ClientReply reply = must(client.send(sent.method, sent.path, sent.body, sent.type));
    return {reply.status, base::parse_json(reply.body).value_or(Json()), reply.body};
  }

 private:
  template <class T>
  static T must(Result<T> result) {
    if (!result) base::check_failed("must", __FILE__, __LINE__, base::render(result.error()));
    return std::move(*result);
  }

  Result<table::Schema> schema_of(const std::string& name) const {
    if (name != "places") return fail(ErrorCode::not_found, "there is no table '" + name + "'");
    return table::Schema({{"place", table::ColumnType::text}, {"seen", table::ColumnType::time}});
  }

  // x from 0 to 999, always the same answer, true in half of the rows.
  static Json baseline_of(const model::Artifact& artifact, double answer) {
    std::vector<double> x;
    std::vector<double> truth;
    for (int i = 0; i < 1000; ++i) {
      x.push_back(i);
      truth.push_back(i % 2);
    }
    const std::vector<double> scores(x.size(), answer);
    return watch::Baseline::make(artifact.recipe.features, true, {x, x, scores, truth}).to_json();
  }

  registry::NewVersion version(const std::string& answer, bool passed) {
    model::Artifact artifact;
    artifact.recipe.request = table::Schema({{"x", table::ColumnType::real}});
    artifact.recipe.ignored = {"y"};
    artifact.recipe.time_column = "at";
    artifact.recipe.stages = {table::SelectStage{{"x"}}};
    artifact.recipe.features = {{"x", table::ColumnType::real, {}}};
    artifact.learner = "baseline";
    artifact.model_text = answer;
    artifact.baseline = Json::object();
    // Version 1 is of a time in which no baseline was kept.
    if (answer != "0.25") artifact.baseline.set("watch", baseline_of(artifact, std::stod(answer)));
    registry::NewVersion version;
    version.project = "p";
    version.model = "m";
    version.step_key = answer;
    for (const auto& [name, bytes] : artifact.to_files())
      version.files[name] = {must(home_->blobs().put(bytes)), bytes.size()};
    version.gates_passed = passed;
    version.inputs["snapshot/table/t"] = must(home_->blobs().put("{}"));
    version.actor = "apply";
    return version;
  }

  void make_versions() {
    for (const auto& [answer, passed] : {std::pair{"0.25", true}, {"0.75", true}, {"0.5", false}})
      must(registry::register_version(*home_, clock_, version(answer, passed)));
    for (const project::Endpoint& endpoint : projects_[0].endpoints) {
      CHECK(registry::declare_endpoint(*home_, clock_, "p", endpoint.name, "m"));
    }
    for (const std::int64_t champion : {1, 2}) {
      CHECK(registry::change_champion(*home_, clock_, "late", champion, "apply", "endpoint.promote", ""));
    }
  }

  bool clock_is_manual_;
  store::ScratchFolder folder_;
  base::ManualClock clock_{kStart};
  std::vector<project::Project> projects_;
  std::unique_ptr<store::Home> home_;
  std::unique_ptr<registry::RunBook> runs_;
  notify::Courier courier_{*home_, clock_};
  RecordRooms record_;
  std::unique_ptr<people::People> people_;
  people::Gate gate_;
  PeopleRooms people_rooms_;
  std::unique_ptr<table::Engine> engine_;
  flow::Executor executor_;
  flow::Pipeline pipeline_;
  serve::Lookups lookups_;
  std::vector<std::unique_ptr<heal::Ward>> wards_;
  heal::Rounds rounds_;
  std::unique_ptr<heal::Healer> healer_;
  std::unique_ptr<ServerRooms> rooms_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace trimtab::api
