#include "bridges/mlflow/server_record.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "bridges/mlflow/server_traces.h"

namespace trimtab::bridges {
namespace {

using registry::KeyValue;

constexpr std::int64_t kPage = 1'000;
constexpr std::int64_t kHistoryPage = 25'000;
constexpr int kFolderDepthMax = 64;
// MLflow's searches leave prompts out unless they are asked for.
constexpr const char* kPromptFilter = "tags.`mlflow.prompt.is_prompt` = 'true'";

std::int64_t whole(const Json& json, std::string_view name) {
  const Json& value = json[name];
  if (value.is_int()) return value.as_int();
  std::int64_t number = 0;
  if (value.is_string()) {
    std::from_chars(value.as_string().data(), value.as_string().data() + value.as_string().size(), number);
  }
  return number;
}

// MLflow says NaN as a text.
double number(const Json& value) {
  if (value.is_number()) return value.as_double();
  if (value.is_string() && value.as_string() == "Infinity") return std::numeric_limits<double>::max();
  if (value.is_string() && value.as_string() == "-Infinity") return std::numeric_limits<double>::lowest();
  return std::numeric_limits<double>::quiet_NaN();
}

const Json::Array& list(const Json& json, std::string_view name) {
  static const Json::Array none;
  return json[name].is_array() ? json[name].as_array() : none;
}

std::vector<KeyValue> pairs(const Json& json, std::string_view name) {
  std::vector<KeyValue> found;
  for (const Json& pair : list(json, name)) found.push_back({pair.text_or("key"), pair.text_or("value")});
  return found;
}

std::optional<std::string> optional_text(const Json& json, std::string_view name) {
  return json[name].is_string() ? std::optional(json[name].as_string()) : std::nullopt;
}

registry::DatasetInput dataset_of(const Json& input) {
  const Json& dataset = input["dataset"];
  return {dataset.text_or("name"),   dataset.text_or("digest"), dataset.text_or("source_type"),
          dataset.text_or("source"), dataset.text_or("schema"), dataset.text_or("profile"),
          pairs(input, "tags")};
}

registry::ModelVersion version_of(const Json& json) {
  registry::ModelVersion version;
  version.model = json.text_or("name");
  version.version = whole(json, "version");
  version.created_ms = whole(json, "creation_timestamp");
  version.updated_ms = whole(json, "last_updated_timestamp");
  version.stage = json.text_or("current_stage", "None");
  version.source = json.text_or("source");
  version.location = version.source;
  version.status = json.text_or("status", "READY");
  version.run_id = optional_text(json, "run_id");
  version.run_link = optional_text(json, "run_link");
  version.description = optional_text(json, "description");
  version.user_id = optional_text(json, "user_id");
  version.status_message = optional_text(json, "status_message");
  version.tags = pairs(json, "tags");
  return version;
}

class ServerRecord final : public ForeignRecord {
 public:
  explicit ServerRecord(MlflowServer server) : server_(std::move(server)) {}

  Result<std::vector<registry::ImportedExperiment>> experiments() override {
    std::vector<registry::ImportedExperiment> all;
    TRY(each_page("/experiments/search", Json::object({{"view_type", "ALL"}, {"max_results", kPage}}),
                  [&](const Json& page) -> Status {
                    for (const Json& json : list(page, "experiments")) {
                      all.push_back({whole(json, "experiment_id"), json.text_or("name"),
                                     json.text_or("artifact_location"),
                                     json.text_or("lifecycle_stage") == "deleted",
                                     whole(json, "creation_time"), whole(json, "last_update_time"),
                                     pairs(json, "tags")});
                    }
                    return {};
                  }));
    return all;
  }

  Result<std::vector<std::string>> run_ids(std::int64_t experiment_id) override {
    std::vector<std::string> ids;
    Json search = Json::object({{"run_view_type", "ALL"}, {"max_results", kPage}});
    search.set("experiment_ids", Json(Json::Array{std::to_string(experiment_id)}));
    search.set("order_by", Json(Json::Array{"attributes.start_time ASC"}));
    TRY(each_page("/runs/search", std::move(search), [&](const Json& page) -> Status {
      for (const Json& run : list(page, "runs")) ids.push_back(run["info"].text_or("run_id"));
      return {};
    }));
    return ids;
  }

  Result<registry::ImportedRun> run(const std::string& id) override {
    const Json reply = TRY(server_.get("/runs/get", {{"run_id", id}}));
    const Json& json = reply["run"];
    const Json& info = json["info"];
    registry::ImportedRun run;
    run.info.id = id;
    run.info.name = info.text_or("run_name");
    run.info.user_id = info.text_or("user_id");
    run.info.status = registry::find_status(info.text_or("status")).value_or(registry::RunStatus::finished);
    run.info.start_ms = whole(info, "start_time");
    if (info.find("end_time") != nullptr) run.info.end_ms = whole(info, "end_time");
    run.info.is_deleted = info.text_or("lifecycle_stage") == "deleted";
    // The API does not say when; it was at its end or later.
    run.deleted_ms = run.info.end_ms.value_or(run.info.start_ms);
    run.info.experiment_id = whole(info, "experiment_id");
    run.info.artifact_uri = info.text_or("artifact_uri");
    run.params = pairs(json["data"], "params");
    run.tags = pairs(json["data"], "tags");
    for (const Json& input : list(json["inputs"], "dataset_inputs"))
      run.datasets.push_back(dataset_of(input));
    for (const Json& model : list(json["inputs"], "model_inputs")) {
      run.model_inputs.push_back({model.text_or("model_id"), 0});
    }
    for (const Json& model : list(json["outputs"], "model_outputs")) {
      run.model_outputs.push_back({model.text_or("model_id"), whole(model, "step")});
    }
    std::set<std::string> keys;
    for (const Json& metric : list(json["data"], "metrics")) keys.insert(metric.text_or("key"));
    for (const std::string& key : keys) TRY(read_history(id, key, run.points));
    return run;
  }

  Result<std::vector<registry::ImportedLoggedModel>> logged_models(std::int64_t experiment_id) override {
    std::vector<registry::ImportedLoggedModel> all;
    Json search = Json::object({{"max_results", 50}});
    search.set("experiment_ids", Json(Json::Array{std::to_string(experiment_id)}));
    TRY(each_page("/logged-models/search", std::move(search), [&](const Json& page) -> Status {
      for (const Json& json : list(page, "models")) {
        registry::ImportedLoggedModel one;
        one.model = logged_model_of(json);
        one.model.experiment_id = experiment_id;
        all.push_back(std::move(one));
      }
      return {};
    }));
    return all;
  }

  Result<std::vector<registry::ImportedModel>> models() override {
    std::vector<registry::ImportedModel> all;
    TRY(read_models("", all));
    TRY(read_models(kPromptFilter, all));
    return all;
  }

  Result<std::vector<std::string>> trace_ids(std::int64_t experiment_id) override {
    const std::vector<std::string> ids = TRY(fetch_trace_ids(server_, experiment_id, ""));
    runs_of_traces_.clear();
    if (ids.empty()) return ids;
    for (const std::string& run : TRY(run_ids(experiment_id))) {
      for (const std::string& id : TRY(fetch_trace_ids(server_, experiment_id, run)))
        runs_of_traces_[id].push_back(run);
    }
    return ids;
  }

  Result<registry::ImportedTrace> trace(const std::string& id) override {
    registry::ImportedTrace imported = TRY(fetch_trace(server_, id));
    imported.runs = runs_of_traces_[id];
    return imported;
  }

  Result<std::int64_t> count_webhooks() override {
    std::int64_t count = 0;
    MlflowServer::Query query = {{"max_results", "100"}};
    while (true) {
      const Result<Json> page = server_.get("/webhooks", query);
      // A server that has none of them, or that lets nobody look.
      if (!page) return count;
      count += static_cast<std::int64_t>(list(*page, "webhooks").size());
      const std::string token = page->text_or("next_page_token");
      if (token.empty()) return count;
      query = {{"max_results", "100"}, {"page_token", token}};
    }
  }

  Result<std::vector<ForeignFile>> files(const std::string& location) override {
    const std::string path = TRY(proxy_path(location));
    std::vector<ForeignFile> files;
    TRY(list_folder(path, "", 0, files));
    return files;
  }

  Status fetch(const std::string& location, const std::string& path,
               const std::filesystem::path& to) override {
    const std::string bytes = TRY(server_.get_artifact(TRY(proxy_path(location)) + "/" + path));
    return base::write_file_durably(to, bytes, 0600);
  }

 private:
  Status read_models(const std::string& filter, std::vector<registry::ImportedModel>& all) {
    MlflowServer::Query query = {{"max_results", "1000"}, {"page_token", ""}, {"filter", filter}};
    do {
      const Json page = TRY(server_.get("/registered-models/search", query));
      for (const Json& json : list(page, "registered_models")) {
        registry::ImportedModel one;
        one.model.name = json.text_or("name");
        one.model.description = json.text_or("description");
        one.model.created_ms = whole(json, "creation_timestamp");
        one.model.updated_ms = whole(json, "last_updated_timestamp");
        one.model.tags = pairs(json, "tags");
        for (const Json& alias : list(json, "aliases")) {
          one.model.aliases.push_back({alias.text_or("alias"), whole(alias, "version")});
        }
        TRY(read_versions(filter, one));
        all.push_back(std::move(one));
      }
      query[1].second = page.text_or("next_page_token");
    } while (!query[1].second.empty());
    return {};
  }

  Status each_page(const std::string& path, Json search, const std::function<Status(const Json&)>& read) {
    while (true) {
      const Json page = TRY(server_.post(path, search));
      TRY(read(page));
      const std::string token = page.text_or("next_page_token");
      if (token.empty()) return {};
      search.set("page_token", token);
    }
  }

  Status read_history(const std::string& id, const std::string& key,
                      std::vector<registry::MetricPoint>& points) {
    std::string token;
    do {
      MlflowServer::Query query = {
          {"run_id", id}, {"metric_key", key}, {"max_results", std::to_string(kHistoryPage)}};
      if (!token.empty()) query.emplace_back("page_token", token);
      const Json page = TRY(server_.get("/metrics/get-history", query));
      for (const Json& point : list(page, "metrics")) {
        points.push_back({key, number(point["value"]), whole(point, "timestamp"), whole(point, "step")});
      }
      token = page.text_or("next_page_token");
    } while (!token.empty());
    return {};
  }

  Status read_versions(const std::string& filter, registry::ImportedModel& one) {
    std::string quoted = one.model.name;
    for (std::size_t at = 0; (at = quoted.find('\'', at)) != std::string::npos; at += 2)
      quoted.insert(at, "'");
    MlflowServer::Query query = {
        {"filter", "name = '" + quoted + "'" + (filter.empty() ? "" : " AND " + filter)},
        {"max_results", "1000"},
        {"page_token", ""}};
    do {
      const Json page = TRY(server_.get("/model-versions/search", query));
      for (const Json& json : list(page, "model_versions")) {
        registry::ModelVersion version = version_of(json);
        const Result<Json> uri =
            server_.get("/model-versions/get-download-uri",
                        {{"name", version.model}, {"version", std::to_string(version.version)}});
        if (uri) version.location = uri->text_or("artifact_uri", version.source);
        one.versions.push_back(std::move(version));
      }
      query[2].second = page.text_or("next_page_token");
    } while (!query[2].second.empty());
    return {};
  }

  static registry::LoggedModel logged_model_of(const Json& json) {
    const Json& info = json["info"];
    registry::LoggedModel model;
    model.id = info.text_or("model_id");
    model.name = info.text_or("name");
    model.model_type = info.text_or("model_type");
    model.source_run_id = info.text_or("source_run_id");
    model.location = info.text_or("artifact_uri");
    const Json& status = info["status"];
    model.status =
        registry::read_logged_model_status(status.is_string() ? status.as_string() : status.dump());
    model.created_ms = whole(info, "creation_timestamp_ms");
    model.updated_ms = whole(info, "last_updated_timestamp_ms");
    model.tags = pairs(info, "tags");
    model.params = pairs(json["data"], "params");
    for (const Json& metric : list(json["data"], "metrics")) {
      model.metrics.push_back({model.id,
                               {metric.text_or("key"), number(metric["value"]), whole(metric, "timestamp"),
                                whole(metric, "step")},
                               metric.text_or("run_id"),
                               metric.text_or("dataset_name"),
                               metric.text_or("dataset_digest")});
    }
    return model;
  }

  static Result<std::string> proxy_path(const std::string& location) {
    constexpr std::string_view kProxy = "mlflow-artifacts:/";
    if (location.starts_with(kProxy)) {
      const std::string here = registry::location_here(location);
      if (!here.starts_with("mlflow-artifacts://")) return here.substr(kProxy.size());
    }
    return fail(ErrorCode::unsupported,
                "the artifacts at '" + location + "' are not given out by the server (--serve-artifacts)",
                "import its database file with --artifacts, or copy them by hand");
  }

  Status list_folder(const std::string& base_path, const std::string& below, int depth,
                     std::vector<ForeignFile>& files) {
    if (depth > kFolderDepthMax)
      return fail(ErrorCode::too_large, "artifact folders are nested too deep: " + below);
    const Json reply = TRY(server_.list_artifacts(below.empty() ? base_path : base_path + "/" + below));
    for (const Json& file : list(reply, "files")) {
      const std::string name = file.text_or("path");
      const std::string path = below.empty() ? name : below + "/" + name;
      if (file.bool_or("is_dir")) {
        TRY(list_folder(base_path, path, depth + 1, files));
      } else {
        files.push_back({path, whole(file, "file_size")});
      }
    }
    return {};
  }

  MlflowServer server_;
  std::map<std::string, std::vector<std::string>> runs_of_traces_;  // Of the experiment that is being read.
};

}  // namespace

std::unique_ptr<ForeignRecord> make_server_record(MlflowServer server) {
  return std::make_unique<ServerRecord>(std::move(server));
}

}  // namespace trimtab::bridges
