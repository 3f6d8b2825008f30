#include <algorithm>

#include "api/native/native_routes.h"
#include "heal/hand_rollback.h"
#include "heal/row_view.h"
#include "heal/version_approval.h"
#include "heal/watch_view.h"
#include "http/caller.h"
#include "registry/endpoints.h"
#include "registry/record.h"

namespace trimtab::api {
namespace {

constexpr TimeUs kCountingPatience = 2 * base::kSecondUs;

Json performance_json(store::Connection& connection, const std::string& endpoint) {
  Json list = Json::array();
  store::Statement row = connection.prepare(
      "SELECT batch, version, role, predictions, labels, metrics_json FROM batch_performance WHERE endpoint "
      "= ? "
      "ORDER BY batch DESC, role LIMIT 40");
  row.with(endpoint);
  for (Result<bool> more = row.step(); more && *more; more = row.step()) {
    const Result<Json> metrics = base::parse_json(row.text(5));
    Json entry = Json::object();
    entry.set("batch", base::format_time(row.integer(0)))
        .set("version", row.integer(1))
        .set("role", row.text(2));
    entry.set("predictions", row.integer(3)).set("labels", row.integer(4));
    list.push(entry.set("metrics", metrics ? *metrics : Json()));
  }
  return list;
}

Json traffic_json(const serve::Endpoint::Counters& counters) {
  Json traffic = Json::object();
  traffic.set("requests", counters.requests).set("rows", counters.rows).set("errors", counters.errors);
  return traffic.set("latency_us_p50", counters.latency_us_p50)
      .set("latency_us_p99", counters.latency_us_p99);
}

// How a version that runs beside the champion did on the same requests (serve/vitals.h).
Json pair_json(const serve::PairVitals& pair) {
  Json json = Json::object({{"champion", pair.served}, {"version", pair.other}});
  json.set("role", model::role_name(pair.role)).set("requests", pair.requests);
  json.set("champion_failed", pair.served_failed).set("version_failed", pair.other_failed);
  json.set("only_champion_failed", pair.only_served_failed)
      .set("only_version_failed", pair.only_other_failed);
  json.set("timed", pair.timed);
  const double timed = std::max(1.0, static_cast<double>(pair.timed));
  return json.set("champion_us", pair.served_us / timed).set("version_us", pair.other_us / timed);
}

// Whether requests are refused or repaired, and what is being repaired now.
Json contract_json(const serve::Endpoint& endpoint) {
  return endpoint.door() != nullptr ? endpoint.door()->view() : Json::object({{"mode", "refuse"}});
}

Json failures_json(const serve::Endpoint& endpoint) {
  Json failures = Json::array();
  for (const serve::VersionFailure& failure : endpoint.failures()) {
    failures.push(Json::object({{"version", failure.version},
                                {"role", model::role_name(failure.role)},
                                {"why", failure.why},
                                {"since", base::format_time(failure.since)}}));
  }
  return failures;
}

// What is known of the endpoint. A champion that does not load leaves its place to another version, and that
// is nobody's health: a person has to see to it.
Json facts_json(const registry::EndpointFacts& facts, const serve::Endpoint& endpoint) {
  Json json = facts.to_json();
  const std::vector<serve::VersionFailure> failures = endpoint.failures();
  const bool is_replaced =
      std::any_of(failures.begin(), failures.end(),
                  [](const serve::VersionFailure& failure) { return failure.role == model::Role::served; });
  if (is_replaced) json.set("health", "needs_attention");
  Json loaded = Json::array();
  for (const serve::VersionPlan& running : endpoint.running()) loaded.push(running.version);
  return json.set("loaded_versions", std::move(loaded));
}

Result<Json> endpoint_json(ServerRooms& rooms, const std::string& name) {
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(rooms.home, name));
  heal::Ward* ward = TRY(rooms.ward(name));
  Json json = facts_json(facts, ward->endpoint());
  Json versions = Json::array();
  for (const serve::VersionPlan& running : ward->endpoint().running()) {
    Json entry = Json::object({{"version", running.version}, {"role", model::role_name(running.role)}});
    if (running.role == model::Role::canary) entry.set("share", running.share);
    versions.push(entry);
  }
  const Json rollout =
      Json::object({{"running", versions}, {"do_not_load", failures_json(ward->endpoint())}});
  const project::LogRule& log = ward->declared().log;
  Json kept = Json::object({{"sample", log.sample}});
  if (log.keep) kept.set("keep", base::format_duration(*log.keep));
  json.set("rollout", rollout).set("log", std::move(kept));
  json.set("contract", contract_json(ward->endpoint()));
  json.set("traffic", traffic_json(ward->endpoint().counters()));
  json.set("waiting", TRY(heal::waiting_json(rooms.home, name)));
  Json beside = Json::array();
  for (const serve::PairVitals& pair : ward->vitals()) beside.push(pair_json(pair));
  json.set("side_by_side", std::move(beside));
  TRY(rooms.home.database().read([&](store::Connection& connection) -> Status {
    json.set("performance", performance_json(connection, name));
    return {};
  }));
  return json;
}

Result<Json> list_json(ServerRooms& rooms) {
  Json list = Json::array();
  for (const registry::EndpointFacts& facts : TRY(registry::list_endpoints(rooms.home))) {
    const Result<heal::Ward*> ward = rooms.ward(facts.name);
    Json entry = ward ? facts_json(facts, (*ward)->endpoint()) : facts.to_json();
    entry.set("waiting", TRY(heal::waiting_json(rooms.home, facts.name)));
    if (ward) {
      entry.set("contract", contract_json((*ward)->endpoint()));
      entry.set("do_not_load", failures_json((*ward)->endpoint()));
    }
    list.push(std::move(entry));
  }
  return Json::object({{"endpoints", std::move(list)}});
}

Result<Json> schema_json(ServerRooms& rooms, const std::string& name) {
  return TRY(rooms.ward(name))->endpoint().request_schema();
}

Result<Json> watch_json(ServerRooms& rooms, const http::Request& request) {
  const std::string& name = request.path_values[0];
  heal::Ward* ward = TRY(rooms.ward(name));
  const watch::WatchQuery query =
      TRY(watch::read_watch_query(TRY(request.query_value("window")), TRY(request.query_value("against"))));
  const std::optional<std::string> as_of = TRY(request.query_value("as_of"));
  const TimeUs now = as_of ? TRY(base::parse_time(*as_of)) : rooms.clock.now();
  const registry::EndpointFacts facts = TRY(registry::find_endpoint(rooms.home, name));
  if (!ward->recovery().wait(kCountingPatience)) {
    return fail(ErrorCode::busy,
                "what '" + name + "' answered before the server started is still being counted",
                "ask again a little later; predictions are answered meanwhile");
  }
  Json json = TRY(heal::watch_view(facts, ward->watcher(), query, now));
  if (TRY(request.query_value("rows")) == "true")
    json.set("row_by_row", TRY(heal::row_view(rooms.home, facts, ward->log(), query, now, ward->kept_out())));
  return json.set("traffic", traffic_json(ward->endpoint().counters()));
}

// The labels are acknowledged when they are durable, so the reply waits for the commit, and no thread does.
http::Answer accept_labels(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  if (!ward) return http::error_reply(ward.error());
  const Result<Json> body = base::parse_json(request.body);
  if (!body) return http::error_reply(body.error());
  Result<std::vector<watch::Label>> labels =
      watch::parse_labels(*body, (*ward)->options().binary, rooms.clock.now());
  if (!labels) return http::error_reply(labels.error());
  (*ward)->add_labels(std::move(*labels), [promise](Result<watch::LabelReport> report) mutable {
    if (!report) return promise.send(http::error_reply(report.error()));
    Json json = Json::object();
    json.set("accepted", report->accepted).set("repeated", report->repeated).set("revised", report->revised);
    promise.send(http::Reply::json(json));
  });
  return http::Pending{};
}

Result<heal::HandRollback> read_rollback(const http::Request& request) {
  heal::HandRollback wish;
  wish.endpoint = request.path_values[0];
  if (request.caller != nullptr) wish.actor = request.caller->name();
  if (request.body.empty()) return wish;
  const Json body = TRY(base::parse_json(request.body));
  const Json& to = body["to"];
  if (!to.is_null() && !to.is_int()) {
    return fail(ErrorCode::invalid, "'to' is no version: " + to.dump(), R"(send {"to":3,"reason":"why"})");
  }
  if (to.is_int()) wish.to = to.as_int();
  wish.reason = body.text_or("reason");
  return wish;
}

// Beside the loop, which may be training for minutes: whoever takes a version back does not want to wait for
// that. The record changes first, and the endpoint with it; the loop hears of it as soon as it has ears, and
// promotes nothing of an incident that was closed meanwhile.
http::Answer roll_back(ServerRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const Result<heal::Ward*> ward = rooms.ward(request.path_values[0]);
  if (!ward) return http::error_reply(ward.error());
  const Result<heal::HandRollback> wish = read_rollback(request);
  if (!wish) return http::error_reply(wish.error());
  const auto carry_out = [&rooms, ward = *ward, wish = *wish]() -> Result<Json> {
    heal::PolicyState kept = TRY(heal::kept_policy(rooms.home, wish.endpoint));
    const heal::RollbackReport report = TRY(heal::roll_back_by_hand(rooms.home, rooms.clock, wish, kept));
    rooms.healer.run(
        [&rooms, ward, report]() {
          return heal::adopt_rollback(rooms.home, rooms.clock, report, ward->policy());
        },
        [](const Status&) {});
    TRY(ward->swap());
    return report.to_json();
  };
  const bool is_taken =
      rooms.long_work->submit([carry_out, promise]() mutable { promise.send(native_reply(carry_out())); });
  if (is_taken) return http::Pending{};
  return http::error_reply(Error{ErrorCode::busy, "too many long requests are waiting",
                                 "send it again a little later", std::nullopt, nullptr});
}

}  // namespace

std::vector<http::Route> endpoint_routes(ServerRooms& rooms) {
  const Json any = Json::object({{"type", "object"}});
  using http::Permission;
  using http::Request;
  return {
      {.method = "GET",
       .path = "/api/v1/endpoints",
       .summary = "All endpoints with their champions and health",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](const Request&,
                           const http::ReplyPromise&) { return native_reply(list_json(rooms)); }},
      {.method = "GET",
       .path = "/api/v1/endpoints/{name}",
       .summary = "One endpoint: champion, challenger, health, traffic and labelled performance",
       .permission = Permission::open,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, const http::ReplyPromise&) {
             return native_reply(endpoint_json(rooms, request.path_values[0]));
           }},
      {.method = "GET",
       .path = "/api/v1/endpoints/{name}/schema",
       .summary = "The columns that a request may hold",
       .permission = Permission::open,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, const http::ReplyPromise&) {
             return native_reply(schema_json(rooms, request.path_values[0]));
           }},
      {.method = "GET",
       .path = "/api/v1/endpoints/{name}/watch",
       .summary = "How columns, answers and errors have moved; ?window=1d&against=baseline|season|previous&"
                  "rows=true",
       .permission = Permission::open,
       .reply_schema = any,
       .handler = [&rooms](const Request& request,
                           const http::ReplyPromise&) { return native_reply(watch_json(rooms, request)); }},
      {.method = "POST",
       .path = "/api/v1/endpoints/{name}/labels",
       .summary = "The truth about predictions, by their ids",
       .permission = Permission::clock,
       .request_schema = any,
       .reply_schema = any,
       .handler =
           [&rooms](const Request& request, http::ReplyPromise promise) {
             return accept_labels(rooms, request, std::move(promise));
           }},
      {.method = "POST",
       .path = "/api/v1/endpoints/{name}/rollback",
       .summary = "Makes an earlier version the champion again",
       .permission = Permission::token,
       .request_schema = any,
       .reply_schema = any,
       .handler = [&rooms](
                      const Request& request,
                      http::ReplyPromise promise) { return roll_back(rooms, request, std::move(promise)); }},
  };
}

}  // namespace trimtab::api
