#include "api/predict/predict_routes.h"

namespace trimtab::api {

std::vector<http::Route> predict_routes(ServerRooms& rooms, const std::string& version) {
  std::vector<http::Route> routes = invocation_routes(rooms);
  for (auto part : {mlflow_scoring_routes(rooms), multi_model_routes(rooms),
                    open_inference_routes(rooms, version), vertex_routes(rooms), databricks_routes(rooms)}) {
    routes.insert(routes.end(), part.begin(), part.end());
  }
  return routes;
}

}  // namespace trimtab::api
