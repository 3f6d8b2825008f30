// Where requests for predictions come in: MLflow's scoring protocol under /endpoints/{name}/invocations.
#pragma once

#include <vector>

#include "api/server_rooms.h"
#include "http/route.h"

namespace trimtab::api {

std::vector<http::Route> predict_routes(ServerRooms& rooms);

}  // namespace trimtab::api
