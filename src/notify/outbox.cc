#include "notify/outbox.h"

#include <utility>

#include "base/id.h"
#include "store/home.h"

namespace trimtab::notify {

using store::Connection;
using store::Statement;

namespace {

// A receiver that is gone for good must not fill the disk: what is beyond is given up at once.
constexpr std::int64_t kWaitingMax = 10'000;
// For how long what was given up can be looked at.
constexpr TimeUs kKeepFailed = 30 * base::kDayUs;

constexpr std::string_view kColumns =
    "SELECT d.sequence, d.id, coalesce(d.webhook_id, ''), coalesce(w.url, d.url), coalesce(w.secret, "
    "d.secret), d.event, d.body, d.created_us, d.due_us, d.attempts, d.last_error FROM delivery d LEFT JOIN "
    "webhook w ON w.id = d.webhook_id";

Delivery read_delivery(const Statement& row) {
  Delivery delivery;
  delivery.sequence = row.integer(0);
  delivery.id = row.text(1);
  delivery.webhook_id = row.text(2);
  delivery.url = row.text(3);
  delivery.secret = row.text(4);
  delivery.event = row.text(5);
  delivery.body = row.text(6);
  delivery.created = row.integer(7);
  if (!row.is_null(8)) delivery.due = row.integer(8);
  delivery.attempts = row.integer(9);
  delivery.last_error = row.text(10);
  return delivery;
}

Status queue(Connection& connection, TimeUs now, const std::string& webhook_id, const Receiver& receiver,
             const Event& event) {
  bool is_full = false;
  {
    Statement waiting = connection.prepare(
        "SELECT count(*) FROM delivery WHERE due_us IS NOT NULL AND webhook_id IS nullif(?, '') AND url = ?");
    CHECK(TRY(waiting.with(webhook_id, receiver.url).step()));
    is_full = waiting.integer(0) >= kWaitingMax;
  }
  Statement insert = connection.prepare(
      "INSERT INTO delivery (id, webhook_id, url, secret, event, body, created_us, due_us, last_error) "
      "VALUES (?, nullif(?, ''), ?, ?, ?, ?, ?, ?, ?)");
  insert.with(random_uuid(), webhook_id, receiver.url, receiver.secret, event.name(), event_body(event, now),
              now, now, "");
  if (is_full) insert.bind_null(7).bind(8, "too many are waiting for this receiver");
  return insert.run();
}

}  // namespace

std::string random_uuid() {
  std::string id = base::random_id();
  for (const std::size_t place : {20u, 16u, 12u, 8u}) id.insert(place, "-");
  return id;
}

std::string event_body(const Event& event, TimeUs now) {
  return Json::object({{"entity", event.entity},
                       {"action", event.action},
                       {"timestamp", base::format_time(now)},
                       {"data", event.data}})
      .dump();
}

Status announce(Connection& connection, TimeUs now, const Event& event) {
  std::vector<std::string> ids;
  {
    Statement row = connection.prepare(
        "SELECT w.id FROM webhook_event e JOIN webhook w ON w.id = e.webhook_id WHERE e.event = ? AND "
        "w.is_active = 1 ORDER BY w.id");
    row.with(event.name());
    while (TRY(row.step())) ids.push_back(row.text(0));
  }
  for (const std::string& id : ids) TRY(queue(connection, now, id, {}, event));
  return {};
}

Status announce_to(Connection& connection, TimeUs now, const Receiver& receiver, const Event& event) {
  return queue(connection, now, "", receiver, event);
}

Result<std::vector<Delivery>> due_deliveries(store::Home& home, TimeUs now, std::int64_t count_max) {
  static const std::string kSql =
      std::string(kColumns) + " WHERE d.due_us <= ? ORDER BY d.due_us, d.sequence LIMIT ?";
  std::vector<Delivery> due;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(kSql);
    row.with(now, count_max);
    while (TRY(row.step())) due.push_back(read_delivery(row));
    return {};
  }));
  return due;
}

Status note_delivered(store::Home& home, const Delivery& delivery) {
  return home.database().write([&](Connection& connection) -> Status {
    return connection.prepare("DELETE FROM delivery WHERE sequence = ?").with(delivery.sequence).run();
  });
}

Status note_failed(store::Home& home, const Delivery& delivery, std::optional<TimeUs> next,
                   std::string_view why) {
  return home.database().write([&](Connection& connection) -> Status {
    {
      Statement update = connection.prepare(
          "UPDATE delivery SET due_us = ?, attempts = attempts + 1, last_error = ? WHERE sequence = ?");
      update.bind_null(0).bind(1, why).bind(2, delivery.sequence);
      if (next) update.bind(0, *next);
      TRY(update.run());
    }
    if (next) {
      return connection
          .prepare(
              "UPDATE delivery SET due_us = max(due_us, ?) WHERE due_us IS NOT NULL AND sequence > ? AND "
              "webhook_id IS nullif(?, '') AND (webhook_id IS NOT NULL OR url = ?)")
          .with(*next, delivery.sequence, delivery.webhook_id, delivery.url)
          .run();
    }
    return connection.prepare("DELETE FROM delivery WHERE due_us IS NULL AND created_us < ?")
        .with(delivery.created - kKeepFailed)
        .run();
  });
}

Result<std::vector<Delivery>> list_deliveries(store::Home& home, std::int64_t count_max) {
  static const std::string kSql = std::string(kColumns) + " ORDER BY d.sequence LIMIT ?";
  std::vector<Delivery> all;
  TRY(home.database().read([&](Connection& connection) -> Status {
    Statement row = connection.prepare(kSql);
    row.with(count_max);
    while (TRY(row.step())) all.push_back(read_delivery(row));
    return {};
  }));
  return all;
}

}  // namespace trimtab::notify
