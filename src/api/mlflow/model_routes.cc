// MLflow's model registry: registered models, their versions, aliases and (deprecated) stages. Prompts need
// no routes of their own: to the client they are registered models with reserved tags.
#include "api/mlflow/model_json.h"
#include "api/mlflow/route_rows.h"
#include "registry/model_rules.h"
#include "registry/model_versions.h"
#include "registry/registered_models.h"

namespace trimtab::api {
namespace {

using registry::ModelVersion;
using registry::RegisteredModel;

constexpr std::int64_t kModelsMax = 1000;
constexpr std::int64_t kVersionsMax = 200'000;

registry::Written<RegisteredModel> send_registered_model(http::ReplyPromise promise) {
  return [promise](const Result<RegisteredModel>& model) mutable {
    if (!model) return promise.send(mlflow_error(model.error()));
    promise.send(http::Reply::json(Json::object({{"registered_model", registered_model_json(*model)}})));
  };
}

http::Reply version_reply(const Result<ModelVersion>& version) {
  if (!version) return mlflow_error(version.error());
  return http::Reply::json(Json::object({{"model_version", model_version_json(*version)}}));
}

registry::Written<ModelVersion> send_version(http::ReplyPromise promise) {
  return [promise](const Result<ModelVersion>& version) mutable { promise.send(version_reply(version)); };
}

Result<http::Answer> create_model(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  registry::NewModel model;
  model.name = TRY(parameters.text("name"));
  model.tags = TRY(parameters.key_values("tags"));
  model.description = TRY(parameters.find_text("description")).value_or("");
  registry::create_model(writer(rooms, parameters), std::move(model),
                         send_registered_model(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get_model(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const RegisteredModel model = TRY(registry::find_model(rooms.home, TRY(parameters.text("name"))));
  return http::Reply::json(Json::object({{"registered_model", registered_model_json(model)}}));
}

Result<http::Answer> update_model(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  std::string description = TRY(parameters.find_text("description")).value_or("");
  registry::describe_model(writer(rooms, parameters), std::move(name), std::move(description),
                           send_registered_model(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> rename_model(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  std::string new_name = TRY(parameters.text("new_name"));
  registry::rename_model(writer(rooms, parameters), std::move(name), std::move(new_name),
                         send_registered_model(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_model(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  registry::delete_model(writer(rooms, parameters), TRY(parameters.text("name")),
                         send_done(std::move(promise)));
  return http::Pending{};
}

// How many a search may give: what is beyond the limit is refused as a wrong type, in MLflow's words.
Result<std::int64_t> max_results(Parameters parameters, std::int64_t fallback, std::int64_t limit) {
  const std::optional<std::int64_t> given = TRY(parameters.find_integer("max_results"));
  if (!given || (*given <= limit && *given >= 0)) return given.value_or(fallback);
  return fail(parameters.wrong_type("max_results", parameters.json()["max_results"]));
}

Result<http::Answer> search_models(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  registry::ModelSearch search;
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  search.max_results = TRY(max_results(parameters, search.max_results, kModelsMax));
  search.order_by = TRY(parameters.texts("order_by"));
  search.offset = TRY(page_offset(TRY(parameters.find_text("page_token"))));
  search.may_see = TRY(visible_models(rooms, parameters.caller()));
  const registry::ModelPage page = TRY(registry::search_models(rooms.home, search));
  Json list = Json::array();
  for (const RegisteredModel& model : page.models) list.push(registered_model_json(model));
  Json json = Json::object();
  if (!page.models.empty()) json.set("registered_models", std::move(list));
  if (page.has_more) json.set("next_page_token", page_token(search.offset + search.max_results));
  return http::Reply::json(json);
}

Result<http::Answer> get_latest(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const std::string name = TRY(parameters.text("name"));
  const std::vector<ModelVersion> versions =
      TRY(registry::latest_versions(rooms.home, name, TRY(parameters.texts("stages"))));
  if (versions.empty()) return http::Reply::json(Json::object());
  return http::Reply::json(Json::object({{"model_versions", model_versions_json(versions)}}));
}

Result<registry::KeyValue> read_tag(Parameters parameters) {
  std::string key = TRY(parameters.text("key"));
  return registry::KeyValue{std::move(key), TRY(parameters.find_text("value")).value_or("")};
}

Result<http::Answer> set_model_tag(RecordRooms& rooms, Parameters parameters, Request,
                                   http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  registry::set_model_tag(writer(rooms, parameters), std::move(name), TRY(read_tag(parameters)),
                          send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_model_tag(RecordRooms& rooms, Parameters parameters, Request,
                                      http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  registry::delete_model_tag(writer(rooms, parameters), std::move(name), TRY(parameters.text("key")),
                             send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> set_alias(RecordRooms& rooms, Parameters parameters, Request,
                               http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  std::string alias = TRY(parameters.text("alias"));
  const std::string version = TRY(parameters.text("version"));
  // MLflow looks at the names before it looks at the number.
  TRY(registry::check_model_name(name));
  TRY(registry::check_alias(alias));
  TRY(registry::check_alias_is_free(alias));
  registry::set_alias(writer(rooms, parameters), std::move(name), std::move(alias),
                      TRY(registry::parse_version(version)), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_alias(RecordRooms& rooms, Parameters parameters, Request,
                                  http::ReplyPromise promise) {
  std::string name = TRY(parameters.text("name"));
  registry::delete_alias(writer(rooms, parameters), std::move(name), TRY(parameters.text("alias")),
                         send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> get_by_alias(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const std::string name = TRY(parameters.text("name"));
  return version_reply(registry::find_by_alias(rooms.home, name, TRY(parameters.text("alias"))));
}

Result<http::Answer> create_version(RecordRooms& rooms, Parameters parameters, Request,
                                    http::ReplyPromise promise) {
  registry::NewModelVersion version;
  version.model = TRY(parameters.text("name"));
  version.source = TRY(parameters.text("source"));
  version.run_id = TRY(parameters.find_text("run_id"));
  version.tags = TRY(parameters.key_values("tags"));
  version.run_link = TRY(parameters.find_text("run_link")).value_or("");
  version.description = TRY(parameters.find_text("description")).value_or("");
  version.model_id = TRY(parameters.find_text("model_id"));
  registry::create_version(writer(rooms, parameters), std::move(version), send_version(std::move(promise)));
  return http::Pending{};
}

// Which version a request is about.
struct VersionKey {
  std::string model;
  std::int64_t version = 0;
};

Result<VersionKey> read_key(Parameters parameters) {
  VersionKey key;
  key.model = TRY(parameters.text("name"));
  const std::string version = TRY(parameters.text("version"));
  TRY(registry::check_model_name(key.model));
  key.version = TRY(registry::parse_version(version));
  return key;
}

Result<http::Answer> get_version(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const VersionKey key = TRY(read_key(parameters));
  return version_reply(registry::find_model_version(rooms.home, key.model, key.version));
}

Result<http::Answer> get_download_uri(RecordRooms& rooms, Parameters parameters, Request,
                                      http::ReplyPromise) {
  const VersionKey key = TRY(read_key(parameters));
  const ModelVersion version = TRY(registry::find_model_version(rooms.home, key.model, key.version));
  return http::Reply::json(Json::object({{"artifact_uri", version.location}}));
}

Result<http::Answer> update_version(RecordRooms& rooms, Parameters parameters, Request,
                                    http::ReplyPromise promise) {
  VersionKey key = TRY(read_key(parameters));
  registry::describe_version(writer(rooms, parameters), std::move(key.model), key.version,
                             TRY(parameters.find_text("description")), send_version(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> transition_stage(RecordRooms& rooms, Parameters parameters, Request,
                                      http::ReplyPromise promise) {
  VersionKey key = TRY(read_key(parameters));
  std::string stage = TRY(parameters.text("stage"));
  const bool archive = TRY(parameters.flag("archive_existing_versions"));
  registry::change_stage(writer(rooms, parameters), std::move(key.model), key.version, std::move(stage),
                         archive, send_version(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_version(RecordRooms& rooms, Parameters parameters, Request,
                                    http::ReplyPromise promise) {
  VersionKey key = TRY(read_key(parameters));
  registry::delete_version(writer(rooms, parameters), std::move(key.model), key.version,
                           send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> search_versions(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  registry::VersionSearch search;
  search.filter = TRY(parameters.find_text("filter")).value_or("");
  search.max_results = TRY(max_results(parameters, search.max_results, kVersionsMax));
  search.order_by = TRY(parameters.texts("order_by"));
  search.offset = TRY(page_offset(TRY(parameters.find_text("page_token"))));
  if (search.max_results < 1) {
    return fail(ErrorCode::invalid, "Invalid value for max_results. It must be a positive integer, but got " +
                                        std::to_string(search.max_results));
  }
  search.may_see = TRY(visible_models(rooms, parameters.caller()));
  const registry::VersionPage page = TRY(registry::search_versions(rooms.home, search));
  Json json = Json::object();
  if (!page.versions.empty()) json.set("model_versions", model_versions_json(page.versions));
  if (page.has_more) json.set("next_page_token", page_token(search.offset + search.max_results));
  return http::Reply::json(json);
}

Result<http::Answer> set_version_tag(RecordRooms& rooms, Parameters parameters, Request,
                                     http::ReplyPromise promise) {
  VersionKey key = TRY(read_key(parameters));
  registry::set_version_tag(writer(rooms, parameters), std::move(key.model), key.version,
                            TRY(read_tag(parameters)), send_done(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> delete_version_tag(RecordRooms& rooms, Parameters parameters, Request,
                                        http::ReplyPromise promise) {
  VersionKey key = TRY(read_key(parameters));
  registry::delete_version_tag(writer(rooms, parameters), std::move(key.model), key.version,
                               TRY(parameters.text("key")), send_done(std::move(promise)));
  return http::Pending{};
}

constexpr RouteRow kModelRows[] = {
    {"POST", "/mlflow/registered-models/create", "Registers a model's name", create_model},
    {"GET", "/mlflow/registered-models/get", "A registered model", get_model},
    {"PATCH", "/mlflow/registered-models/update", "Describes a registered model", update_model},
    {"POST", "/mlflow/registered-models/rename", "Renames a registered model", rename_model},
    {"DELETE", "/mlflow/registered-models/delete", "Deletes a model with its versions", delete_model},
    {"GET", "/mlflow/registered-models/search", "Models that a filter matches", search_models},
    {"POST", "/mlflow/registered-models/get-latest-versions", "The newest version of each stage", get_latest},
    {"GET", "/mlflow/registered-models/get-latest-versions", "The newest version of each stage", get_latest},
    {"POST", "/mlflow/registered-models/set-tag", "Sets a tag of a model", set_model_tag},
    {"DELETE", "/mlflow/registered-models/delete-tag", "Removes a tag of a model", delete_model_tag},
    {"POST", "/mlflow/registered-models/alias", "Points an alias at a version", set_alias},
    {"DELETE", "/mlflow/registered-models/alias", "Removes an alias", delete_alias},
    {"GET", "/mlflow/registered-models/alias", "The version behind an alias", get_by_alias},
    {"POST", "/mlflow/model-versions/create", "Makes a version of a model", create_version},
    {"GET", "/mlflow/model-versions/get", "A version of a model", get_version},
    {"PATCH", "/mlflow/model-versions/update", "Describes a version", update_version},
    {"POST", "/mlflow/model-versions/transition-stage", "Moves a version to a stage", transition_stage},
    {"DELETE", "/mlflow/model-versions/delete", "Deletes a version and its aliases", delete_version},
    {"GET", "/mlflow/model-versions/get-download-uri", "Where a version's files are", get_download_uri},
    {"GET", "/mlflow/model-versions/search", "Versions that a filter matches", search_versions},
    {"POST", "/mlflow/model-versions/set-tag", "Sets a tag of a version", set_version_tag},
    {"DELETE", "/mlflow/model-versions/delete-tag", "Removes a tag of a version", delete_version_tag},
};

}  // namespace

std::vector<http::Route> model_routes(RecordRooms& rooms) { return routes_of(rooms, kModelRows); }

}  // namespace trimtab::api
