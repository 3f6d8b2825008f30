// What the caller of a request sees of the record, and how what they change is signed.
#include <set>

#include "api/access_rules.h"
#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"
#include "http/caller.h"

namespace trimtab::api {

registry::RegistryWriter writer(RecordRooms& rooms, const MlflowParameters& parameters) {
  registry::RegistryWriter by{rooms.home, rooms.clock};
  if (parameters.caller() != nullptr) by.actor = parameters.caller()->name();
  return by;
}

std::function<bool(std::int64_t id)> visible_experiments(const WhoAsks& caller) {
  if (caller == nullptr) return {};
  return [caller](std::int64_t id) { return caller->role_in(experiment_scope(id)) >= http::Role::viewer; };
}

Result<std::function<bool(const std::string& name)>> visible_models(RecordRooms& rooms,
                                                                    const WhoAsks& caller) {
  using Sees = std::function<bool(const std::string&)>;
  if (caller == nullptr) return Sees();
  // Those of projects that the caller may see; roles in the model itself are asked for one by one.
  std::set<std::string> of_projects;
  TRY(rooms.home.database().read([&](store::Connection& connection) -> Status {
    store::Statement row = connection.prepare(
        "SELECT model.name, experiment.id FROM registered_model AS model JOIN experiment ON experiment.name "
        "= "
        "model.project");
    while (TRY(row.step())) {
      if (caller->role_in(experiment_scope(row.integer(1))) >= http::Role::viewer)
        of_projects.insert(row.text(0));
    }
    return {};
  }));
  return Sees([caller, of_projects = std::move(of_projects)](const std::string& name) {
    return of_projects.contains(name) || caller->role_in(model_scope(name)) >= http::Role::viewer;
  });
}

}  // namespace trimtab::api
