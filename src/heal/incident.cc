#include "heal/incident.h"

#include <map>

namespace trimtab::heal {
namespace {

// The state that an event of a kind leads to; "outcome" leaves it as it is.
const std::map<std::string, std::string>& states() {
  static const std::map<std::string, std::string> table = {{"detected", "detected"},
                                                           {"verdict", "diagnosed"},
                                                           {"treatment", "treated"},
                                                           {"verified", "verified"},
                                                           {"closed", "closed"}};
  return table;
}

Status read_events(store::Connection& connection, Incident& incident) {
  store::Statement row = connection.prepare(
      "SELECT ordinal, time, kind, detail_json FROM incident_event WHERE incident = ? ORDER BY ordinal");
  row.with(incident.id);
  while (TRY(row.step())) {
    incident.events.push_back(
        {static_cast<int>(row.integer(0)), row.integer(1), row.text(2), TRY(base::parse_json(row.text(3)))});
  }
  if (incident.waiting_plan() != nullptr) incident.state = "waiting";
  return {};
}

Incident read_head(const store::Statement& row) {
  Incident incident;
  incident.id = row.integer(0);
  incident.endpoint = row.text(1);
  incident.state = row.text(2);
  incident.summary = row.text(3);
  incident.opened_at = row.integer(4);
  if (!row.is_null(5)) incident.closed_at = row.integer(5);
  return incident;
}

constexpr std::string_view kHead = "SELECT id, endpoint, state, summary, opened_at, closed_at FROM incident ";

}  // namespace

const IncidentEvent* Incident::unfinished_treatment() const {
  const IncidentEvent* open = nullptr;
  for (const IncidentEvent& event : events) {
    if (event.kind == "treatment") open = &event;
    if (event.kind == "outcome") open = nullptr;
  }
  return open;
}

const IncidentEvent* Incident::rollout() const {
  const IncidentEvent* newest = nullptr;
  for (const IncidentEvent& event : events) {
    if (event.kind == "treatment" || event.kind == "outcome") newest = nullptr;
    if (event.kind == "rollout") newest = &event;
  }
  return newest;
}

const IncidentEvent* Incident::waiting_plan() const {
  const IncidentEvent* waiting = nullptr;
  for (const IncidentEvent& event : events) {
    if (event.kind == "plan") waiting = &event;
    const bool ends = event.kind == "approved" || event.kind == "rejected" || event.kind == "treatment" ||
                      event.kind == "outcome" || event.kind == "closed";
    if (ends) waiting = nullptr;
  }
  return waiting;
}

const IncidentEvent* Incident::plan_set_aside() const {
  const IncidentEvent* aside = nullptr;
  for (const IncidentEvent& event : events) {
    if (event.kind == "plan") aside = event.detail["version"].is_int() ? &event : nullptr;
    if (event.kind == "approved" || event.kind == "rejected" || event.kind == "closed") aside = nullptr;
  }
  return waiting_plan() == aside ? nullptr : aside;
}

Json Incident::to_json() const {
  Json list = Json::array();
  for (const IncidentEvent& event : events) {
    Json entry = Json::object();
    entry.set("time", base::format_time(event.time)).set("kind", event.kind).set("detail", event.detail);
    if (event.kind == "plan") entry.set("plan", event.ordinal);
    list.push(std::move(entry));
  }
  Json json = Json::object();
  json.set("id", id).set("endpoint", endpoint).set("state", state).set("summary", summary);
  json.set("opened_at", base::format_time(opened_at));
  json.set("closed_at", closed_at ? Json(base::format_time(*closed_at)) : Json());
  return json.set("events", std::move(list));
}

Status append_event(store::Connection& connection, std::int64_t incident, const std::string& kind,
                    const Json& detail, TimeUs now) {
  TRY(connection
          .prepare("INSERT INTO incident_event (incident, ordinal, time, kind, detail_json) SELECT ?, "
                   "1 + coalesce(max(ordinal), 0), ?, ?, ? FROM incident_event WHERE incident = ?")
          .with(incident, now, kind, detail.dump(), incident)
          .run());
  const auto state = states().find(kind);
  if (state == states().end()) return {};
  TRY(connection.prepare("UPDATE incident SET state = ? WHERE id = ?").with(state->second, incident).run());
  if (kind != "closed") return {};
  return connection.prepare("UPDATE incident SET closed_at = ? WHERE id = ?").with(now, incident).run();
}

Result<std::int64_t> open_incident(store::Connection& connection, const std::string& endpoint,
                                   const std::string& summary, TimeUs now) {
  TRY(connection
          .prepare("INSERT INTO incident (endpoint, state, summary, opened_at) VALUES (?, 'detected', ?, ?)")
          .with(endpoint, summary, now)
          .run());
  return connection.last_insert_id();
}

Result<std::optional<Incident>> read_incident_row(store::Connection& connection, std::int64_t id) {
  std::optional<Incident> incident;
  {
    store::Statement row = connection.prepare(std::string(kHead) + "WHERE id = ?");
    if (TRY(row.with(id).step())) incident = read_head(row);
  }
  if (incident) TRY(read_events(connection, *incident));
  return incident;
}

Result<std::vector<Incident>> list_incidents(store::Connection& connection, const std::string& endpoint,
                                             bool open_only, int count_max) {
  std::vector<Incident> incidents;
  store::Statement row = connection.prepare(
      std::string(kHead) +
      "WHERE (?1 = '' OR endpoint = ?1) AND (?2 = 0 OR closed_at IS NULL) ORDER BY id DESC LIMIT ?3");
  row.with(endpoint, open_only ? 1 : 0, count_max);
  while (TRY(row.step())) incidents.push_back(read_head(row));
  for (Incident& incident : incidents) TRY(read_events(connection, incident));
  return incidents;
}

}  // namespace trimtab::heal
