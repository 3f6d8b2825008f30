#include "api/mlflow/model_json.h"

#include "api/mlflow/wire.h"

namespace trimtab::api {
namespace {

void set_optional(Json& json, const char* name, const std::optional<std::string>& text) {
  if (text) json.set(name, *text);
}

}  // namespace

Json model_version_json(const registry::ModelVersion& version) {
  Json json = Json::object({{"name", version.model}, {"version", std::to_string(version.version)}});
  json.set("creation_timestamp", version.created_ms).set("last_updated_timestamp", version.updated_ms);
  set_optional(json, "user_id", version.user_id);
  json.set("current_stage", version.stage);
  set_optional(json, "description", version.description);
  json.set("source", version.source);
  set_optional(json, "run_id", version.run_id);
  json.set("status", version.status);
  set_optional(json, "status_message", version.status_message);
  if (!version.tags.empty()) json.set("tags", key_values_json(version.tags));
  set_optional(json, "run_link", version.run_link);
  if (version.aliases.empty()) return json;
  Json aliases = Json::array();
  for (const std::string& alias : version.aliases) aliases.push(alias);
  return json.set("aliases", std::move(aliases));
}

Json model_versions_json(const std::vector<registry::ModelVersion>& versions) {
  Json list = Json::array();
  for (const registry::ModelVersion& version : versions) list.push(model_version_json(version));
  return list;
}

Json registered_model_json(const registry::RegisteredModel& model) {
  Json json = Json::object({{"name", model.name}});
  json.set("creation_timestamp", model.created_ms).set("last_updated_timestamp", model.updated_ms);
  if (!model.description.empty()) json.set("description", model.description);
  if (!model.latest_versions.empty()) json.set("latest_versions", model_versions_json(model.latest_versions));
  if (!model.tags.empty()) json.set("tags", key_values_json(model.tags));
  if (model.aliases.empty()) return json;
  Json aliases = Json::array();
  for (const registry::AliasFact& alias : model.aliases) {
    aliases.push(Json::object({{"alias", alias.alias}, {"version", std::to_string(alias.version)}}));
  }
  return json.set("aliases", std::move(aliases));
}

Json logged_model_json(const registry::LoggedModel& model) {
  Json info = Json::object({{"model_id", model.id}, {"experiment_id", std::to_string(model.experiment_id)}});
  info.set("name", model.name);
  info.set("creation_timestamp_ms", model.created_ms).set("last_updated_timestamp_ms", model.updated_ms);
  info.set("artifact_uri", model.location).set("status", status_name(model.status));
  info.set("model_type", model.model_type).set("source_run_id", model.source_run_id);
  if (!model.tags.empty()) info.set("tags", key_values_json(model.tags));
  Json data = Json::object();
  if (!model.params.empty()) data.set("params", key_values_json(model.params));
  if (!model.metrics.empty()) {
    Json metrics = Json::array();
    for (const registry::LoggedModelMetric& metric : model.metrics) {
      Json one = Json::object({{"key", metric.point.key}, {"value", metric_number(metric.point.value)}});
      one.set("timestamp", metric.point.timestamp_ms).set("step", metric.point.step);
      if (!metric.dataset_name.empty()) {
        one.set("dataset_name", metric.dataset_name).set("dataset_digest", metric.dataset_digest);
      }
      metrics.push(one.set("model_id", metric.model_id).set("run_id", metric.run_id));
    }
    data.set("metrics", std::move(metrics));
  }
  return Json::object({{"info", std::move(info)}, {"data", std::move(data)}});
}

}  // namespace trimtab::api
