#include "api/route_list.h"

#include "api/native/native_routes.h"
#include "api/predict/predict_routes.h"

namespace trimtab::api {

std::vector<http::Route> all_routes(ServerRooms& rooms, RecordRooms& record, PeopleRooms& people,
                                    const std::string& version) {
  std::vector<http::Route> routes = predict_routes(rooms, version);
  for (auto part :
       {what_if_routes(rooms),   endpoint_routes(rooms), table_routes(rooms),    operation_routes(rooms),
        incident_routes(rooms),  upkeep_routes(rooms),   record_routes(record),  experiment_routes(record),
        run_routes(record),      metric_routes(record),  model_routes(record),   logged_model_routes(record),
        artifact_routes(record), trace_routes(record),   otlp_routes(record),    webhook_routes(record),
        server_routes(record),   people_routes(people),  session_routes(people), user_routes(people),
        oidc_routes(people)}) {
    routes.insert(routes.end(), part.begin(), part.end());
  }
  const std::vector<http::Route> service = service_routes(routes, version);
  routes.insert(routes.end(), service.begin(), service.end());
  return routes;
}

}  // namespace trimtab::api
