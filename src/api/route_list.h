// Every route of a server: what is not in this list does not exist.
#pragma once

#include <string>
#include <vector>

#include "api/mlflow/mlflow_routes.h"
#include "api/native/people_office.h"
#include "api/server_rooms.h"
#include "http/route.h"

namespace trimtab::api {

// The rooms outlive the routes. Each declares its permission, or http::Router::make refuses them
// all and the server does not start.
std::vector<http::Route> all_routes(ServerRooms& rooms, RecordRooms& record, PeopleRooms& people,
                                    const std::string& version);

}  // namespace trimtab::api
