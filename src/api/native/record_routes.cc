// What the record tells and takes beyond MLflow's API.
#include "api/native/native_routes.h"
#include "registry/model_history.h"

namespace trimtab::api {
namespace {

Result<Json> history(RecordRooms& rooms, const std::string& model) {
  return registry::history_json(model, TRY(registry::model_history(rooms.home, model)));
}

Result<Json> heartbeat(RecordRooms& rooms, const std::string& run_id) {
  TRY(rooms.runs.heartbeat(run_id));
  return Json::object();
}

}  // namespace

std::vector<http::Route> record_routes(RecordRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  return {
      {.method = "GET",
       .path = "/api/v1/models/{name}/history",
       .summary = "Every alias, stage and champion of a model: when, by whom, why; also of deleted versions",
       .permission = http::Permission::open,
       .reply_schema = any,
       .handler =
           [&rooms](const http::Request& request, const http::ReplyPromise&) {
             return native_reply(history(rooms, request.path_values[0]));
           }},
      {.method = "POST",
       .path = "/api/v1/runs/{run_id}/heartbeat",
       .summary = "A sign of life of a run that has the tag trimtab.lease",
       .permission = http::Permission::open,
       .placement = http::Placement::io,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const http::Request& request, const http::ReplyPromise&) {
             return native_reply(heartbeat(rooms, request.path_values[0]));
           }},
  };
}

}  // namespace trimtab::api
