// Where requests for predictions come in, in our own words and in those of other servers. Every dialect has a
// file here that turns its requests into infer()'s and words the answers; none knows anything of models.
#pragma once

#include <string>
#include <vector>

#include "api/server_rooms.h"
#include "http/route.h"

namespace trimtab::api {

// All dialects, on the server's own port.
std::vector<http::Route> predict_routes(ServerRooms& rooms, const std::string& version);

std::vector<http::Route> invocation_routes(ServerRooms& rooms);      // ours; also as boto3 calls it
std::vector<http::Route> what_if_routes(ServerRooms& rooms);         // a row and changes of it
std::vector<http::Route> mlflow_scoring_routes(ServerRooms& rooms);  // /ping, /invocations
std::vector<http::Route> multi_model_routes(ServerRooms& rooms);     // SageMaker's /models
std::vector<http::Route> open_inference_routes(ServerRooms& rooms, const std::string& version);  // /v2
std::vector<http::Route> vertex_routes(ServerRooms& rooms);      // /v1/…:predict
std::vector<http::Route> databricks_routes(ServerRooms& rooms);  // /serving-endpoints

// What a hosting platform tells the container that a server runs in; empty: it says nothing.
struct ContainerContract {
  std::string health_route;   // Vertex: AIP_HEALTH_ROUTE
  std::string predict_route;  // Vertex: AIP_PREDICT_ROUTE
};
std::vector<http::Route> vertex_container_routes(ServerRooms& rooms, const ContainerContract& contract);

// What a port offers that is for predictions alone: all dialects, /health and /version as MLflow's scoring
// server has them, and the paths that the platform asks for, which win over others of the same name.
std::vector<http::Route> container_routes(ServerRooms& rooms, const ContainerContract& contract,
                                          const std::string& version);

}  // namespace trimtab::api
