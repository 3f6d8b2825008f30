// Trimtab's own API: endpoints, labels, rows of joined tables, incidents, the clock, apply.
#pragma once

#include <string>
#include <vector>

#include "api/mlflow/mlflow_routes.h"
#include "api/server_rooms.h"
#include "http/route.h"

namespace trimtab::api {

std::vector<http::Route> endpoint_routes(ServerRooms& rooms);   // endpoints, their schema and labels
std::vector<http::Route> table_routes(ServerRooms& rooms);      // rows that arrive
std::vector<http::Route> incident_routes(ServerRooms& rooms);   // incidents, and what is said to their plans
std::vector<http::Route> operation_routes(ServerRooms& rooms);  // clock, apply, status, audit

std::vector<http::Route> upkeep_routes(ServerRooms& rooms);  // gc, backup
std::vector<http::Route> record_routes(RecordRooms& rooms);  // histories of models, heartbeats of runs

// What was asked for, or the refusal.
http::Reply native_reply(const Result<Json>& json);

// /healthz, /readyz, /version, /openapi.json over all routes given.
std::vector<http::Route> service_routes(const std::vector<http::Route>& described,
                                        const std::string& version);

}  // namespace trimtab::api
