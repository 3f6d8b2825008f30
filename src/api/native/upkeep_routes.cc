// What keeps a home in order by hand: gc and backup, done by the server that owns it.
#include "api/native/native_routes.h"

namespace trimtab::api {
namespace {

http::Answer upkeep(ServerRooms& rooms, const char* task, const http::Request& request,
                    http::ReplyPromise promise) {
  const Result<Json> wish =
      request.body.empty() ? Result<Json>(Json::object()) : base::parse_json(request.body);
  if (!wish) return http::error_reply(wish.error());
  rooms.upkeep(task, *wish, [promise](const Result<Json>& report) mutable {
    promise.send(report ? http::Reply::json(*report) : http::error_reply(report.error()));
  });
  return http::Pending{};
}

}  // namespace

std::vector<http::Route> upkeep_routes(ServerRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  using http::Permission;
  using http::Request;
  return {
      {.method = "POST",
       .path = "/api/v1/gc",
       .summary = "Removes for good what was deleted, and gives its space back",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, http::ReplyPromise promise) {
             return upkeep(rooms, "gc", request, std::move(promise));
           }},
      {.method = "POST",
       .path = "/api/v1/backup",
       .summary = "Copies the home to a folder of the server's machine",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, http::ReplyPromise promise) {
             return upkeep(rooms, "backup", request, std::move(promise));
           }},
  };
}

}  // namespace trimtab::api
