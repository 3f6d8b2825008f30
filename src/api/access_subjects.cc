#include "api/access_subjects.h"

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "api/mlflow/trace_json.h"
#include "api/mlflow/wire.h"
#include "api/native/people_office.h"
#include "base/log.h"
#include "registry/artifact_path.h"
#include "registry/experiments.h"
#include "registry/logged_models.h"
#include "registry/traces.h"

namespace trimtab::api {
namespace {

using http::Role;
using Demands = std::vector<Demand>;

// In the order of Subject.
constexpr std::array<std::string_view, 30> kNames = {"anybody",
                                                     "whoever is signed in",
                                                     "one's own",
                                                     "the server",
                                                     "the project",
                                                     "the experiment",
                                                     "the experiment",
                                                     "the experiment",
                                                     "the experiments",
                                                     "anything",
                                                     "the run",
                                                     "the run",
                                                     "the runs",
                                                     "the artifacts",
                                                     "the artifacts",
                                                     "the logged model",
                                                     "the experiment",
                                                     "the model",
                                                     "the model",
                                                     "anything",
                                                     "the model",
                                                     "the model",
                                                     "the model and its source",
                                                     "the experiment",
                                                     "the trace",
                                                     "the trace",
                                                     "the experiment",
                                                     "the experiments",
                                                     "the scope",
                                                     "the resource"};

Demand of_server(Role role) { return {role, {""}, "this server"}; }

Demand of_anything(Role role) { return {role, {}, "anything: the token is narrower"}; }

Demand of_experiment(Role role, std::int64_t id) {
  return {role, {experiment_scope(id)}, "experiment " + std::to_string(id)};
}

Result<Demand> of_run(Role role, AccessRooms& rooms, std::string_view id) {
  return of_experiment(role, TRY(rooms.record.runs.experiment_of(id)));
}

Result<Demand> of_logged_model(Role role, AccessRooms& rooms, const std::string& id) {
  return of_experiment(role, TRY(registry::find_logged_model(rooms.record.home, id, true)).experiment_id);
}

// The experiment of a project; nothing before its first apply.
Result<std::optional<std::int64_t>> experiment_of_project(AccessRooms& rooms, const std::string& project) {
  const auto experiment = registry::find_experiment_by_name(rooms.record.home, project);
  if (experiment) return std::optional(experiment->id);
  if (experiment.error().code == ErrorCode::not_found) return std::optional<std::int64_t>();
  return fail(experiment.error());
}

// A model has roles of its own, and those of the project that trains it.
Result<Demand> of_model(Role role, AccessRooms& rooms, const std::string& name) {
  Demand demand{role, {model_scope(name)}, "model '" + name + "'"};
  std::string project;
  TRY(rooms.record.home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare("SELECT project FROM registered_model WHERE name = ?");
    if (TRY(row.with(name).step())) project = row.text(0);
    return {};
  }));
  if (project.empty()) return demand;
  if (const auto id = TRY(experiment_of_project(rooms, project)))
    demand.scopes.push_back(experiment_scope(*id));
  return demand;
}

Result<Demand> of_project(Role role, AccessRooms& rooms) {
  const std::optional<std::int64_t> id = TRY(experiment_of_project(rooms, rooms.project));
  return Demand{role, {id ? experiment_scope(*id) : ""}, "project '" + rooms.project + "'"};
}

// The experiment of a path like "5/traces/tr-…/artifacts/traces.json": clients put a trace's spans there when
// they tell of the trace first.
std::optional<std::int64_t> experiment_of_trace_file(const std::string& path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string::npos || path.compare(slash, 8, "/traces/") != 0) return std::nullopt;
  const Result<std::int64_t> id = parse_experiment_id(path.substr(0, slash));
  return id ? std::optional(*id) : std::nullopt;
}

Result<Demand> of_artifact(Role role, AccessRooms& rooms, const registry::ArtifactPath& path) {
  const std::size_t slash = path.root.find('/');
  const std::string kind = path.root.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : path.root.substr(slash + 1);
  if (kind == "run") return of_run(role, rooms, name);
  if (kind == "logged_model") return of_logged_model(role, rooms, name);
  if (kind == "model") return of_model(role, rooms, name.substr(0, name.rfind('/')));
  if (const auto experiment = experiment_of_trace_file(path.path)) return of_experiment(role, *experiment);
  return of_server(role);
}

// Where a version's files come from: whoever makes it a version lets others read them.
Result<Demands> of_source(AccessRooms& rooms, const std::string& source) {
  constexpr std::string_view kModels = "models:/";
  if (source.starts_with(kModels)) {
    const std::string name =
        source.substr(kModels.size(), source.find_first_of("/@", kModels.size()) - kModels.size());
    const bool is_logged = name.starts_with("m-") && source.size() == kModels.size() + name.size();
    return Demands{
        TRY(is_logged ? of_logged_model(Role::viewer, rooms, name) : of_model(Role::viewer, rooms, name))};
  }
  const bool is_here = source.starts_with("runs:/") || source.starts_with("mlflow-artifacts:/");
  if (!is_here) return Demands();
  return Demands{TRY(of_artifact(Role::viewer, rooms, TRY(registry::parse_artifact_uri(source))))};
}

Result<Demands> of_new_version(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands{TRY(of_model(role, rooms, TRY(parameters.text("name"))))};
  for (Demand& demand : TRY(of_source(rooms, TRY(parameters.find_text("source")).value_or(""))))
    demands.push_back(std::move(demand));
  if (const auto run = TRY(parameters.find_text("run_id")); run && !run->empty())
    demands.push_back(TRY(of_run(Role::viewer, rooms, *run)));
  if (const auto model = TRY(parameters.find_text("model_id")); model && !model->empty())
    demands.push_back(TRY(of_logged_model(Role::viewer, rooms, *model)));
  return demands;
}

// A run, and the logged models that its points are also noted for.
Result<Demands> of_run_and_models(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands{TRY(of_run(role, rooms, TRY(parameters.run_id())))};
  const auto add = [&](const MlflowParameters& point) -> Status {
    const std::string id = TRY(point.find_text("model_id")).value_or("");
    if (!id.empty()) demands.push_back(TRY(of_logged_model(role, rooms, id)));
    return {};
  };
  TRY(add(parameters));
  const Json* metrics = parameters.json().find("metrics");
  if (metrics == nullptr || !metrics->is_array()) return demands;
  for (const MlflowParameters& point : TRY(parameters.entries("metrics"))) TRY(add(point));
  return demands;
}

Result<Demands> of_runs(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands;
  for (const char* name : {"run_ids", "run_id"}) {
    for (const std::string& id : TRY(parameters.texts(name))) demands.push_back(TRY(of_run(role, rooms, id)));
  }
  return demands;
}

Result<Demands> of_experiments(Role role, const MlflowParameters& parameters) {
  Demands demands;
  for (const std::string& id : TRY(parameters.texts("experiment_ids")))
    demands.push_back(of_experiment(role, TRY(parse_experiment_id(id))));
  return demands;
}

// The handlers take the id from the path, one of them from the body.
Result<Demands> of_logged_models(Role role, AccessRooms& rooms, const http::Request& request,
                                 const MlflowParameters& parameters) {
  Demands demands{TRY(of_logged_model(role, rooms, request.path_values[0]))};
  if (request.method == "GET") return demands;
  const auto id = TRY(parameters.find_text("model_id"));
  if (id && *id != request.path_values[0]) demands.push_back(TRY(of_logged_model(role, rooms, *id)));
  return demands;
}

// A location of its own could lie within another's.
Result<Demands> of_new_experiment(Role role, const MlflowParameters& parameters) {
  const std::string location = TRY(parameters.find_text("artifact_location")).value_or("");
  return Demands{location.empty() ? of_anything(role) : of_server(Role::admin)};
}

Result<Demands> of_new_logged_model(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands{of_experiment(role, TRY(parameters.experiment_id("experiment_id")))};
  const std::string run = TRY(parameters.find_text("source_run_id")).value_or("");
  if (!run.empty() && rooms.record.runs.experiment_of(run)) demands.push_back(TRY(of_run(role, rooms, run)));
  return demands;
}

// An unknown trace is of no experiment: whoever may do it somewhere hears that it is not there.
Result<Demand> of_trace(Role role, AccessRooms& rooms, const std::string& id) {
  const Result<registry::Trace> trace = registry::find_trace(rooms.record.home, id);
  if (!trace && trace.error().code == ErrorCode::not_found) return of_anything(role);
  if (!trace) return fail(trace.error());
  return of_experiment(role, trace->experiment_id);
}

// Spans are let in by their experiment's role; what the header should say is the handler's to tell.
Demand of_spans(Role role, const http::Request& request) {
  const Result<std::int64_t> id = parse_experiment_id(request.header("x-mlflow-experiment-id"));
  return id ? of_experiment(role, *id) : of_anything(role);
}

// Traces by their ids, and the run that they are added to.
Result<Demands> of_traces(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands;
  for (const char* name : {"trace_id", "trace_ids"}) {
    for (const std::string& id : TRY(parameters.texts(name)))
      demands.push_back(TRY(of_trace(role, rooms, id)));
  }
  if (const auto run = TRY(parameters.find_text("run_id")); run && !run->empty())
    demands.push_back(TRY(of_run(role, rooms, *run)));
  if (demands.empty()) demands.push_back(of_anything(role));
  return demands;
}

// Where a trace is to be, and where it is already: what is told of it twice adds up. The API before MLflow 3
// names the experiment by itself; a body may hold both, and each handler reads its own.
Result<Demands> of_new_trace(Role role, AccessRooms& rooms, const MlflowParameters& parameters) {
  Demands demands;
  if (const auto id = TRY(parameters.find_text("experiment_id")); id && !id->empty())
    demands.push_back(of_experiment(role, TRY(parse_experiment_id(*id))));
  const std::optional<MlflowParameters> trace = TRY(parameters.member("trace"));
  const std::optional<MlflowParameters> info = trace ? TRY(trace->member("trace_info")) : std::nullopt;
  if (info) {
    const registry::Trace told = TRY(read_trace_info(*info, rooms.record.clock.now()));
    demands.push_back(of_experiment(role, told.experiment_id));
    if (registry::find_trace(rooms.record.home, told.id))
      demands.push_back(TRY(of_trace(role, rooms, told.id)));
  }
  if (demands.empty()) demands.push_back(of_anything(role));
  return demands;
}

Result<Demands> of_trace_search(Role role, const MlflowParameters& parameters) {
  Demands demands = TRY(of_experiments(role, parameters));
  const Json* locations = parameters.json().find("locations");
  if (locations == nullptr || !locations->is_array()) return demands;
  for (const MlflowParameters& location : TRY(parameters.entries("locations"))) {
    const std::optional<MlflowParameters> experiment = TRY(location.member("mlflow_experiment"));
    if (experiment) demands.push_back(of_experiment(role, TRY(experiment->experiment_id("experiment_id"))));
  }
  return demands;
}

Result<Demands> of_parameters(Subject subject, Role role, const http::Request& request, AccessRooms& rooms) {
  const MlflowParameters parameters = TRY(MlflowParameters::read(request));
  switch (subject) {
    case Subject::experiment:
      return Demands{of_experiment(role, TRY(parameters.experiment_id("experiment_id")))};
    case Subject::experiment_or_default: {
      const std::string id = TRY(parameters.find_text("experiment_id")).value_or("");
      return Demands{of_experiment(role, id.empty() ? 0 : TRY(parse_experiment_id(id)))};
    }
    case Subject::experiment_name: {
      const std::string name = TRY(parameters.text("experiment_name"));
      return Demands{of_experiment(role, TRY(registry::find_experiment_by_name(rooms.record.home, name)).id)};
    }
    case Subject::experiments:
      return of_experiments(role, parameters);
    case Subject::new_experiment:
      return of_new_experiment(role, parameters);
    case Subject::run:
      return of_run_and_models(role, rooms, parameters);
    case Subject::runs:
      return of_runs(role, rooms, parameters);
    case Subject::artifact_folder: {
      const std::string path = TRY(parameters.find_text("path")).value_or("");
      return Demands{TRY(of_artifact(role, rooms, TRY(registry::parse_artifact_path(path))))};
    }
    case Subject::logged_model:
      return of_logged_models(role, rooms, request, parameters);
    case Subject::new_logged_model:
      return of_new_logged_model(role, rooms, parameters);
    case Subject::resource:
      return Demands{{role, {TRY(resource_scope(parameters))}, "what the permission is for"}};
    case Subject::new_version:
      return of_new_version(role, rooms, parameters);
    case Subject::trace:
      return of_traces(role, rooms, parameters);
    case Subject::new_trace:
      return of_new_trace(role, rooms, parameters);
    case Subject::trace_search:
      return of_trace_search(role, parameters);
    default:
      return Demands{TRY(of_model(role, rooms, TRY(parameters.text("name"))))};
  }
}

// The name that a request gives to a model, or takes from it; the handler has read it already.
std::string text_of(const http::Request& request, std::string_view name) {
  const Result<MlflowParameters> parameters = MlflowParameters::read(request);
  if (!parameters) return {};
  return parameters->text(name).value_or("");
}

// What is to be done when the request has succeeded.
using FollowUp = std::function<void(const http::Reply&, people::People::Done)>;

FollowUp grant_to_maker(const std::string& person, people::People& people, std::string scope) {
  return [person, &people, scope](const http::Reply& reply, people::People::Done done) {
    std::string made = scope;
    if (made.empty()) {
      const Result<Json> json = base::parse_json(reply.body);
      if (json) made = "experiment/" + json->text_or("experiment_id");
    }
    // The home's owner and the like are no people with roles of their own.
    if (!people.roster()->people.contains(person)) return done({});
    people.set_role(person, {person, false}, made, Role::admin, std::move(done));
  };
}

FollowUp rename(const std::string& person, people::People& people, std::string from, std::string to) {
  return [person, &people, from, to](const http::Reply&, people::People::Done done) {
    people.rename_scope(person, from, to, std::move(done));
  };
}

FollowUp follow_up_of(Subject subject, const http::Request& request, AccessRooms& rooms) {
  const std::string& person = request.caller->name();
  const std::string name = text_of(request, "name");
  if (subject == Subject::new_experiment) return grant_to_maker(person, rooms.people, "");
  if (subject == Subject::new_model) return grant_to_maker(person, rooms.people, model_scope(name));
  if (subject == Subject::deleted_model) return rename(person, rooms.people, model_scope(name), "");
  return rename(person, rooms.people, model_scope(name), model_scope(text_of(request, "new_name")));
}

}  // namespace

std::string_view subject_name(Subject subject) { return kNames[static_cast<std::size_t>(subject)]; }

std::string experiment_scope(std::int64_t id) { return "experiment/" + std::to_string(id); }

std::string model_scope(const std::string& name) { return "model/" + name; }

Result<Demands> find_demands(Subject subject, Role role, const http::Request& request, AccessRooms& rooms) {
  switch (subject) {
    case Subject::anybody:
    case Subject::signed_in:
      return Demands();
    case Subject::server:
      return Demands{of_server(role)};
    case Subject::project:
      return Demands{TRY(of_project(role, rooms))};
    case Subject::run_of_path:
      return Demands{TRY(of_run(role, rooms, request.path_values[0]))};
    case Subject::model_of_path:
      return Demands{TRY(of_model(role, rooms, request.path_values[0]))};
    case Subject::trace_of_path:
      return Demands{TRY(of_trace(role, rooms, request.path_values[0]))};
    case Subject::spans:
      return Demands{of_spans(role, request)};
    case Subject::artifact:
      return Demands{
          TRY(of_artifact(role, rooms, TRY(registry::parse_artifact_path(request.path_values[0]))))};
    case Subject::scope_of_order: {
      const Json order = TRY(base::parse_json(request.body));
      return Demands{{role, {TRY(read_scope(rooms.record.home, order))}, "what the role is in"}};
    }
    case Subject::own:
    case Subject::new_model:
      return Demands{of_anything(role)};
    default:
      return of_parameters(subject, role, request, rooms);
  }
}

bool changes_scopes(Subject subject) {
  return subject == Subject::new_experiment || subject == Subject::new_model ||
         subject == Subject::deleted_model || subject == Subject::renamed_model;
}

http::ReplyPromise follow_up(Subject subject, const http::Request& request, AccessRooms& rooms,
                             http::ReplyPromise promise) {
  const FollowUp next = follow_up_of(subject, request, rooms);
  return http::ReplyPromise([next, promise](http::Reply reply) mutable {
    if (reply.status >= 300) return promise.send(std::move(reply));
    auto kept = std::make_shared<http::Reply>(std::move(reply));
    next(*kept, [kept, promise](const Status& status) mutable {
      if (!status)
        base::log_warning("people", "roles did not follow a change: " + base::render(status.error()));
      promise.send(std::move(*kept));
    });
  });
}

}  // namespace trimtab::api
