#include "notify/webhooks.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "notify/egress.h"
#include "store/audit.h"

namespace trimtab::notify {

using store::Connection;
using store::Statement;

namespace {

constexpr std::size_t kNameMax = 63;
constexpr std::string_view kSelect =
    "SELECT id, name, description, url, secret, is_active, created_ms, updated_ms FROM webhook";

tl::unexpected<Error> invalid_webhook(std::string message) {
  return fail(ErrorCode::invalid, std::move(message));
}

Status check_name(const std::string& name) {
  const auto is_edge = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool is_fine = !name.empty() && name.size() <= kNameMax && is_edge(name.front()) &&
                       is_edge(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
                         return is_edge(c) || c == '.' || c == '_' || c == '-';
                       });
  if (is_fine) return {};
  return invalid_webhook(
      "Webhook name '" + name +
      "' is invalid. It must start and end with a letter or digit, be less than 63 characters long, "
      "and contain only letters, digits, dots (.), underscores (_), and hyphens (-).");
}

Status check_url(const store::Home& home, const std::string& text) {
  const Url url = TRY(parse_url(text));
  return TRY(Egress::read(home.folder())).check(url);
}

Status check_event(const std::string& event) {
  const std::vector<Event>& known = known_events();
  const bool is_known =
      std::any_of(known.begin(), known.end(), [&](const Event& one) { return one.name() == event; });
  if (is_known) return {};
  const std::size_t dot = event.find('.');
  const std::string entity = event.substr(0, dot);
  std::string actions;
  for (const Event& one : known) {
    if (one.entity == entity) actions += (actions.empty() ? "'" : ", '") + one.action + "'";
  }
  return invalid_webhook("Invalid action '" + (dot == std::string::npos ? "" : event.substr(dot + 1)) +
                         "' for entity '" + entity + "'. Valid actions are: [" + actions + "]");
}

Status check_webhook(const store::Home& home, const Webhook& webhook) {
  TRY(check_name(webhook.name));
  TRY(check_url(home, webhook.url));
  if (webhook.events.empty())
    return invalid_webhook("Webhook events must be a non-empty list of WebhookEvent objects: [].");
  for (const std::string& event : webhook.events) TRY(check_event(event));
  return {};
}

Result<std::vector<std::string>> select_events(Connection& connection, const std::string& id) {
  std::vector<std::string> events;
  Statement row = connection.prepare("SELECT event FROM webhook_event WHERE webhook_id = ? ORDER BY place");
  row.with(id);
  while (TRY(row.step())) events.push_back(row.text(0));
  return events;
}

Webhook read_webhook(const Statement& row) {
  Webhook webhook;
  webhook.id = row.text(0);
  webhook.name = row.text(1);
  webhook.description = row.text(2);
  webhook.url = row.text(3);
  webhook.secret = row.text(4);
  webhook.is_active = row.integer(5) != 0;
  webhook.created_ms = row.integer(6);
  webhook.updated_ms = row.integer(7);
  return webhook;
}

Result<Webhook> select_webhook(Connection& connection, const std::string& id) {
  static const std::string kSql = std::string(kSelect) + " WHERE id = ?";
  Webhook webhook;
  {
    Statement row = connection.prepare(kSql);
    if (!TRY(row.with(id).step())) return fail(ErrorCode::not_found, "Webhook with ID " + id + " not found.");
    webhook = read_webhook(row);
  }
  webhook.events = TRY(select_events(connection, id));
  return webhook;
}

Status write_webhook(Connection& connection, const Webhook& webhook, TimeUs now, std::string_view action) {
  TRY(connection
          .prepare(
              "INSERT INTO webhook (id, name, description, url, secret, is_active, created_ms, updated_ms) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
              "description = excluded.description, url = excluded.url, secret = excluded.secret, "
              "is_active = excluded.is_active, updated_ms = excluded.updated_ms")
          .with(webhook.id, webhook.name, webhook.description, webhook.url, webhook.secret,
                webhook.is_active ? 1 : 0, webhook.created_ms, webhook.updated_ms)
          .run());
  TRY(connection.prepare("DELETE FROM webhook_event WHERE webhook_id = ?").with(webhook.id).run());
  Json events = Json::array();
  for (const std::string& event : webhook.events) {
    TRY(connection.prepare("INSERT OR IGNORE INTO webhook_event (webhook_id, event, place) VALUES (?, ?, ?)")
            .with(webhook.id, event, static_cast<std::int64_t>(events.as_array().size()))
            .run());
    events.push(event);
  }
  const Json detail =
      Json::object({{"name", webhook.name}, {"active", webhook.is_active}, {"events", std::move(events)}});
  return store::append_audit(connection, now, "mlflow client", action, "webhook/" + webhook.id,
                             detail.dump());
}

// Writes what `make` gives and hands it on when it is durable.
void write_and_tell(store::Home& home, std::string_view action, TimeUs now, WebhookWritten done,
                    std::function<Result<Webhook>(Connection&)> make) {
  auto written = std::make_shared<Webhook>();
  home.database().submit(
      [written, make = std::move(make), now, action](Connection& connection) -> Status {
        const Webhook webhook = TRY(make(connection));
        TRY(write_webhook(connection, webhook, now, action));
        *written = TRY(select_webhook(connection, webhook.id));
        return {};
      },
      [written, done = std::move(done)](const Status& status) {
        if (!status) return done(fail(status.error()));
        done(std::move(*written));
      });
}

}  // namespace

const std::vector<Event>& known_events() {
  static const std::vector<Event> kEvents = [] {
    const Json tags = Json::object({{"example_key", "example_value"}});
    const auto named = [](const char* name) { return Json::object({{"name", name}}); };
    const auto versioned = [&](const char* name) { return named(name).set("version", "1"); };
    const auto key = [](Json data) { return data.set("key", "example_key"); };
    const auto pair = [&](Json data) { return key(std::move(data)).set("value", "example_value"); };
    const auto alias = [&](const char* name) { return named(name).set("alias", "example_alias"); };
    const auto described = [&](Json data, const char* words) {
      return data.set("tags", tags).set("description", words);
    };
    return std::vector<Event>{
        {"registered_model", "created", described(named("example_model"), "An example registered model")},
        {"model_version", "created",
         described(versioned("example_model").set("source", "models:/123").set("run_id", "abcd1234abcd5678"),
                   "An example model version")},
        {"model_version_tag", "set", pair(versioned("example_model"))},
        {"model_version_tag", "deleted", key(versioned("example_model"))},
        {"model_version_alias", "created", alias("example_model").set("version", "1")},
        {"model_version_alias", "deleted", alias("example_model")},
        {"prompt", "created", described(named("example_prompt"), "An example prompt")},
        {"prompt_version", "created",
         described(versioned("example_prompt").set("template", "Hello {{name}}!"),
                   "An example prompt version")},
        {"prompt_tag", "set", pair(named("example_prompt"))},
        {"prompt_tag", "deleted", key(named("example_prompt"))},
        {"prompt_version_tag", "set", pair(versioned("example_prompt"))},
        {"prompt_version_tag", "deleted", key(versioned("example_prompt"))},
        {"prompt_alias", "created", alias("example_prompt").set("version", "1")},
        {"prompt_alias", "deleted", alias("example_prompt")},
        // Of this program alone.
        {"incident", "opened", Json::object({{"endpoint", "example"}, {"incident", 1}})},
        {"incident", "closed", Json::object({{"endpoint", "example"}, {"incident", 1}})}};
  }();
  return kEvents;
}

void create_webhook(store::Home& home, const base::Clock& clock, Webhook webhook, WebhookWritten done) {
  if (const Status valid = check_webhook(home, webhook); !valid) return done(fail(valid.error()));
  const TimeUs now = clock.now();
  webhook.id = random_uuid();
  webhook.created_ms = webhook.updated_ms = now / base::kMillisecondUs;
  write_and_tell(home, "webhook.create", now, std::move(done),
                 [webhook = std::move(webhook)](Connection&) -> Result<Webhook> { return webhook; });
}

void change_webhook(store::Home& home, const base::Clock& clock, std::string id, WebhookChange change,
                    WebhookWritten done) {
  const TimeUs now = clock.now();
  write_and_tell(home, "webhook.update", now, std::move(done),
                 [&home, id = std::move(id), change = std::move(change),
                  now](Connection& connection) -> Result<Webhook> {
                   Webhook webhook = TRY(select_webhook(connection, id));
                   if (change.name) webhook.name = *change.name;
                   if (change.description) webhook.description = *change.description;
                   if (change.secret) webhook.secret = *change.secret;
                   if (change.is_active) webhook.is_active = *change.is_active;
                   if (!change.events.empty()) webhook.events = change.events;
                   TRY(check_name(webhook.name));
                   for (const std::string& event : change.events) TRY(check_event(event));
                   if (change.url) {
                     webhook.url = *change.url;
                     TRY(check_url(home, webhook.url));
                   }
                   webhook.updated_ms = now / base::kMillisecondUs;
                   return webhook;
                 });
}

void delete_webhook(store::Home& home, const base::Clock& clock, std::string id,
                    std::function<void(Status)> done) {
  const TimeUs now = clock.now();
  home.database().submit(
      [id = std::move(id), now](Connection& connection) -> Status {
        const Webhook webhook = TRY(select_webhook(connection, id));
        TRY(connection.prepare("DELETE FROM webhook WHERE id = ?").with(id).run());
        return store::append_audit(connection, now, "mlflow client", "webhook.delete", "webhook/" + id,
                                   Json::object({{"name", webhook.name}}).dump());
      },
      std::move(done));
}

Result<Webhook> find_webhook(store::Home& home, const std::string& id) {
  Webhook webhook;
  TRY(home.database().read([&](Connection& connection) -> Status {
    webhook = TRY(select_webhook(connection, id));
    return {};
  }));
  return webhook;
}

Result<std::vector<Webhook>> list_webhooks(store::Home& home, std::int64_t count_max, std::int64_t offset) {
  static const std::string kSql = std::string(kSelect) + " ORDER BY created_ms DESC, id LIMIT ? OFFSET ?";
  std::vector<Webhook> webhooks;
  TRY(home.database().read([&](Connection& connection) -> Status {
    {
      Statement row = connection.prepare(kSql);
      row.with(count_max, offset);
      while (TRY(row.step())) webhooks.push_back(read_webhook(row));
    }
    for (Webhook& webhook : webhooks) webhook.events = TRY(select_events(connection, webhook.id));
    return {};
  }));
  return webhooks;
}

}  // namespace trimtab::notify
