// MLflow's experiments: thin translations of requests into the registry's calls. Writes answer when they are
// durable, on the commit thread.
#include <filesystem>
#include <iterator>
#include <set>
#include <tuple>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"
#include "http/percent.h"
#include "registry/experiments.h"

namespace trimtab::api {
namespace {

constexpr std::int64_t kResultsMax = 50'000;
constexpr std::size_t kLocationMax = 2048;
constexpr std::size_t kDatasetExperimentsMax = 20;
constexpr std::size_t kDatasetsMax = 1000;
constexpr std::string_view kDatasetContext = "mlflow.data.context";

Json experiment_json(const registry::ExperimentFacts& experiment) {
  Json json = Json::object({{"experiment_id", std::to_string(experiment.id)},
                            {"name", experiment.name},
                            {"artifact_location", experiment.artifact_location},
                            {"lifecycle_stage", experiment.is_deleted ? "deleted" : "active"},
                            {"last_update_time", experiment.updated_ms},
                            {"creation_time", experiment.created_ms}});
  if (!experiment.tags.empty()) json.set("tags", key_values_json(experiment.tags));
  return json.set("workspace", "default");
}

http::Answer one_experiment(const Result<registry::ExperimentFacts>& experiment) {
  if (!experiment) return mlflow_error(experiment.error());
  return http::Reply::json(Json::object({{"experiment", experiment_json(*experiment)}}));
}

registry::DoneChange send_status(http::ReplyPromise promise) {
  return [promise](const Status& status) mutable { promise.send(mlflow_reply(status)); };
}

// Until nothing is left to decode: whoever joins the location to a path later may decode it again.
bool walks_up(std::string_view query) {
  std::string text(query);
  for (int i = 0; i < 10; ++i) {
    if (text.find("..") != std::string::npos) return true;
    Result<std::string> decoded = http::decode_percent(text);
    if (!decoded || *decoded == text) return false;
    text = *std::move(decoded);
  }
  return true;
}

// "#x", and ";x" in the last step of a path or of a web address; buckets may have semicolons in their keys.
bool has_fragment_or_parameters(std::string_view location) {
  const std::size_t hash = location.find('#');
  if (hash != std::string_view::npos && hash + 1 < location.size()) return true;
  const std::string_view scheme = location.substr(0, location.find(':') + 1);
  const bool has_parameters = scheme.empty() || scheme == "http:" || scheme == "https:" || scheme == "ftp:";
  const std::size_t step = location.rfind('/') + 1;
  return has_parameters && location.find(';', step) != std::string_view::npos;
}

// The location as it is kept: a relative path belongs to the folder that the server was started in.
Result<std::string> check_location(std::string location) {
  if (has_fragment_or_parameters(location)) {
    return fail(ErrorCode::invalid, "'artifact_location' URL can't include fragments or params.");
  }
  const std::size_t query = location.find('?');
  if (query != std::string::npos && walks_up(std::string_view(location).substr(query + 1))) {
    return fail(ErrorCode::invalid, "Invalid query string");
  }
  if (location.starts_with("runs:")) {
    return fail(ErrorCode::invalid, "Artifact location cannot be a runs:/ URI. Given: '" + location + "'");
  }
  if (location.size() > kLocationMax) {
    return fail(
        ErrorCode::invalid,
        "Invalid artifact path length. The length of the artifact path cannot be greater than " +
            std::to_string(kLocationMax) +
            " characters. To configure this limit, please set the MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH "
            "environment variable.");
  }
  const bool is_path = location.find(':') == std::string::npos;
  if (is_path && !location.starts_with('/')) return (std::filesystem::current_path() / location).string();
  return location;
}

Result<http::Answer> create(RecordRooms& rooms, const MlflowParameters& parameters,
                            http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  std::string location = TRY(parameters.find_text("artifact_location")).value_or("");
  std::vector<registry::KeyValue> tags = TRY(parameters.key_values("tags"));
  if (!location.empty()) location = TRY(check_location(std::move(location)));
  registry::create_experiment(
      writer(rooms, parameters), std::move(name), std::move(location), std::move(tags),
      [promise](const Result<std::int64_t>& id) mutable {
        if (!id) return promise.send(mlflow_error(id.error()));
        promise.send(http::Reply::json(Json::object({{"experiment_id", std::to_string(*id)}})));
      });
  return http::Pending{};
}

Result<http::Answer> rename(RecordRooms& rooms, const MlflowParameters& parameters,
                            http::ReplyPromise promise) {
  // MLflow misses the new name before it looks at the id.
  const std::string id = TRY(parameters.text("experiment_id"));
  std::string name = TRY(parameters.text("new_name"));
  registry::rename_experiment(writer(rooms, parameters), TRY(parse_experiment_id(id)), std::move(name),
                              send_status(std::move(promise)));
  return http::Pending{};
}

MlflowHandler set_deleted(RecordRooms& rooms, bool deleted) {
  return [&rooms, deleted](const MlflowParameters& parameters, const http::Request&,
                           http::ReplyPromise promise) -> Result<http::Answer> {
    const std::int64_t id = TRY(parameters.experiment_id("experiment_id"));
    registry::set_experiment_deleted(writer(rooms, parameters), id, deleted, send_status(std::move(promise)));
    return http::Pending{};
  };
}

Result<http::Answer> set_tag(RecordRooms& rooms, const MlflowParameters& parameters,
                             http::ReplyPromise promise) {
  const std::string id = TRY(parameters.text("experiment_id"));
  registry::KeyValue tag{TRY(parameters.text("key")), TRY(parameters.find_text("value")).value_or("")};
  registry::set_experiment_tag(writer(rooms, parameters), TRY(parse_experiment_id(id)), std::move(tag),
                               send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_tag(RecordRooms& rooms, const MlflowParameters& parameters,
                                http::ReplyPromise promise) {
  const std::string id = TRY(parameters.text("experiment_id"));
  std::string key = TRY(parameters.text("key"));
  registry::delete_experiment_tag(writer(rooms, parameters), TRY(parse_experiment_id(id)), std::move(key),
                                  send_status(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> search(RecordRooms& rooms, const MlflowParameters& parameters) {
  registry::ExperimentSearch search;
  const LifecycleView view = TRY(parameters.view("view_type"));
  search.may_see = visible_experiments(parameters.caller());
  search.with_active = view.active;
  search.with_deleted = view.deleted;
  search.max_results = TRY(parameters.find_integer("max_results")).value_or(0);
  search.order_by = TRY(parameters.texts("order_by"));
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  const std::optional<std::string> token = TRY(parameters.find_text("page_token"));
  TRY(check_max_results(search.max_results, kResultsMax));
  search.offset = TRY(page_offset(token));
  const registry::ExperimentPage page = TRY(registry::search_experiments(rooms.home, search));
  Json list = Json::array();
  for (const registry::ExperimentFacts& experiment : page.experiments) list.push(experiment_json(experiment));
  Json json = Json::object();
  if (!page.experiments.empty()) json.set("experiments", std::move(list));
  if (page.has_more) json.set("next_page_token", page_token(search.offset + search.max_results));
  return http::Reply::json(json);
}

using Summary = std::tuple<std::int64_t, std::string, std::string, std::string>;

void add_summaries(const registry::RunFacts& run, std::set<Summary>& summaries) {
  for (const registry::DatasetInput& input : run.dataset_inputs) {
    std::string context;
    for (const registry::KeyValue& tag : input.tags) {
      if (tag.key == kDatasetContext) context = tag.value;
    }
    summaries.emplace(run.info.experiment_id, input.name, input.digest, std::move(context));
  }
}

Json summaries_json(const std::set<Summary>& summaries) {
  Json list = Json::array();
  for (const auto& [experiment, name, digest, context] : summaries) {
    Json summary =
        Json::object({{"experiment_id", std::to_string(experiment)}, {"name", name}, {"digest", digest}});
    if (!context.empty()) summary.set("context", context);
    list.push(std::move(summary));
  }
  return list;
}

Result<http::Answer> search_datasets(RecordRooms& rooms, const MlflowParameters& parameters) {
  const std::vector<std::string> ids = TRY(parameters.texts("experiment_ids"));
  if (ids.empty()) {
    return fail(ErrorCode::invalid, "SearchDatasets request must specify at least one experiment_id.");
  }
  if (ids.size() > kDatasetExperimentsMax) {
    return fail(ErrorCode::invalid,
                "SearchDatasets request cannot specify more than " + std::to_string(kDatasetExperimentsMax) +
                    " experiment_ids. Received " + std::to_string(ids.size()) + " experiment_ids.");
  }
  registry::RunSearch search;
  for (const std::string& id : ids) search.experiment_ids.push_back(TRY(parse_experiment_id(id)));
  search.with_deleted = true;
  search.filter = "datasets.name LIKE '%'";
  search.max_results = kResultsMax;
  std::set<Summary> summaries;
  for (bool has_more = true; has_more && summaries.size() < kDatasetsMax;) {
    const registry::RunPage page = TRY(rooms.runs.search(search));
    for (const registry::RunFacts& run : page.runs) add_summaries(run, summaries);
    search.offset += search.max_results;
    has_more = page.has_more;
  }
  while (summaries.size() > kDatasetsMax) summaries.erase(std::prev(summaries.end()));
  if (summaries.empty()) return http::Reply::json(Json::object());
  return http::Reply::json(Json::object({{"dataset_summaries", summaries_json(summaries)}}));
}

}  // namespace

std::vector<http::Route> experiment_routes(RecordRooms& rooms) {
  using Parameters = const MlflowParameters&;
  using Request = const http::Request&;
  RouteList routes;
  routes.post("/mlflow/experiments/create", "Creates an experiment",
              [&rooms](Parameters p, Request, http::ReplyPromise done) { return create(rooms, p, done); });
  routes.get("/mlflow/experiments/get", "An experiment by its id",
             [&rooms](Parameters p, Request, const http::ReplyPromise&) -> Result<http::Answer> {
               const std::int64_t id = TRY(p.experiment_id("experiment_id"));
               return one_experiment(registry::find_experiment(rooms.home, id));
             });
  routes.get("/mlflow/experiments/get-by-name", "An experiment by its name",
             [&rooms](Parameters p, Request, const http::ReplyPromise&) -> Result<http::Answer> {
               const std::string name = TRY(p.text("experiment_name"));
               return one_experiment(registry::find_experiment_by_name(rooms.home, name));
             });
  routes.post("/mlflow/experiments/delete", "Marks an experiment and its runs as deleted",
              set_deleted(rooms, true));
  routes.post("/mlflow/experiments/restore", "Takes a deletion back", set_deleted(rooms, false));
  routes.post("/mlflow/experiments/update", "Renames an experiment",
              [&rooms](Parameters p, Request, http::ReplyPromise done) { return rename(rooms, p, done); });
  const MlflowHandler find = [&rooms](Parameters p, Request, const http::ReplyPromise&) {
    return search(rooms, p);
  };
  routes.post("/mlflow/experiments/search", "Experiments that a filter matches", find);
  routes.get("/mlflow/experiments/search", "Experiments that a filter matches", find);
  routes.post("/mlflow/experiments/set-experiment-tag", "Sets a tag of an experiment",
              [&rooms](Parameters p, Request, http::ReplyPromise done) { return set_tag(rooms, p, done); });
  routes.post(
      "/mlflow/experiments/delete-experiment-tag", "Removes a tag of an experiment",
      [&rooms](Parameters p, Request, http::ReplyPromise done) { return delete_tag(rooms, p, done); });
  const MlflowHandler datasets = [&rooms](Parameters p, Request, const http::ReplyPromise&) {
    return search_datasets(rooms, p);
  };
  routes.post("/mlflow/experiments/search-datasets", "Datasets that runs of experiments read", datasets);
  // MLflow's own table of routes lacks a slash here, and its web page asks for that path.
  routes.post("mlflow/experiments/search-datasets", "The same, as MLflow misspells it", datasets);
  return routes.take();
}

}  // namespace trimtab::api
