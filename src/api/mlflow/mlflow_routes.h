// The tracking, registry and artifact API that every MLflow client speaks (3.17.2), a function a group.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/caller.h"
#include "http/route.h"
#include "notify/courier.h"
#include "registry/model_facts.h"
#include "registry/run_book.h"
#include "store/home.h"

namespace trimtab::api {

// What the routes work with; outlives them.
struct RecordRooms {
  store::Home& home;
  const base::Clock& clock;
  registry::RunBook& runs;
  notify::Courier& courier;
};

// What a search may show to a caller: everything while nobody has to sign in (empty, for null).
using WhoAsks = std::shared_ptr<const http::Caller>;
std::function<bool(std::int64_t id)> visible_experiments(const WhoAsks& caller);
Result<std::function<bool(const std::string& name)>> visible_models(RecordRooms& rooms,
                                                                    const WhoAsks& caller);

class MlflowParameters;
// Who changes the registry, for the audit.
registry::RegistryWriter writer(RecordRooms& rooms, const MlflowParameters& parameters);

std::vector<http::Route> experiment_routes(RecordRooms& rooms);
std::vector<http::Route> run_routes(RecordRooms& rooms);  // Metrics, params, tags, inputs, outputs, search.
std::vector<http::Route> metric_routes(RecordRooms& rooms);  // History, bulk, sampled.
std::vector<http::Route> model_routes(RecordRooms& rooms);   // Registered models, versions, aliases, stages.
std::vector<http::Route> logged_model_routes(RecordRooms& rooms);
std::vector<http::Route> artifact_routes(RecordRooms& rooms);  // The proxy, and listing by run.
std::vector<http::Route> trace_routes(RecordRooms& rooms);     // Traces, their tags and assessments.
std::vector<http::Route> otlp_routes(RecordRooms& rooms);      // Spans as OpenTelemetry sends them.
std::vector<http::Route> webhook_routes(RecordRooms& rooms);
std::vector<http::Route> server_routes(RecordRooms& rooms);  // server-info, health.

// How a path or method that no route has, and an address that is too long, is refused to an MLflow client;
// nothing when the path is not of its API. For http::ServerOptions::no_route.
std::optional<http::Reply> mlflow_no_route(std::string_view path, const Error& error, int status);

}  // namespace trimtab::api
