// The places that asked to be told of changes, as MLflow's clients register them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "notify/outbox.h"
#include "store/home.h"

namespace trimtab::notify {

struct Webhook {
  std::string id;
  std::string name;
  std::string description;
  std::string url;
  std::string secret;
  bool is_active = true;
  std::vector<std::string> events;  // "model_version.created", in the order that they were given.
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
};

// What is to change; nothing leaves it as it is.
struct WebhookChange {
  std::optional<std::string> name, description, url, secret;
  std::optional<bool> is_active;
  std::vector<std::string> events;  // Empty: as they are.
};

// The events that there are, and an example of each one's data for the test of a webhook.
const std::vector<Event>& known_events();

// Called once, on the commit thread after the fsync; must be quick.
using WebhookWritten = std::function<void(Result<Webhook>)>;

// Thread-safe. Errors of all: invalid (name, url: see egress.h, events), not_found, in MLflow's words.
void create_webhook(store::Home& home, const base::Clock& clock, Webhook webhook, WebhookWritten done);
void change_webhook(store::Home& home, const base::Clock& clock, std::string id, WebhookChange change,
                    WebhookWritten done);
// What waits for it is not sent any more. The audit rows stay.
void delete_webhook(store::Home& home, const base::Clock& clock, std::string id,
                    std::function<void(Status)> done);
Result<Webhook> find_webhook(store::Home& home, const std::string& id);
// Newest first.
Result<std::vector<Webhook>> list_webhooks(store::Home& home, std::int64_t count_max, std::int64_t offset);

}  // namespace trimtab::notify
