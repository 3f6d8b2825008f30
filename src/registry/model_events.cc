#include "registry/model_events.h"

#include <algorithm>
#include <utility>

#include "notify/outbox.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"

namespace trimtab::registry {

using store::Connection;

namespace {

constexpr std::string_view kPromptText = "mlflow.prompt.text";
constexpr std::string_view kPromptType = "_mlflow_prompt_type";

bool says_so(const std::vector<KeyValue>& tags) { return std::any_of(tags.begin(), tags.end(), says_prompt); }

Result<bool> is_prompt(Connection& connection, const std::string& name) {
  return says_so(TRY(select_model_tags(connection, name)));
}

// What makes a prompt of a model is no tag of the prompt.
Json tags_json(const std::vector<KeyValue>& tags, bool of_prompt) {
  Json json = Json::object();
  for (const KeyValue& tag : tags) {
    const bool is_ours = tag.key == kIsPromptTag || tag.key == kPromptType || tag.key == kPromptText;
    if (!of_prompt || !is_ours) json.set(tag.key, tag.value);
  }
  return json;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json with_value(Json data, const std::string& key, const std::optional<std::string>& value) {
  data.set("key", key);
  if (value) data.set("value", *value);
  return data;
}

}  // namespace

Status tell_model_created(Connection& connection, TimeUs now, const RegisteredModel& model) {
  const bool prompt = says_so(model.tags);
  Json data = Json::object({{"name", model.name}, {"tags", tags_json(model.tags, prompt)}});
  data.set("description", model.description);
  return notify::announce(connection, now,
                          {prompt ? "prompt" : "registered_model", "created", std::move(data)});
}

Status tell_version_created(Connection& connection, TimeUs now, const ModelVersion& version) {
  const bool prompt = TRY(is_prompt(connection, version.model));
  Json data = Json::object({{"name", version.model}, {"version", std::to_string(version.version)}});
  if (prompt) {
    data.set("template", Json());
    for (const KeyValue& tag : version.tags) {
      if (tag.key == kPromptText) data.set("template", tag.value);
    }
  } else {
    data.set("source", version.source).set("run_id", or_null(version.run_id.value_or("")));
  }
  data.set("tags", tags_json(version.tags, prompt));
  data.set("description", or_null(version.description.value_or("")));
  return notify::announce(connection, now,
                          {prompt ? "prompt_version" : "model_version", "created", std::move(data)});
}

Status tell_model_tag(Connection& connection, TimeUs now, const std::string& name, const std::string& key,
                      const std::optional<std::string>& value) {
  if (!TRY(is_prompt(connection, name))) return {};
  const Json data = with_value(Json::object({{"name", name}}), key, value);
  return notify::announce(connection, now, {"prompt_tag", value ? "set" : "deleted", data});
}

Status tell_version_tag(Connection& connection, TimeUs now, const std::string& name, std::int64_t version,
                        const std::string& key, const std::optional<std::string>& value) {
  const bool prompt = TRY(is_prompt(connection, name));
  const Json data =
      with_value(Json::object({{"name", name}, {"version", std::to_string(version)}}), key, value);
  return notify::announce(
      connection, now,
      {prompt ? "prompt_version_tag" : "model_version_tag", value ? "set" : "deleted", data});
}

Status tell_alias(Connection& connection, TimeUs now, const std::string& name, const std::string& alias,
                  std::optional<std::int64_t> version) {
  const bool prompt = TRY(is_prompt(connection, name));
  Json data = Json::object({{"name", name}, {"alias", alias}});
  if (version) data.set("version", std::to_string(*version));
  return notify::announce(
      connection, now,
      {prompt ? "prompt_alias" : "model_version_alias", version ? "created" : "deleted", data});
}

}  // namespace trimtab::registry
