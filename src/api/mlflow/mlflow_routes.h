// The tracking, registry and artifact API that every MLflow client speaks (3.17.2), a function a group.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/route.h"
#include "registry/run_book.h"
#include "store/home.h"

namespace trimtab::api {

// What the routes work with; outlives them.
struct RecordRooms {
  store::Home& home;
  const base::Clock& clock;
  registry::RunBook& runs;
};

std::vector<http::Route> experiment_routes(RecordRooms& rooms);
std::vector<http::Route> run_routes(RecordRooms& rooms);  // Metrics, params, tags, inputs, outputs, search.
std::vector<http::Route> metric_routes(RecordRooms& rooms);  // History, bulk, sampled.
std::vector<http::Route> model_routes(RecordRooms& rooms);   // Registered models, versions, aliases, stages.
std::vector<http::Route> logged_model_routes(RecordRooms& rooms);
std::vector<http::Route> artifact_routes(RecordRooms& rooms);  // The proxy, and listing by run.
std::vector<http::Route> server_routes(RecordRooms& rooms);    // server-info, health.

// How a path or method that no route has is refused to an MLflow client; nothing when the path is not of its
// API. For http::ServerOptions::no_route.
std::optional<http::Reply> mlflow_no_route(std::string_view path, const Error& error, int status);

}  // namespace trimtab::api
