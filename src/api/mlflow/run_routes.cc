// MLflow's runs. A request is read into the registry's terms, handed to the book and answered when it is
// durable: the handlers of writes keep no thread and no lock meanwhile.
#include <algorithm>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/model_metrics.h"
#include "api/mlflow/wire.h"
#include "registry/run_json.h"

namespace trimtab::api {
namespace {

using registry::KeyValue;
using registry::MetricPoint;
using registry::RunStatus;

constexpr std::int64_t kResultsMax = 50'000;
constexpr std::string_view kRunNameTag = "mlflow.runName";
constexpr std::string_view kModelHistoryTag = "mlflow.log-model.history";

registry::RunBook::Done send_status(http::ReplyPromise promise) {
  return [promise](const Status& status) mutable { promise.send(mlflow_reply(status)); };
}

http::Reply json_text(std::string text) { return {200, "application/json", std::move(text), {}}; }

// A run's name and its tag mlflow.runName are one thing that can be said in two ways.
Status settle_name(registry::NewRun& run) {
  for (const KeyValue& tag : run.tags) {
    if (tag.key != kRunNameTag) continue;
    if (run.name.empty()) run.name = tag.value;
    if (run.name == tag.value) return {};
    return fail(ErrorCode::invalid,
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                "(run_name='" +
                    run.name + "', mlflow.runName='" + tag.value + "').");
  }
  return {};
}

Result<http::Answer> create(RecordRooms& rooms, const MlflowParameters& parameters,
                            http::ReplyPromise promise) {
  registry::NewRun run;
  const std::optional<std::string> id = TRY(parameters.find_text("experiment_id"));
  run.start_ms = TRY(parameters.find_integer("start_time")).value_or(0);
  run.name = TRY(parameters.find_text("run_name")).value_or("");
  run.user_id = TRY(parameters.find_text("user_id")).value_or("");
  run.tags = TRY(parameters.key_values("tags"));
  run.experiment_id = id && !id->empty() ? TRY(parse_experiment_id(*id)) : 0;
  TRY(settle_name(run));
  rooms.runs.create(std::move(run), [promise](const Result<registry::RunFacts>& made) mutable {
    if (!made) return promise.send(mlflow_error(made.error()));
    std::string text = "{\"run\":";
    append_run(text, *made, {.model_inputs = true, .outputs = false});
    promise.send(json_text(text + "}"));
  });
  return http::Pending{};
}

// A status by its name or protobuf's number of it.
Result<std::optional<RunStatus>> find_run_status(const MlflowParameters& parameters) {
  const Json* value = parameters.json().find("status");
  if (value == nullptr || value->is_null()) return std::optional<RunStatus>();
  if (value->is_int() && value->as_int() >= 1 && value->as_int() <= 5) {
    return std::optional(static_cast<RunStatus>(value->as_int() - 1));
  }
  if (value->is_int()) return fail(parameters.wrong_type("status", *value));
  const std::string name = TRY(parameters.find_text("status")).value_or("");
  const std::optional<RunStatus> status = registry::find_status(name);
  if (status) return status;
  return fail(invalid_parameter("status", *value,
                                "It must be one of RUNNING, SCHEDULED, FINISHED, FAILED and KILLED."));
}

Result<http::Answer> update(RecordRooms& rooms, const MlflowParameters& parameters,
                            http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  registry::RunChange change;
  change.end_ms = TRY(parameters.find_integer("end_time"));
  change.status = TRY(find_run_status(parameters));
  change.name = TRY(parameters.find_text("run_name"));
  if (change.name && change.name->empty()) change.name.reset();
  rooms.runs.change(std::move(id), std::move(change),
                    [promise](const Result<registry::RunFacts>& run) mutable {
                      if (!run) return promise.send(mlflow_error(run.error()));
                      std::string text = "{\"run_info\":";
                      append_run_info(text, run->info);
                      promise.send(json_text(text + "}"));
                    });
  return http::Pending{};
}

MlflowHandler set_deleted(RecordRooms& rooms, bool deleted) {
  return [&rooms, deleted](const MlflowParameters& parameters, const http::Request&,
                           http::ReplyPromise promise) -> Result<http::Answer> {
    rooms.runs.set_deleted(TRY(parameters.run_id()), deleted, send_status(std::move(promise)));
    return http::Pending{};
  };
}

Result<MetricPoint> read_metric(const MlflowParameters& parameters) {
  MetricPoint point;
  point.key = TRY(parameters.text("key"));
  point.value = TRY(parameters.number("value"));
  point.timestamp_ms = TRY(parameters.integer("timestamp"));
  point.step = TRY(parameters.find_integer("step")).value_or(0);
  return point;
}

Result<http::Answer> log_metric(RecordRooms& rooms, const MlflowParameters& parameters,
                                http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  registry::RunBatch batch{.is_single = true};
  batch.metrics.push_back(TRY(read_metric(parameters)));
  auto of_model = TRY(read_model_metrics({&parameters, 1}, id));
  rooms.runs.log(std::move(id), std::move(batch),
                 send_with_models(rooms, std::move(of_model), std::move(promise)));
  return http::Pending{};
}

Result<KeyValue> read_pair(const MlflowParameters& parameters) {
  std::string key = TRY(parameters.text("key"));
  return KeyValue{std::move(key), TRY(parameters.find_text("value")).value_or("")};
}

Result<http::Answer> log_param(RecordRooms& rooms, const MlflowParameters& parameters,
                               http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  registry::RunBatch batch{.is_single = true};
  batch.params.push_back(TRY(read_pair(parameters)));
  rooms.runs.log(std::move(id), std::move(batch), send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> set_tag(RecordRooms& rooms, const MlflowParameters& parameters,
                             http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  registry::RunBatch batch{.is_single = true};
  batch.tags.push_back(TRY(read_pair(parameters)));
  rooms.runs.log(std::move(id), std::move(batch), send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_tag(RecordRooms& rooms, const MlflowParameters& parameters,
                                http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  rooms.runs.delete_tag(std::move(id), TRY(parameters.text("key")), send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> log_batch(RecordRooms& rooms, const MlflowParameters& parameters,
                               http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  registry::RunBatch batch;
  const std::vector<MlflowParameters> metrics = TRY(parameters.entries("metrics"));
  batch.metrics.reserve(metrics.size());
  for (const MlflowParameters& metric : metrics) batch.metrics.push_back(TRY(read_metric(metric)));
  batch.params = TRY(parameters.key_values("params"));
  batch.tags = TRY(parameters.key_values("tags"));
  auto of_models = TRY(read_model_metrics(metrics, id));
  rooms.runs.log(std::move(id), std::move(batch),
                 send_with_models(rooms, std::move(of_models), std::move(promise)));
  return http::Pending{};
}

// What MLflow keeps of a logged model in the run's tag: the model without its flavours' configurations.
Json model_history_entry(const Json& model) {
  Json entry = Json::object();
  for (const char* name : {"run_id", "utc_time_created", "artifact_path", "model_uuid"}) {
    if (const Json* value = model.find(name)) entry.set(name, *value);
  }
  Json flavors = model["flavors"];
  if (flavors.is_object()) {
    for (Json::Member& flavor : flavors.as_object()) {
      if (!flavor.second.is_object()) continue;
      std::erase_if(flavor.second.as_object(),
                    [](const Json::Member& member) { return member.first == "config"; });
    }
  }
  return entry.set("flavors", std::move(flavors));
}

Result<Json> read_model(const std::string& text) {
  Result<Json> model = base::parse_json(text);
  if (!model || !model->is_object()) {
    return fail(ErrorCode::invalid, "Malformed model info. \n " + text + " \n is not a valid JSON.");
  }
  std::string missing;
  for (const char* name : {"artifact_path", "flavors", "run_id", "utc_time_created"}) {
    if (model->find(name) == nullptr) missing += (missing.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  if (missing.empty()) return model;
  return fail(ErrorCode::invalid, "Model json is missing mandatory fields: {" + missing + "}");
}

// Of MLflow before 3; later clients log models by their own routes.
Result<http::Answer> log_model(RecordRooms& rooms, const MlflowParameters& parameters,
                               http::ReplyPromise promise) {
  std::string id = TRY(parameters.run_id());
  const Json model = TRY(read_model(TRY(parameters.text("model_json"))));
  const registry::RunFacts run = TRY(rooms.runs.find(id));
  Json history = Json::array();
  for (const KeyValue& tag : run.tags) {
    if (tag.key != kModelHistoryTag) continue;
    const Result<Json> before = base::parse_json(tag.value);
    if (before && before->is_array()) history = *before;
  }
  history.push(model_history_entry(model));
  registry::RunBatch batch{.is_single = true};
  batch.tags.push_back({std::string(kModelHistoryTag), history.dump()});
  rooms.runs.log(std::move(id), std::move(batch), send_status(std::move(promise)));
  return http::Pending{};
}

Result<registry::DatasetInput> read_dataset(const MlflowParameters& parameters) {
  registry::DatasetInput input;
  input.tags = TRY(parameters.key_values("tags"));
  const std::optional<MlflowParameters> dataset = TRY(parameters.member("dataset"));
  if (!dataset) return input;
  input.name = TRY(dataset->find_text("name")).value_or("");
  input.digest = TRY(dataset->find_text("digest")).value_or("");
  input.source_type = TRY(dataset->find_text("source_type")).value_or("");
  input.source = TRY(dataset->find_text("source")).value_or("");
  input.schema = TRY(dataset->find_text("schema")).value_or("");
  input.profile = TRY(dataset->find_text("profile")).value_or("");
  return input;
}

Result<std::vector<registry::ModelLink>> read_links(const MlflowParameters& parameters) {
  std::vector<registry::ModelLink> links;
  for (const MlflowParameters& entry : TRY(parameters.entries("models"))) {
    std::string model_id = TRY(entry.find_text("model_id")).value_or("");
    links.push_back({std::move(model_id), TRY(entry.find_integer("step")).value_or(0)});
  }
  return links;
}

// MLflow looks at the id itself here, and elsewhere says only that there is no such run.
Status check_run_id(const std::string& id) {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  const bool is_id =
      id.size() <= 256 && std::all_of(id.begin(), id.end(), is_part) && id[0] != '_' && id[0] != '-';
  return is_id ? Status() : fail(invalid_parameter("run_id", id, ""));
}

Result<http::Answer> log_inputs(RecordRooms& rooms, const MlflowParameters& parameters,
                                http::ReplyPromise promise) {
  std::string id = TRY(parameters.text("run_id"));
  std::vector<registry::DatasetInput> datasets;
  for (const MlflowParameters& entry : TRY(parameters.entries("datasets"))) {
    datasets.push_back(TRY(read_dataset(entry)));
  }
  TRY(check_run_id(id));
  rooms.runs.add_inputs(std::move(id), std::move(datasets), TRY(read_links(parameters)),
                        send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> log_outputs(RecordRooms& rooms, const MlflowParameters& parameters,
                                 http::ReplyPromise promise) {
  std::string id = TRY(parameters.text("run_id"));
  TRY(parameters.require("models"));
  rooms.runs.add_outputs(std::move(id), TRY(read_links(parameters)), send_status(std::move(promise)));
  return http::Pending{};
}

Result<registry::RunSearch> read_search(const MlflowParameters& parameters) {
  registry::RunSearch search;
  const std::vector<std::string> ids = TRY(parameters.texts("experiment_ids"));
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  search.max_results = TRY(parameters.find_integer("max_results")).value_or(1000);
  if (search.max_results > kResultsMax)
    return fail(parameters.wrong_type("max_results", parameters.json()["max_results"]));
  search.order_by = TRY(parameters.texts("order_by"));
  const LifecycleView view = TRY(parameters.view("run_view_type"));
  search.with_active = view.active;
  search.with_deleted = view.deleted;
  const std::optional<std::string> token = TRY(parameters.find_text("page_token"));
  TRY(check_max_results(search.max_results, kResultsMax));
  search.offset = TRY(page_offset(token));
  for (const std::string& id : ids) search.experiment_ids.push_back(TRY(parse_experiment_id(id)));
  return search;
}

Result<http::Answer> search(RecordRooms& rooms, const MlflowParameters& parameters) {
  const registry::RunSearch search = TRY(read_search(parameters));
  const registry::RunPage page = TRY(rooms.runs.search(search));
  std::string text = "{";
  for (const registry::RunFacts& run : page.runs) {
    text += text.size() == 1 ? "\"runs\":[" : ",";
    append_run(text, run, {.model_inputs = false, .outputs = true});
  }
  if (!page.runs.empty()) text += ']';
  if (page.has_more) {
    text += ",\"next_page_token\":\"" + page_token(search.offset + search.max_results) + '"';
  }
  return json_text(text + "}");
}

Result<http::Answer> get(RecordRooms& rooms, const MlflowParameters& parameters) {
  return json_text(TRY(rooms.runs.find_json(TRY(parameters.run_id()))));
}

}  // namespace

std::vector<http::Route> run_routes(RecordRooms& rooms) {
  using Parameters = const MlflowParameters&;
  using Request = const http::Request&;
  using Promise = http::ReplyPromise;
  RouteList routes;
  const auto write = [&](const char* name, const char* summary, auto work, http::Placement placement) {
    routes.post(
        std::string("/mlflow/runs/") + name, summary,
        [&rooms, work](Parameters p, Request, Promise done) { return work(rooms, p, std::move(done)); },
        placement);
  };
  routes.post("/mlflow/runs/create", "Begins a run",
              [&rooms](Parameters p, Request, Promise done) { return create(rooms, p, done); });
  routes.post("/mlflow/runs/update", "Changes a run's status, end or name",
              [&rooms](Parameters p, Request, Promise done) { return update(rooms, p, done); });
  routes.post("/mlflow/runs/delete", "Marks a run as deleted", set_deleted(rooms, true));
  routes.post("/mlflow/runs/restore", "Takes a deletion back", set_deleted(rooms, false));
  // Short requests are read where they arrive: handing them to another thread would cost more.
  write("log-metric", "Adds a point to a metric", log_metric, http::Placement::io);
  write("log-parameter", "Sets a parameter, once", log_param, http::Placement::io);
  write("set-tag", "Sets a tag of a run", set_tag, http::Placement::io);
  write("delete-tag", "Removes a tag of a run", delete_tag, http::Placement::io);
  write("log-batch", "Adds metrics, parameters and tags together", log_batch, http::Placement::pool);
  write("log-model", "Notes a model of an old client", log_model, http::Placement::pool);
  write("log-inputs", "Notes the datasets and models that a run read", log_inputs, http::Placement::pool);
  write("outputs", "Notes the models that a run made", log_outputs, http::Placement::pool);
  routes.get(
      "/mlflow/runs/get", "A run with its latest metrics, parameters and tags",
      [&rooms](Parameters p, Request, const Promise&) { return get(rooms, p); }, http::Placement::io);
  routes.post("/mlflow/runs/search", "Runs that a filter matches, in an order",
              [&rooms](Parameters p, Request, const Promise&) { return search(rooms, p); });
  return routes.take();
}

}  // namespace trimtab::api
