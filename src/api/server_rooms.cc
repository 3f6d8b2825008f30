#include "api/server_rooms.h"

#include "base/diagnostics.h"

namespace trimtab::api {

Result<heal::Ward*> ServerRooms::ward(const std::string& endpoint) const {
  std::vector<std::string> names;
  for (const std::unique_ptr<heal::Ward>& ward : wards) {
    if (ward->name() == endpoint) return ward.get();
    names.push_back(ward->name());
  }
  std::string hint = base::did_you_mean(endpoint, names);
  if (hint.empty()) hint = "GET /api/v1/endpoints lists them";
  return fail(ErrorCode::not_found, "there is no endpoint '" + endpoint + "'", hint);
}

const project::Project* ServerRooms::project_of_source(const std::string& source) const {
  for (const project::Project& project : projects) {
    if (project.find_source(source) != nullptr) return &project;
  }
  return nullptr;
}

}  // namespace trimtab::api
