// Who may use which route, while people have to sign in: one table, so that it can be reviewed on one page. A
// route that the table does not name is for those who may administer the whole server.
#pragma once

#include <string>
#include <vector>

#include "api/mlflow/mlflow_routes.h"
#include "http/route.h"
#include "people/people.h"

namespace trimtab::api {

// What the rules look things up in; outlives the routes.
struct AccessRooms {
  RecordRooms& record;
  people::People& people;
  std::string project;  // Whose endpoints, tables and incidents this server shows; "": none.
};

// The same routes, each behind its rule: before the handler runs, the caller must have the rule's role for
// what the request is about. Errors of a request: forbidden, and what finding its subject says.
std::vector<http::Route> with_access(std::vector<http::Route> routes, AccessRooms& rooms);

// How the table says it, for the docs and the tests: "viewer of the run"; "anybody"; "admin of the server".
std::string access_text(const http::Route& route);

// A scope as people::People has it.
std::string experiment_scope(std::int64_t id);
std::string model_scope(const std::string& name);

}  // namespace trimtab::api
