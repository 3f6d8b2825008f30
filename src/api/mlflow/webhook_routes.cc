// MLflow's webhooks: who asked to be told of what. What is told, and the telling, is notify/.
#include <algorithm>

#include "api/mlflow/route_rows.h"
#include "notify/courier.h"
#include "notify/webhooks.h"

namespace trimtab::api {
namespace {

using notify::Webhook;

constexpr std::int64_t kListed = 100;
constexpr std::int64_t kListedMax = 1000;

std::string in_case(std::string text, char from, char to, int shift) {
  for (char& c : text) c = c >= from && c <= to ? static_cast<char>(c + shift) : c;
  return text;
}
std::string lower(std::string text) { return in_case(std::move(text), 'A', 'Z', 'a' - 'A'); }
std::string upper(std::string text) { return in_case(std::move(text), 'a', 'z', 'A' - 'a'); }

Json webhook_json(const Webhook& webhook) {
  Json events = Json::array();
  for (const std::string& event : webhook.events) {
    const std::size_t dot = event.find('.');
    events.push(
        Json::object({{"entity", upper(event.substr(0, dot))}, {"action", upper(event.substr(dot + 1))}}));
  }
  Json json = Json::object({{"webhook_id", webhook.id}, {"name", webhook.name}});
  if (!webhook.description.empty()) json.set("description", webhook.description);
  json.set("url", webhook.url).set("events", std::move(events));
  json.set("status", webhook.is_active ? "ACTIVE" : "DISABLED");
  return json.set("creation_timestamp", webhook.created_ms).set("last_updated_timestamp", webhook.updated_ms);
}

http::Reply webhook_reply(const Result<Webhook>& webhook) {
  if (!webhook) return mlflow_error(webhook.error());
  return http::Reply::json(Json::object({{"webhook", webhook_json(*webhook)}}));
}

notify::WebhookWritten send_webhook(http::ReplyPromise promise) {
  return [promise](const Result<Webhook>& webhook) mutable { promise.send(webhook_reply(webhook)); };
}

// {"entity":"MODEL_VERSION","action":"CREATED"} → "model_version.created"
Result<std::string> read_event(Parameters event) {
  const std::string entity = TRY(event.find_text("entity")).value_or("");
  return lower(entity) + "." + lower(TRY(event.find_text("action")).value_or(""));
}

Result<std::vector<std::string>> read_events(Parameters parameters) {
  std::vector<std::string> events;
  for (Parameters event : TRY(parameters.entries("events"))) {
    std::string name = TRY(read_event(event));
    if (std::find(events.begin(), events.end(), name) == events.end()) events.push_back(std::move(name));
  }
  return events;
}

Result<std::optional<bool>> read_active(Parameters parameters) {
  const std::optional<std::string> status = TRY(parameters.find_text("status"));
  if (!status || *status == "ACTIVE" || *status == "DISABLED") {
    return status ? std::optional(*status == "ACTIVE") : std::nullopt;
  }
  return fail(invalid_parameter("status", *status, "It must be one of ACTIVE and DISABLED."));
}

Result<http::Answer> create(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise promise) {
  Webhook webhook;
  webhook.name = TRY(parameters.text("name"));
  webhook.url = TRY(parameters.text("url"));
  TRY(parameters.require("events"));
  webhook.events = TRY(read_events(parameters));
  webhook.description = TRY(parameters.find_text("description")).value_or("");
  webhook.secret = TRY(parameters.find_text("secret")).value_or("");
  webhook.is_active = TRY(read_active(parameters)).value_or(true);
  notify::create_webhook(rooms.home, rooms.clock, std::move(webhook), send_webhook(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> list(RecordRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  std::int64_t wanted = TRY(parameters.find_integer("max_results")).value_or(0);
  if (wanted == 0) wanted = kListed;
  if (wanted < 1 || wanted > kListedMax) {
    return fail(ErrorCode::invalid, "max_results must be between 1 and 1000.");
  }
  const std::int64_t offset = TRY(page_offset(TRY(parameters.find_text("page_token"))));
  std::vector<Webhook> webhooks = TRY(notify::list_webhooks(rooms.home, wanted + 1, offset));
  const bool has_more = static_cast<std::int64_t>(webhooks.size()) > wanted;
  if (has_more) webhooks.pop_back();
  Json json = Json::object();
  Json found = Json::array();
  for (const Webhook& webhook : webhooks) found.push(webhook_json(webhook));
  if (!webhooks.empty()) json.set("webhooks", std::move(found));
  if (has_more) json.set("next_page_token", page_token(offset + wanted));
  return http::Reply::json(json);
}

Result<http::Answer> get(RecordRooms& rooms, Parameters, Request request, http::ReplyPromise) {
  return webhook_reply(notify::find_webhook(rooms.home, request.path_values[0]));
}

Result<http::Answer> update(RecordRooms& rooms, Parameters parameters, Request request,
                            http::ReplyPromise promise) {
  notify::WebhookChange change;
  const std::string name = TRY(parameters.find_text("name")).value_or("");
  const std::string url = TRY(parameters.find_text("url")).value_or("");
  if (!name.empty()) change.name = name;
  if (!url.empty()) change.url = url;
  change.description = TRY(parameters.find_text("description"));
  change.events = TRY(read_events(parameters));
  change.secret = TRY(parameters.find_text("secret"));
  change.is_active = TRY(read_active(parameters));
  notify::change_webhook(rooms.home, rooms.clock, request.path_values[0], std::move(change),
                         send_webhook(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> remove(RecordRooms& rooms, Parameters, Request request, http::ReplyPromise promise) {
  notify::delete_webhook(rooms.home, rooms.clock, request.path_values[0],
                         [promise](const Status& status) mutable { promise.send(mlflow_reply(status)); });
  return http::Pending{};
}

http::Reply trial_reply(const Result<notify::Answer>& answer) {
  Json result = Json::object({{"success", answer && answer->status < 400}});
  if (answer) {
    result.set("response_status", answer->status).set("response_body", answer->body);
  } else {
    result.set("error_message", "Failed to test webhook: " + answer.error().message);
  }
  return http::Reply::json(Json::object({{"result", std::move(result)}}));
}

// Sends an example of one of its events.
Result<http::Answer> test(RecordRooms& rooms, Parameters parameters, Request request,
                          http::ReplyPromise promise) {
  const std::optional<MlflowParameters> given = TRY(parameters.member("event"));
  const Webhook webhook = TRY(notify::find_webhook(rooms.home, request.path_values[0]));
  const std::string name = given ? TRY(read_event(*given)) : webhook.events.front();
  for (const notify::Event& event : notify::known_events()) {
    if (event.name() != name) continue;
    rooms.courier.try_out(
        {webhook.url, webhook.secret}, event,
        [promise](const Result<notify::Answer>& answer) mutable { promise.send(trial_reply(answer)); });
    return http::Pending{};
  }
  return fail(ErrorCode::invalid, "Invalid action for entity: there is no event '" + name + "'");
}

constexpr RouteRow kWebhookRows[] = {
    {"POST", "/mlflow/webhooks", "Registers a webhook", create},
    {"GET", "/mlflow/webhooks", "The webhooks, newest first", list},
    {"GET", "/mlflow/webhooks/{webhook_id}", "A webhook", get},
    {"PATCH", "/mlflow/webhooks/{webhook_id}", "Changes a webhook", update},
    {"DELETE", "/mlflow/webhooks/{webhook_id}", "Deletes a webhook and what waits for it", remove},
    {"POST", "/mlflow/webhooks/{webhook_id}/test", "Sends an example to a webhook", test},
};

}  // namespace

std::vector<http::Route> webhook_routes(RecordRooms& rooms) { return routes_of(rooms, kWebhookRows); }

}  // namespace trimtab::api
