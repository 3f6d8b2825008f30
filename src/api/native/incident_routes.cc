// Incidents, and what a person says to a plan that waits (heal/approval.h).
#include <charconv>

#include "api/native/native_routes.h"
#include "heal/approval.h"
#include "heal/incident.h"
#include "http/caller.h"

namespace trimtab::api {
namespace {

Result<Json> incidents_json(ServerRooms& rooms, const http::Request& request) {
  const std::optional<std::string> endpoint = TRY(request.query_value("endpoint"));
  Json list = Json::array();
  TRY(rooms.home.database().read([&](store::Connection& connection) -> Status {
    for (const heal::Incident& incident :
         TRY(heal::list_incidents(connection, endpoint.value_or(""), false))) {
      list.push(incident.to_json());
    }
    return {};
  }));
  return Json::object({{"incidents", std::move(list)}});
}

// The number in the path. Errors: not_found.
Result<std::int64_t> incident_of(const http::Request& request) {
  const std::string& text = request.path_values[0];
  std::int64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure == std::errc() && end == text.data() + text.size()) return id;
  return fail(ErrorCode::not_found, "there is no incident '" + text + "'", "`trimtab incidents` lists them");
}

Result<Json> incident_json(ServerRooms& rooms, const http::Request& request) {
  return TRY(heal::find_incident(rooms.home, TRY(incident_of(request)))).to_json();
}

// `project`: in which a caller has the role that a plan may ask for.
Result<heal::PlanDecision> read_decision(const http::Request& request, const std::string& project,
                                         bool approves) {
  heal::PlanDecision wish;
  wish.incident = TRY(incident_of(request));
  wish.approves = approves;
  if (request.caller != nullptr) {
    wish.actor = request.caller->name();
    wish.role = request.caller->role_in(project);
  }
  if (request.body.empty()) return wish;
  const Json body = TRY(base::parse_json(request.body));
  const Json& plan = body["plan"];
  if (!plan.is_null() && !plan.is_int()) {
    return fail(ErrorCode::invalid, "'plan' is no number: " + plan.dump(),
                R"(send {"plan":3,"reason":"why"})");
  }
  if (plan.is_int()) wish.plan = plan.as_int();
  wish.reason = body.text_or("reason");
  return wish;
}

// On the loop's thread, which goes on with what was approved at once.
http::Answer decide_plan(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise,
                         bool approves) {
  const std::string project = rooms.projects.empty() ? "" : rooms.projects.front().name;
  const Result<heal::PlanDecision> wish = read_decision(request, project, approves);
  if (!wish) return http::error_reply(wish.error());
  const Result<std::string> endpoint = heal::endpoint_of_incident(rooms.home, wish->incident);
  if (!endpoint) return http::error_reply(endpoint.error());
  const Result<heal::Ward*> ward = rooms.ward(*endpoint);
  if (!ward) return http::error_reply(ward.error());
  auto report = std::make_shared<Json>();
  rooms.healer.run(
      [&rooms, ward = *ward, wish = *wish, report]() -> Status {
        *report = TRY(heal::decide_on_plan(rooms.home, rooms.clock, wish, ward->policy())).to_json();
        return {};
      },
      [&rooms, report, promise](const Status& status) mutable {
        if (status) rooms.healer.look([](const Status&) {});
        promise.send(status ? http::Reply::json(*report) : http::error_reply(status.error()));
      });
  return http::Pending{};
}

}  // namespace

std::vector<http::Route> incident_routes(ServerRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  using http::Permission;
  using http::Request;
  return {
      {.method = "GET",
       .path = "/api/v1/incidents",
       .summary = "Incidents with their journals, newest first",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](
                      const Request& request,
                      const http::ReplyPromise&) { return native_reply(incidents_json(rooms, request)); }},
      {.method = "GET",
       .path = "/api/v1/incidents/{id}",
       .summary = "One incident with its journal; a plan that waits for approval has its number",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](
                      const Request& request,
                      const http::ReplyPromise&) { return native_reply(incident_json(rooms, request)); }},
      {.method = "POST",
       .path = "/api/v1/incidents/{id}/approve",
       .summary = "Has the plan of an incident carried out that waits for approval",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, http::ReplyPromise promise) {
             return decide_plan(rooms, request, std::move(promise), true);
           }},
      {.method = "POST",
       .path = "/api/v1/incidents/{id}/reject",
       .summary = "Turns down the plan of an incident that waits for approval",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, http::ReplyPromise promise) {
             return decide_plan(rooms, request, std::move(promise), false);
           }},
  };
}

}  // namespace trimtab::api
