#include "bridges/mlflow/export_record.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "bridges/mlflow/export_links.h"
#include "bridges/mlflow/export_traces.h"
#include "registry/artifact_path.h"
#include "registry/experiments.h"
#include "registry/imported_traces.h"
#include "registry/logged_models.h"
#include "registry/model_versions.h"
#include "registry/registered_models.h"
#include "store/audit.h"

namespace trimtab::bridges {
namespace {

using registry::KeyValue;
using store::Connection;
using store::Statement;

constexpr std::size_t kMetricsAtOnce = 1'000;
constexpr std::size_t kPairsAtOnce = 100;
constexpr std::int64_t kRunsAtOnce = 1'000;
constexpr std::size_t kExportedBetweenWords = 200;
constexpr const char* kSearchPrompts = "tags.`mlflow.prompt.is_prompt` = 'true'";

Json pair_json(const KeyValue& pair) { return Json::object({{"key", pair.key}, {"value", pair.value}}); }

Json pairs_json(const std::vector<KeyValue>& pairs) {
  Json list = Json::array();
  for (const KeyValue& pair : pairs) list.push(pair_json(pair));
  return list;
}

Json ids_json(const std::string& id) { return Json(Json::Array{id}); }

std::string first_id(const Json& list, std::string_view outer, std::string_view name) {
  return list.is_array() && !list.as_array().empty() ? list.as_array().front()[outer].text_or(name) : "";
}

// As a text of a filter.
std::string quoted(const std::string& text) {
  std::string literal = "'";
  for (const char c : text) literal += c == '\'' ? std::string("''") : std::string(1, c);
  return literal + "'";
}

// MLflow's servers write it as a text, others as a number.
std::string number_of(const Json& version) {
  const Json& number = version["version"];
  return number.is_string() ? number.as_string() : number.dump();
}

// "mlflow-artifacts:/3/x/artifacts" → "3/x/artifacts". Errors: unsupported (files are kept elsewhere).
Result<std::string> proxy_path(const std::string& uri) {
  constexpr std::string_view kProxy = "mlflow-artifacts:/";
  if (uri.starts_with(kProxy) && !uri.substr(kProxy.size()).starts_with('/'))
    return uri.substr(kProxy.size());
  return fail(ErrorCode::unsupported, "the server takes no artifacts itself (they would go to '" + uri + "')",
              "start it with --serve-artifacts");
}

struct There {
  std::string id;
  std::string artifact_uri;
};

class Exporter {
 public:
  Exporter(store::Home& home, const base::Clock& clock, registry::RunBook& runs, MlflowServer& server,
           const std::function<void(const std::string&)>& say)
      : home_(home),
        clock_(clock),
        runs_(runs),
        server_(server),
        say_(say),
        links_(home, server.uri()),
        traces_(home, server, links_) {}

  Result<TransferReport> send_all() {
    for (const char* kind : {"experiments", "runs", "metric points", "logged models", "traces",
                             "registered models", "prompts", "versions", "aliases", "webhooks", "files"}) {
      report_[kind];
    }
    std::vector<registry::ExperimentFacts> experiments = TRY(all_experiments());
    for (const registry::ExperimentFacts& experiment : experiments) TRY(send_experiment(experiment));
    for (const registry::ExperimentFacts& experiment : experiments) {
      TRY(send_logged_models(experiment));
      TRY(send_links_of_runs(experiment));
      TRY(send_traces(experiment));
    }
    TRY(send_models());
    TRY(leave_webhooks());
    for (const registry::ExperimentFacts& experiment : experiments) TRY(delete_what_is_deleted(experiment));
    report_.note("runs and logged models have other ids there; the tag " + std::string(kExportedFromTag) +
                 " of each says its id here");
    TRY(home_.database().write([&](Connection& connection) {
      Json counts = Json::object({{"to", server_.uri()}, {"runs", report_["runs"].brought}});
      return store::append_audit(connection, clock_.now(), "export", "record.export", "record",
                                 counts.dump());
    }));
    return std::move(report_);
  }

 private:
  Result<std::vector<registry::ExperimentFacts>> all_experiments() {
    registry::ExperimentSearch search;
    search.with_deleted = true;
    search.max_results = 1'000'000;
    return TRY(registry::search_experiments(home_, search)).experiments;
  }

  Status send_experiment(const registry::ExperimentFacts& experiment) {
    std::string id;
    const Result<Json> known =
        server_.get("/experiments/get-by-name", {{"experiment_name", experiment.name}});
    if (known) {
      id = (*known)["experiment"].text_or("experiment_id");
      ++report_["experiments"].known;
      // A deleted one takes no runs; it is deleted again at the end.
      if ((*known)["experiment"].text_or("lifecycle_stage") == "deleted") {
        TRY(server_.post("/experiments/restore", Json::object({{"experiment_id", id}})));
        if (!experiment.is_deleted)
          report_.note("experiment '" + experiment.name + "' was deleted there and is restored");
      }
    } else if (known.error().code == ErrorCode::not_found) {
      Json body = Json::object({{"name", experiment.name}});
      id = TRY(server_.post("/experiments/create", body)).text_or("experiment_id");
      ++report_["experiments"].brought;
    } else {
      return fail(known.error());
    }
    experiment_there_[experiment.id] = id;
    for (const KeyValue& tag : experiment.tags) {
      TRY(server_.post("/experiments/set-experiment-tag", pair_json(tag).set("experiment_id", id)));
    }
    return send_runs(experiment, id);
  }

  Status send_runs(const registry::ExperimentFacts& experiment, const std::string& there) {
    std::size_t sent = 0;
    registry::RunSearch search;
    search.experiment_ids = {experiment.id};
    search.with_deleted = true;
    search.order_by = {"attributes.start_time ASC"};
    search.max_results = kRunsAtOnce;
    for (bool has_more = true; has_more; search.offset += kRunsAtOnce) {
      const registry::RunPage page = TRY(runs_.search(search));
      for (const registry::RunFacts& run : page.runs) {
        TRY(send_run(run, there));
        if (++sent % kExportedBetweenWords == 0) {
          say_("experiment '" + experiment.name + "': " + std::to_string(sent) + " runs");
        }
      }
      has_more = page.has_more;
    }
    return {};
  }

  Status send_run(const registry::RunFacts& run, const std::string& experiment) {
    const std::string& id = run.info.id;
    if (TRY(links_.find("run_done", id))) {
      ++report_["runs"].known;
      return {};
    }
    const There there = TRY(place_run(run, experiment));
    TRY(send_pairs(run, there.id));
    TRY(send_metrics(run, there.id));
    TRY(send_datasets(run, there.id));
    TRY(send_files("run/" + id, there.artifact_uri, ""));
    TRY(finish_run(run.info, there.id));
    TRY(links_.keep("run_done", id, there.id));
    ++report_["runs"].brought;
    return {};
  }

  // The run that an interrupted export has made, or a new one.
  Result<There> place_run(const registry::RunFacts& run, const std::string& experiment) {
    const std::string& id = run.info.id;
    Json search = Json::object({{"experiment_ids", ids_json(experiment)}, {"run_view_type", "ALL"}});
    search.set("filter", "tags.`" + std::string(kExportedFromTag) + "` = '" + id + "'").set("max_results", 1);
    const Json found = TRY(server_.post("/runs/search", search));
    std::string there = first_id(found["runs"], "info", "run_id");
    std::string uri = first_id(found["runs"], "info", "artifact_uri");
    if (there.empty()) {
      Json body = Json::object({{"experiment_id", experiment}, {"start_time", run.info.start_ms}});
      body.set("run_name", run.info.name).set("user_id", run.info.user_id);
      body.set("tags", Json(Json::Array{pair_json({kExportedFromTag, id})}));
      const Json made = TRY(server_.post("/runs/create", body));
      there = made["run"]["info"].text_or("run_id");
      uri = made["run"]["info"].text_or("artifact_uri");
    } else if (first_id(found["runs"], "info", "lifecycle_stage") == "deleted") {
      TRY(server_.post("/runs/restore", Json::object({{"run_id", there}})));
    }
    TRY(links_.keep("run", id, there));
    return There{there, uri};
  }

  Status send_pairs(const registry::RunFacts& run, const std::string& there) {
    for (const auto& [name, pairs] : {std::pair{"params", run.params}, std::pair{"tags", run.tags}}) {
      for (std::size_t start = 0; start < pairs.size(); start += kPairsAtOnce) {
        const std::vector<KeyValue> part(
            pairs.begin() + static_cast<std::ptrdiff_t>(start),
            pairs.begin() + static_cast<std::ptrdiff_t>(std::min(pairs.size(), start + kPairsAtOnce)));
        TRY(server_.post("/runs/log-batch", Json::object({{"run_id", there}}).set(name, pairs_json(part))));
      }
    }
    return {};
  }

  Status send_metrics(const registry::RunFacts& run, const std::string& there) {
    Json batch = Json::array();
    const auto send = [&]() -> Status {
      if (batch.as_array().empty()) return {};
      report_["metric points"].brought += static_cast<std::int64_t>(batch.as_array().size());
      TRY(server_.post("/runs/log-batch",
                       Json::object({{"run_id", there}}).set("metrics", std::move(batch))));
      batch = Json::array();
      return {};
    };
    for (const registry::MetricPoint& latest : run.metrics) {
      for (const registry::MetricPoint& point : TRY(runs_.history(run.info.id, latest.key, 0, 0)).points) {
        Json json = Json::object({{"key", point.key}, {"value", point.value}});
        batch.push(json.set("timestamp", point.timestamp_ms).set("step", point.step));
        if (batch.as_array().size() == kMetricsAtOnce) TRY(send());
      }
    }
    return send();
  }

  Status send_datasets(const registry::RunFacts& run, const std::string& there) {
    if (run.dataset_inputs.empty()) return {};
    Json list = Json::array();
    for (const registry::DatasetInput& input : run.dataset_inputs) {
      Json dataset = Json::object({{"name", input.name}, {"digest", input.digest}});
      dataset.set("source_type", input.source_type).set("source", input.source);
      if (!input.schema.empty()) dataset.set("schema", input.schema);
      if (!input.profile.empty()) dataset.set("profile", input.profile);
      list.push(Json::object({{"tags", pairs_json(input.tags)}, {"dataset", std::move(dataset)}}));
    }
    TRY(server_.post("/runs/log-inputs", Json::object({{"run_id", there}}).set("datasets", std::move(list))));
    return {};
  }

  // All files of a root (or of a folder within it, "a/b/"), below `folder` of the place there.
  Status send_files(const std::string& root, const std::string& uri, const std::string& folder,
                    const std::string& within = "") {
    std::vector<std::pair<std::string, std::string>> files;
    TRY(home_.database().read([&](Connection& connection) -> Status {
      Statement row = connection.prepare(
          "SELECT path, blob_sha256 FROM artifact WHERE root = ? AND path >= ? AND path < ? ORDER BY path");
      row.with(root, within, within + "\xff");
      while (TRY(row.step())) files.emplace_back(row.text(0).substr(within.size()), row.text(1));
      return {};
    }));
    if (files.empty()) return {};
    const Result<std::string> base = proxy_path(uri);
    if (!base) {
      report_["files"].left += static_cast<std::int64_t>(files.size());
      report_.note(base.error().message + ": " + base.error().hint);
      return {};
    }
    for (const auto& [path, sha256] : files) {
      const std::string bytes = TRY(home_.blobs().get(sha256));
      TRY(server_.put_artifact(*base + "/" + (folder.empty() ? "" : folder + "/") + path, bytes));
      ++report_["files"].brought;
      report_.file_bytes += bytes.size();
    }
    return {};
  }

  Status finish_run(const registry::RunInfo& info, const std::string& there) {
    Json body = Json::object({{"run_id", there}, {"status", registry::status_name(info.status)}});
    if (info.end_ms) body.set("end_time", *info.end_ms);
    TRY(server_.post("/runs/update", body.set("run_name", info.name)));
    return {};
  }

  Status send_logged_models(const registry::ExperimentFacts& experiment) {
    registry::LoggedModelSearch search;
    search.experiment_ids = {experiment.id};
    search.max_results = 1'000'000;
    for (const registry::LoggedModel& model : TRY(registry::search_logged_models(home_, search)).models) {
      if (TRY(links_.find("logged_model_done", model.id))) {
        ++report_["logged models"].known;
        continue;
      }
      const There there = TRY(place_logged_model(model, experiment_there_.at(experiment.id)));
      TRY(send_files("logged_model/" + model.id, there.artifact_uri, ""));
      Json finish = Json::object({{"model_id", there.id}});
      finish.set("status", registry::status_name(model.status));
      TRY(server_.patch("/logged-models/" + there.id, finish));
      TRY(links_.keep("logged_model_done", model.id, there.id));
      ++report_["logged models"].brought;
    }
    return {};
  }

  Result<There> place_logged_model(const registry::LoggedModel& model, const std::string& experiment) {
    Json search = Json::object({{"experiment_ids", ids_json(experiment)}, {"max_results", 1}});
    search.set("filter", "tags.`" + std::string(kExportedFromTag) + "` = '" + model.id + "'");
    const Json found = TRY(server_.post("/logged-models/search", search));
    There there{first_id(found["models"], "info", "model_id"),
                first_id(found["models"], "info", "artifact_uri")};
    if (there.id.empty()) {
      std::vector<KeyValue> tags = model.tags;
      // What it was registered as is said again when it is.
      std::erase_if(tags, [](const KeyValue& tag) { return tag.key == "mlflow.modelVersions"; });
      tags.push_back({kExportedFromTag, model.id});
      Json body = Json::object({{"experiment_id", experiment}, {"name", model.name}});
      body.set("model_type", model.model_type).set("params", pairs_json(model.params));
      body.set("tags", pairs_json(tags));
      if (const auto run = TRY(links_.find("run", model.source_run_id))) body.set("source_run_id", *run);
      const Json made = TRY(server_.post("/logged-models", body));
      there = {made["model"]["info"].text_or("model_id"), made["model"]["info"].text_or("artifact_uri")};
    }
    TRY(links_.keep("logged_model", model.id, there.id));
    return there;
  }

  Status send_traces(const registry::ExperimentFacts& experiment) {
    const std::string& there = experiment_there_.at(experiment.id);
    for (std::int64_t offset = 0;;) {
      const std::vector<registry::Trace> page = TRY(traces_.page(experiment.id, offset));
      if (page.empty()) return {};
      offset += static_cast<std::int64_t>(page.size());
      for (const registry::Trace& trace : page) {
        if (TRY(links_.find("trace_done", trace.id))) {
          ++report_["traces"].known;
          continue;
        }
        const std::string uri = TRY(traces_.send(trace, there));
        TRY(send_files("proxy", uri, "", registry::trace_folder(experiment.id, trace.id) + "/"));
        TRY(links_.keep("trace_done", trace.id, trace.id));
        ++report_["traces"].brought;
      }
    }
  }

  Status leave_webhooks() {
    return home_.database().read([&](Connection& connection) -> Status {
      Statement row = connection.prepare("SELECT count(*) FROM webhook");
      if (TRY(row.step())) report_.leave_webhooks(row.integer(0));
      return {};
    });
  }

  // What runs read and made, once the models have ids.
  Status send_links_of_runs(const registry::ExperimentFacts& experiment) {
    registry::RunSearch search;
    search.experiment_ids = {experiment.id};
    search.with_deleted = true;
    search.max_results = kRunsAtOnce;
    for (bool has_more = true; has_more; search.offset += kRunsAtOnce) {
      const registry::RunPage page = TRY(runs_.search(search));
      for (const registry::RunFacts& run : page.runs) TRY(send_links_of(run));
      has_more = page.has_more;
    }
    return {};
  }

  Status send_links_of(const registry::RunFacts& run) {
    if (run.model_inputs.empty() && run.model_outputs.empty()) return {};
    if (TRY(links_.find("run_links_done", run.info.id))) return {};
    const std::string there = TRY(links_.find("run", run.info.id)).value_or("");
    const Json inputs = TRY(links_json(run.model_inputs, false));
    const Json outputs = TRY(links_json(run.model_outputs, true));
    if (!inputs.as_array().empty()) {
      TRY(server_.post("/runs/log-inputs", Json::object({{"run_id", there}, {"models", inputs}})));
    }
    if (!outputs.as_array().empty()) {
      TRY(server_.post("/runs/outputs", Json::object({{"run_id", there}, {"models", outputs}})));
    }
    return links_.keep("run_links_done", run.info.id, there);
  }

  Result<Json> links_json(const std::vector<registry::ModelLink>& links, bool with_step) {
    Json list = Json::array();
    for (const registry::ModelLink& link : links) {
      const std::optional<std::string> there = TRY(links_.find("logged_model", link.model_id));
      if (!there) continue;  // Deleted here.
      Json json = Json::object({{"model_id", *there}});
      if (with_step) json.set("step", link.step);
      list.push(std::move(json));
    }
    return list;
  }

  // A search of either kind leaves the other out.
  Status send_models() {
    TRY(send_models("registered models", ""));
    return send_models("prompts", kSearchPrompts);
  }

  Status send_models(const char* kind, const std::string& filter) {
    registry::ModelSearch search;
    search.filter = filter;
    search.max_results = 1'000'000;
    for (const registry::RegisteredModel& model : TRY(registry::search_models(home_, search)).models) {
      Json body = Json::object({{"name", model.name}, {"description", model.description}});
      const Result<Json> made =
          server_.post("/registered-models/create", body.set("tags", pairs_json(model.tags)));
      if (!made && made.error().code != ErrorCode::already_exists) return fail(made.error());
      ++(made ? report_[kind].brought : report_[kind].known);
      TRY(send_versions(model, filter));
    }
    return {};
  }

  Status send_versions(const registry::RegisteredModel& model, const std::string& filter) {
    registry::VersionSearch search;
    search.filter = "name = " + quoted(model.name) + (filter.empty() ? "" : " AND " + filter);
    search.order_by = {"version_number ASC"};
    std::map<std::int64_t, std::string> numbers;
    for (const registry::ModelVersion& version : TRY(registry::search_versions(home_, search)).versions) {
      if (const std::string there = TRY(send_version(version, filter)); !there.empty())
        numbers[version.version] = there;
    }
    for (const registry::AliasFact& alias : model.aliases) {
      const auto version = numbers.find(alias.version);
      if (version == numbers.end()) {
        ++report_["aliases"].left;
        continue;
      }
      Json body = Json::object({{"name", model.name}, {"alias", alias.alias}, {"version", version->second}});
      TRY(server_.post("/registered-models/alias", body));
      ++report_["aliases"].brought;
    }
    return {};
  }

  // The version's number there; "": its files cannot be told of there.
  Result<std::string> send_version(const registry::ModelVersion& version, const std::string& filter) {
    const std::string key = version.model + "/" + std::to_string(version.version);
    if (const auto known = TRY(links_.find("version", key))) {
      ++report_["versions"].known;
      return *known;
    }
    Result<Json> body = source_there(version);
    if (!body) {
      ++report_["versions"].left;
      report_.note("version " + std::to_string(version.version) + " of '" + version.model +
                   "' is left behind: " + body.error().message);
      return std::string();
    }
    const std::string there = TRY(place_version(version, key, filter, std::move(*body)));
    if (version.stage != "None") {
      Json stage = Json::object({{"name", version.model}, {"version", there}, {"stage", version.stage}});
      TRY(server_.post("/model-versions/transition-stage", stage.set("archive_existing_versions", false)));
    }
    if (there != std::to_string(version.version)) {
      report_.note("versions of '" + version.model +
                   "' have other numbers there: MLflow counts without gaps");
    }
    TRY(links_.keep("version", key, there));
    ++report_["versions"].brought;
    return there;
  }

  // The number of the version that an interrupted export has made, or of a new one.
  Result<std::string> place_version(const registry::ModelVersion& version, const std::string& key,
                                    const std::string& kind_filter, Json body) {
    const std::string filter = "name = " + quoted(version.model) + " AND tags.`" +
                               std::string(kExportedFromTag) + "` = " + quoted(key) +
                               (kind_filter.empty() ? "" : " AND " + kind_filter);
    // MLflow's filters know no quotes within a name.
    const bool can_ask = version.model.find('\'') == std::string::npos;
    const Json found =
        can_ask ? TRY(server_.get("/model-versions/search", {{"filter", filter}, {"max_results", "1"}}))
                : Json();
    const Json& known = found["model_versions"];
    if (known.is_array() && !known.as_array().empty()) return number_of(known.as_array().front());
    std::vector<KeyValue> tags = version.tags;
    tags.push_back({kExportedFromTag, key});
    body.set("name", version.model).set("description", version.description.value_or(""));
    body.set("tags", pairs_json(tags));
    return number_of(TRY(server_.post("/model-versions/create", body))["model_version"]);
  }

  // Where a version's files are there, as the parameters of its making.
  Result<Json> source_there(const registry::ModelVersion& version) {
    const Result<registry::ArtifactPath> place = registry::parse_artifact_uri(version.location);
    // A place that is nobody's, "s3://…", is the same there.
    if (!place) return Json::object({{"source", version.location}});
    const std::string id = place->root.substr(place->root.find('/') + 1);
    if (place->root.starts_with("logged_model/")) {
      const std::optional<std::string> model = TRY(links_.find("logged_model", id));
      if (!model) return fail(ErrorCode::not_found, "its logged model is deleted");
      Json body = Json::object({{"source", "models:/" + *model}, {"model_id", *model}});
      if (const auto run = TRY(links_.find("run", version.run_id.value_or("")))) body.set("run_id", *run);
      return body;
    }
    const bool is_trained = place->root.starts_with("model/");
    const std::string run = is_trained ? version.run_id.value_or("") : id;
    const std::optional<std::string> there = TRY(links_.find("run", run));
    if (!there || place->root == "proxy") return fail(ErrorCode::not_found, "its run is not in this record");
    const Json info = TRY(server_.get("/runs/get", {{"run_id", *there}}));
    const std::string uri = info["run"]["info"].text_or("artifact_uri");
    // What Trimtab trained has a place of its own here, and lies with its run there.
    const std::string folder = is_trained ? "trimtab-model" : place->path;
    if (is_trained) TRY(send_files(place->root, uri, folder));
    return Json::object({{"source", folder.empty() ? uri : uri + "/" + folder}, {"run_id", *there}});
  }

  Status delete_what_is_deleted(const registry::ExperimentFacts& experiment) {
    registry::RunSearch search;
    search.experiment_ids = {experiment.id};
    search.with_active = false;
    search.with_deleted = true;
    search.max_results = 1'000'000;
    for (const registry::RunFacts& run : TRY(runs_.search(search)).runs) {
      const std::optional<std::string> there = TRY(links_.find("run", run.info.id));
      if (there) TRY(server_.post("/runs/delete", Json::object({{"run_id", *there}})));
    }
    if (!experiment.is_deleted) return {};
    TRY(server_.post("/experiments/delete",
                     Json::object({{"experiment_id", experiment_there_.at(experiment.id)}})));
    return {};
  }

  store::Home& home_;
  const base::Clock& clock_;
  registry::RunBook& runs_;
  MlflowServer& server_;
  const std::function<void(const std::string&)>& say_;
  ExportLinks links_;
  TraceSender traces_;
  std::map<std::int64_t, std::string> experiment_there_;
  TransferReport report_;
};

}  // namespace

Result<TransferReport> export_record(store::Home& home, const base::Clock& clock, registry::RunBook& runs,
                                     MlflowServer& server,
                                     const std::function<void(const std::string&)>& say) {
  return Exporter(home, clock, runs, server, say).send_all();
}

}  // namespace trimtab::bridges
