// What is to be told to the world: queued in the transaction of the change that it tells, so that neither is
// there without the other, and sent afterwards by the Courier until the receiver has taken it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"

namespace trimtab::store {
class Connection;
class Home;
}  // namespace trimtab::store

namespace trimtab::notify {

struct Event {
  std::string entity;  // "model_version", "incident"
  std::string action;  // "created"
  Json data;

  std::string name() const { return entity + "." + action; }
};

// A place that is no registered webhook: what a project file names under heal.notify.
struct Receiver {
  std::string url;  // Refused by the courier, and kept as undeliverable, when the egress policy forbids it.
  std::string secret;  // Signs what is sent; "": unsigned.
};

// Random, as MLflow's ids of webhooks and deliveries are: 8-4-4-4-12 hexadecimal digits.
std::string random_uuid();

// The body that receivers get: {"entity","action","timestamp","data"}, as MLflow's webhooks have it.
std::string event_body(const Event& event, TimeUs now);

// Call inside the write that makes the change. The first is for every active webhook that asked for this
// event, the second for one receiver. Nobody who asked: nothing is written.
Status announce(store::Connection& connection, TimeUs now, const Event& event);
Status announce_to(store::Connection& connection, TimeUs now, const Receiver& receiver, const Event& event);

// Something that is to be sent, or could not be.
struct Delivery {
  std::int64_t sequence = 0;
  std::string id;          // The same in every attempt.
  std::string webhook_id;  // "": of none.
  std::string url, secret;
  std::string event;
  std::string body;
  TimeUs created = 0;
  std::optional<TimeUs> due;  // Nothing: given up.
  std::int64_t attempts = 0;
  std::string last_error;
};

// For the courier: those that are due, oldest first, and what became of one. A receiver that did not take one
// gets none of its others before `next`. Nothing as `next`: this one is given up.
Result<std::vector<Delivery>> due_deliveries(store::Home& home, TimeUs now, std::int64_t count_max);
Status note_delivered(store::Home& home, const Delivery& delivery);
Status note_failed(store::Home& home, const Delivery& delivery, std::optional<TimeUs> next,
                   std::string_view why);
// All that is waiting or was given up, oldest first.
Result<std::vector<Delivery>> list_deliveries(store::Home& home, std::int64_t count_max);

}  // namespace trimtab::notify
