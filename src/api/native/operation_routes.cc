#include "api/native/native_routes.h"
#include "api/native/people_office.h"
#include "flow/scoring_kit.h"
#include "store/audit.h"

namespace trimtab::api {
namespace {

Result<Json> audit_json(ServerRooms& rooms) {
  Json list = Json::array();
  TRY(rooms.home.database().read([&](store::Connection& connection) {
    return store::list_audit(connection, 1000, [&list](const store::AuditEntry& entry) {
      Json json = Json::object();
      json.set("sequence", entry.sequence)
          .set("time", base::format_time(entry.time))
          .set("actor", entry.actor);
      json.set("action", entry.action).set("object", entry.object);
      const Result<Json> detail = base::parse_json(entry.detail);
      list.push(json.set("detail", detail ? *detail : Json(entry.detail)));
    });
  }));
  return Json::object({{"audit", std::move(list)}});
}

// Answers when everything due by then has been decided.
http::Answer move_clock(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  if (!rooms.clock_is_manual) {
    return http::error_reply(Error{ErrorCode::invalid, "this server's clock cannot be moved",
                                   "start it with --clock manual", std::nullopt, nullptr});
  }
  const Result<Json> body = base::parse_json(request.body);
  if (!body) return http::error_reply(body.error());
  const Result<TimeUs> to = base::parse_time(body->text_or("to"));
  if (!to) {
    return http::error_reply(Error{ErrorCode::invalid, "'to' is no time: " + (*body)["to"].dump(),
                                   R"(send {"to":"2013-04-01T05:00:00Z"})", std::nullopt, nullptr});
  }
  rooms.healer.advance(*to, [&rooms, promise](const Status& status) mutable {
    if (!status) return promise.send(http::error_reply(status.error()));
    promise.send(http::Reply::json(Json::object({{"now", base::format_time(rooms.clock.now())}})));
  });
  return http::Pending{};
}

// The time of {"as_of":…}. Errors: invalid.
Result<std::optional<TimeUs>> read_as_of(const Json& body) {
  const std::string text = body.text_or("as_of");
  if (text.empty()) return std::optional<TimeUs>();
  return std::optional<TimeUs>(TRY(base::parse_time(text)));
}

// Errors: malformed, invalid (a time that is none), conflict (meant for the server of another project).
Result<std::optional<TimeUs>> read_apply(const ServerRooms& rooms, const http::Request& request) {
  if (request.body.empty()) return std::optional<TimeUs>();
  const Json body = TRY(base::parse_json(request.body));
  const std::string& own = rooms.projects.front().name;
  const std::string wanted = body.text_or("project", own);
  if (wanted == own) return read_as_of(body);
  return fail(ErrorCode::conflict,
              "the server of this home serves project '" + own + "', not '" + wanted + "'",
              "stop it, or use --home with another folder");
}

http::Answer apply(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const Result<std::optional<TimeUs>> read = read_apply(rooms, request);
  if (!read) return http::error_reply(read.error());
  const std::optional<TimeUs> as_of = *read;
  auto result = std::make_shared<Json>();
  rooms.healer.run(
      [&rooms, as_of, actor = actor_of(request), result]() -> Status {
        *result = TRY(rooms.apply(as_of, actor));
        return {};
      },
      [result, promise](const Status& status) mutable {
        promise.send(status ? http::Reply::json(*result) : http::error_reply(status.error()));
      });
  return http::Pending{};
}

Result<Json> plan_json(ServerRooms& rooms, const http::Request& request) {
  const Json body = TRY(base::parse_json(request.body));
  PlanWish wish;
  wish.text = body.text_or("text");
  wish.file = body.text_or("file", "trimtab.yaml");
  wish.folder = body.text_or("folder", rooms.projects.front().folder.string());
  wish.as_of = TRY(read_as_of(body));
  wish.only_check = body.bool_or("only_check");
  return rooms.preview(wish);
}

Result<Json> scoring_json(ServerRooms& rooms, const std::string& target) {
  return TRY(flow::find_scoring_kit(rooms.projects.front(), rooms.home, target)).to_json();
}

// What is not known yet of a source is found out by steps: beside the loop, which may be training.
http::Answer profile(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const bool is_taken = rooms.long_work->submit(
      [&rooms, name = request.path_values[0], promise = std::move(promise)]() mutable {
        promise.send(native_reply(rooms.profile(name)));
      });
  if (is_taken) return http::Pending{};
  return http::error_reply(Error{ErrorCode::busy, "too many long requests are waiting",
                                 "send it again a little later", std::nullopt, nullptr});
}

}  // namespace

http::Reply native_reply(const Result<Json>& json) {
  return json ? http::Reply::json(*json) : http::error_reply(json.error());
}

std::vector<http::Route> operation_routes(ServerRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  using http::Permission;
  using http::Request;
  return {
      {.method = "GET",
       .path = "/api/v1/audit",
       .summary = "The newest 1,000 rows of the audit chain",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](const Request&,
                           const http::ReplyPromise&) { return native_reply(audit_json(rooms)); }},
      {.method = "POST",
       .path = "/api/v1/clock",
       .summary = "Moves a manual clock; answers when all that is due by then has been decided",
       .permission = Permission::clock,
       .request_schema = any,
       .reply_schema = any,
       .handler = [&rooms](
                      const Request& request,
                      http::ReplyPromise promise) { return move_clock(rooms, request, std::move(promise)); }},
      {.method = "POST",
       .path = "/api/v1/apply",
       .summary = "Makes the actual state the declared one",
       .permission = Permission::clock,
       .request_schema = any,
       .reply_schema = any,
       .handler = [&rooms](const Request& request,
                           http::ReplyPromise promise) { return apply(rooms, request, std::move(promise)); }},
      {.method = "POST",
       .path = "/api/v1/plan",
       .summary = "What applying a project file would do, and why",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler = [&rooms](const Request& request,
                           const http::ReplyPromise&) { return native_reply(plan_json(rooms, request)); }},
      {.method = "GET",
       .path = "/api/v1/tables/{name}/profile",
       .summary = "What is known of each column of a table or source",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](
                      const Request& request,
                      http::ReplyPromise promise) { return profile(rooms, request, std::move(promise)); }},
      {.method = "GET",
       .path = "/api/v1/scoring/{target}",
       .summary = "What scoring files with an endpoint or a model's version takes",
       .permission = Permission::token,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, const http::ReplyPromise&) {
             return native_reply(scoring_json(rooms, request.path_values[0]));
           }},
  };
}

}  // namespace trimtab::api
