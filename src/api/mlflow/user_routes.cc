// MLflow's users and permissions, as its AuthServiceClient (3.17.2) speaks of them. Its permissions are roles
// here: READ and USE a viewer's, EDIT an editor's, MANAGE an admin's. Its named roles have no counterpart;
// groups do their work.
#include <array>

#include "api/mlflow/wire.h"
#include "api/native/people_office.h"
#include "base/log.h"
#include "http/caller.h"
#include "people/password.h"

namespace trimtab::api {
namespace {

using http::Role;
using people::Person;

struct PermissionName {
  std::string_view name;
  Role role;
};

constexpr std::array kPermissions = {
    PermissionName{"MANAGE", Role::admin},        PermissionName{"EDIT", Role::editor},
    PermissionName{"USE", Role::viewer},          PermissionName{"READ", Role::viewer},
    PermissionName{"NO_PERMISSIONS", Role::none}, PermissionName{"DENY", Role::none},
};

std::string_view permission_of(Role role) {
  if (role == Role::admin) return "MANAGE";
  if (role >= Role::editor) return "EDIT";
  return role == Role::viewer ? "READ" : "NO_PERMISSIONS";
}

Result<Role> read_permission(const MlflowParameters& parameters) {
  const std::string name = TRY(parameters.text("permission"));
  for (const PermissionName& known : kPermissions) {
    if (known.name == name) return known.role;
  }
  return fail(ErrorCode::invalid,
              "Invalid permission '" + name +
                  "'. Valid permissions are: ('READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS')");
}

Json user_json(const Person& person) {
  return Json::object(
      {{"id", person.created_at}, {"username", person.name}, {"is_admin", person.is_admin()}});
}

Result<std::shared_ptr<const Person>> find_user(PeopleRooms& rooms, const std::string& name) {
  const auto person = rooms.people.roster()->find_person(name);
  if (person) return *person;
  return fail(ErrorCode::not_found, "User with username=" + name + " not found");
}

people::People::Done send_user(PeopleRooms& rooms, http::ReplyPromise promise, std::string name) {
  return [&rooms, promise, name](const Status& status) mutable {
    if (!status) return promise.send(mlflow_error(status.error()));
    const auto person = rooms.people.roster()->find_person(name);
    Json json = Json::object();
    if (person) json.set("user", user_json(**person));
    promise.send(http::Reply::json(json));
  };
}

people::People::Done send_empty(http::ReplyPromise promise) {
  return [promise](const Status& status) mutable { promise.send(mlflow_reply(status)); };
}

using Answered = Result<http::Answer>;
using Parameters = const MlflowParameters&;
using Request = const http::Request&;
using Body = Answered (*)(PeopleRooms&, Parameters, Request, http::ReplyPromise);

Answered create(PeopleRooms& rooms, Parameters parameters, Request request, http::ReplyPromise promise) {
  const std::string name = TRY(parameters.text("username"));
  const std::string password = TRY(parameters.text("password"));
  TRY(people::check_password(password, name));
  std::string hash = TRY(people::hash_password(password));
  rooms.people.add_person(actor_of(request), name, std::move(hash), Role::none,
                          send_user(rooms, std::move(promise), name));
  return http::Pending{};
}

bool is_self_or_admin(Request request, const std::string& name) {
  return request.caller == nullptr || request.caller->name() == name ||
         request.caller->role_in("") == Role::admin;
}

Status expect_self_or_admin(Request request, const std::string& name) {
  if (is_self_or_admin(request, name)) return {};
  return fail(ErrorCode::forbidden, "Permission denied");
}

Answered get(PeopleRooms& rooms, Parameters parameters, Request request, http::ReplyPromise) {
  const std::string name = TRY(parameters.text("username"));
  TRY(expect_self_or_admin(request, name));
  return http::Reply::json(Json::object({{"user", user_json(*TRY(find_user(rooms, name)))}}));
}

Answered current(PeopleRooms& rooms, Parameters, Request request, http::ReplyPromise) {
  Json user = Json::object({{"id", 0}, {"username", actor_of(request)}, {"is_admin", true}});
  if (const auto person = rooms.people.roster()->find_person(actor_of(request))) user = user_json(**person);
  return http::Reply::json(Json::object({{"user", std::move(user)}, {"is_basic_auth", true}}));
}

Answered list(PeopleRooms& rooms, Parameters, Request, http::ReplyPromise) {
  Json users = Json::array();
  for (const auto& [name, person] : rooms.people.roster()->people) {
    users.push(user_json(*person).set("roles", Json::array()));
  }
  return http::Reply::json(Json::object({{"users", std::move(users)}}));
}

// Whoever changes their own password says the old one once more.
Answered update_password(PeopleRooms& rooms, Parameters parameters, Request request,
                         http::ReplyPromise promise) {
  const std::string name = TRY(parameters.text("username"));
  const std::string password = TRY(parameters.text("password"));
  TRY(expect_self_or_admin(request, name));
  const auto person = TRY(find_user(rooms, name));
  if (request.caller != nullptr && request.caller->name() == name) {
    const std::string old = TRY(parameters.find_text("current_password")).value_or("");
    if (old.empty())
      return fail(ErrorCode::invalid, "Current password is required when changing your own password.");
    const http::Admission proof = rooms.gate.prove(name, old, std::string(request.peer));
    if (proof.refusal && proof.refusal->status == 429) return *proof.refusal;
    if (!proof.caller) return fail(ErrorCode::invalid, "Current password does not match.");
    if (password == old)
      return fail(ErrorCode::invalid, "New password must differ from the current password.");
  }
  TRY(people::check_password(password, name));
  std::string hash = TRY(people::hash_password(password));
  rooms.people.set_password(actor_of(request), name, std::move(hash), send_empty(std::move(promise)));
  return http::Pending{};
}

Answered update_admin(PeopleRooms& rooms, Parameters parameters, Request request,
                      http::ReplyPromise promise) {
  const std::string name = TRY(parameters.text("username"));
  const bool is_admin = TRY(parameters.flag("is_admin"));
  TRY(find_user(rooms, name));
  rooms.people.set_role(actor_of(request), {name, false}, "", is_admin ? Role::admin : Role::none,
                        send_empty(std::move(promise)));
  return http::Pending{};
}

Answered remove(PeopleRooms& rooms, Parameters parameters, Request request, http::ReplyPromise promise) {
  const std::string name = TRY(parameters.text("username"));
  if (name == actor_of(request)) {
    return fail(ErrorCode::malformed,
                "Users cannot delete their own account. Ask another admin to delete this user instead.");
  }
  TRY(find_user(rooms, name));
  rooms.people.remove_person(actor_of(request), name, send_empty(std::move(promise)));
  return http::Pending{};
}

Answered set_permission(PeopleRooms& rooms, Parameters parameters, Request request, Role role,
                        http::ReplyPromise promise) {
  const std::string name = TRY(parameters.text("username"));
  TRY(find_user(rooms, name));
  rooms.people.set_role(actor_of(request), {name, false}, TRY(resource_scope(parameters)), role,
                        send_empty(std::move(promise)));
  return http::Pending{};
}

Answered grant(PeopleRooms& rooms, Parameters parameters, Request request, http::ReplyPromise promise) {
  return set_permission(rooms, parameters, request, TRY(read_permission(parameters)), std::move(promise));
}

Answered revoke(PeopleRooms& rooms, Parameters parameters, Request request, http::ReplyPromise promise) {
  return set_permission(rooms, parameters, request, Role::none, std::move(promise));
}

Answered get_permission(PeopleRooms& rooms, Parameters parameters, Request, http::ReplyPromise) {
  const auto person = TRY(find_user(rooms, TRY(parameters.text("username"))));
  const Role role = person->role_in(TRY(resource_scope(parameters)));
  return http::Reply::json(
      Json::object({{"allowed", role >= Role::editor}, {"permission", permission_of(role)}}));
}

struct Row {
  const char* method;
  const char* path;
  const char* summary;
  const char* version;
  Body body;
};

constexpr Row kUserRows[] = {
    {"POST", "/mlflow/users/create", "Adds a person", "2.0", create},
    {"GET", "/mlflow/users/get", "A person", "2.0", get},
    {"GET", "/mlflow/users/current", "Who asks", "2.0", current},
    {"GET", "/mlflow/users/list", "Everybody", "2.0", list},
    {"PATCH", "/mlflow/users/update-password", "Sets a password", "2.0", update_password},
    {"PATCH", "/mlflow/users/update-admin", "Lets a person administer the server, or no more", "2.0",
     update_admin},
    {"DELETE", "/mlflow/users/delete", "Removes a person", "2.0", remove},
    {"POST", "/mlflow/users/permissions/grant", "Gives a role in an experiment or a model", "3.0", grant},
    {"POST", "/mlflow/users/permissions/revoke", "Takes it away", "3.0", revoke},
    {"GET", "/mlflow/users/permissions/get", "What a person may do there", "3.0", get_permission},
};

}  // namespace

Result<std::string> resource_scope(const MlflowParameters& parameters) {
  const std::string type = TRY(parameters.text("resource_type"));
  const std::string id = TRY(parameters.text("resource_id"));
  if (type == "experiment") return "experiment/" + std::to_string(TRY(parse_experiment_id(id)));
  if (type == "registered_model" || type == "prompt") return "model/" + id;
  return fail(ErrorCode::invalid,
              "Invalid resource_type '" + type + "'. It must be experiment or registered_model.");
}

std::vector<http::Route> user_routes(PeopleRooms& rooms) {
  RouteList routes;
  for (const Row& row : kUserRows) {
    const MlflowHandler handler = [&rooms, body = row.body](Parameters parameters, Request request,
                                                            http::ReplyPromise promise) {
      return body(rooms, parameters, request, std::move(promise));
    };
    routes.add(
        mlflow_route(row.method, row.path, row.summary, http::Permission::token, handler, {row.version}));
  }
  return routes.take();
}

}  // namespace trimtab::api
