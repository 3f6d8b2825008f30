// Trimtab's own API of people. Passwords are hashed here, on the handlers' bounded pool.
#include <utility>

#include "api/native/people_office.h"
#include "base/diagnostics.h"
#include "http/caller.h"
#include "people/password.h"
#include "registry/experiments.h"

namespace trimtab::api {

using http::Role;
using people::Holder;

std::string actor_of(const http::Request& request) {
  return request.caller == nullptr ? "cli" : request.caller->name();
}

people::People::Done send_done(http::ReplyPromise promise, Json reply) {
  return [promise, reply = std::move(reply)](const Status& status) mutable {
    promise.send(status ? http::Reply::json(reply) : http::error_reply(status.error()));
  };
}

Result<std::string> read_scope(store::Home& home, const Json& order) {
  const std::string project = order.text_or("project");
  const std::string model = order.text_or("model");
  const std::string experiment = order.text_or("experiment_id");
  if (!model.empty()) return "model/" + model;
  if (!experiment.empty()) return "experiment/" + experiment;
  if (project.empty()) return std::string();
  const auto known = registry::find_experiment_by_name(home, project);
  if (known) return "experiment/" + std::to_string(known->id);
  if (known.error().code != ErrorCode::not_found) return fail(known.error());
  std::vector<std::string> names;
  for (const registry::ExperimentFacts& facts : TRY(registry::search_experiments(home, {})).experiments)
    names.push_back(facts.name);
  std::string hint = base::did_you_mean(project, names);
  if (hint.empty()) hint = "a project is there once it was applied; an experiment of MLflow is one, too";
  return fail(ErrorCode::not_found, "there is no project '" + project + "'", std::move(hint));
}

std::string shown_scope(store::Home& home, const std::string& scope) {
  constexpr std::string_view kExperiment = "experiment/";
  if (scope.empty()) return "server";
  if (scope.starts_with("model/")) return "model " + scope.substr(6);
  const auto id = std::strtoll(scope.c_str() + kExperiment.size(), nullptr, 10);
  const auto experiment = registry::find_experiment(home, id);
  return "project " + (experiment ? experiment->name : std::to_string(id));
}

namespace {

// Errors: invalid.
Result<Role> read_role(const Json& order, Role otherwise) {
  const std::string name = order.text_or("role");
  if (name.empty()) return otherwise;
  if (name == "none") return Role::none;
  if (const auto role = http::find_role(name)) return *role;
  return fail(ErrorCode::invalid, "there is no role '" + name + "'",
              "roles are viewer, editor, deployer, approver and admin; each may what those before it may");
}

}  // namespace

Json token_json(store::Home& home, const people::Credential& token) {
  Json json = Json::object({{"id", token.id}, {"person", token.person->name}, {"label", token.label}});
  json.set("role_max", http::role_name(token.role_max)).set("scope", shown_scope(home, token.scope));
  json.set("created", base::format_time(token.created_at));
  if (token.expires_at) json.set("expires", base::format_time(*token.expires_at));
  if (token.last_used_at) json.set("last_used", base::format_time(*token.last_used_at));
  return json;
}

Result<people::NewCredential> read_token(store::Home& home, const std::string& person, const Json& order) {
  people::NewCredential wanted;
  wanted.person = person;
  wanted.label = order.text_or("label").substr(0, 200);
  wanted.role_max = TRY(read_role(order, Role::admin));
  wanted.scope = TRY(read_scope(home, order));
  if (const std::string lasts = order.text_or("lasts"); !lasts.empty())
    wanted.lasts = TRY(base::parse_duration(lasts));
  if (wanted.role_max == Role::none)
    return fail(ErrorCode::invalid, "a token without a role is good for nothing");
  return wanted;
}

people::People::DoneSecret send_token(http::ReplyPromise promise) {
  return [promise](const Result<people::Secret>& secret) mutable {
    if (!secret) return promise.send(http::error_reply(secret.error()));
    Json json = Json::object({{"token", secret->text}, {"id", secret->id}});
    if (secret->expires_at) json.set("expires", base::format_time(*secret->expires_at));
    promise.send(http::Reply::json(json));
  };
}

namespace {

Json roles_json(store::Home& home, const std::map<std::string, Role, std::less<>>& roles) {
  Json list = Json::array();
  for (const auto& [scope, role] : roles) {
    list.push(Json::object({{"scope", shown_scope(home, scope)}, {"role", http::role_name(role)}}));
  }
  return list;
}

Json names_json(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.push(name);
  return list;
}

Result<Json> list_json(PeopleRooms& rooms) {
  const auto roster = rooms.people.roster();
  Json people = Json::array();
  for (const auto& [name, person] : roster->people) {
    Json json = Json::object({{"name", name}, {"created", base::format_time(person->created_at)}});
    json.set("has_password", !person->password_hash.empty()).set("groups", names_json(person->groups));
    people.push(json.set("roles", roles_json(rooms.home, person->own_roles)));
  }
  Json groups = Json::array();
  for (const auto& [name, group] : roster->groups) {
    Json json = Json::object({{"name", name}, {"members", names_json(group.members)}});
    groups.push(json.set("roles", roles_json(rooms.home, group.roles)));
  }
  Json tokens = Json::array();
  for (const auto& [sha256, credential] : roster->credentials) {
    if (!credential->is_session) tokens.push(token_json(rooms.home, *credential));
  }
  Json json = Json::object({{"must_sign_in", rooms.must_sign_in}, {"people", std::move(people)}});
  return json.set("groups", std::move(groups)).set("tokens", std::move(tokens));
}

using Answered = Result<http::Answer>;
using Order = Answered (*)(PeopleRooms&, const http::Request&, const Json&, http::ReplyPromise);

// The password that was sent, or a random one, which the reply tells once.
struct Chosen {
  std::string hash;
  Json reply;
};

Result<Chosen> choose_password(const std::string& person, const Json& order) {
  Chosen chosen;
  chosen.reply = Json::object({{"name", person}});
  std::string password = order.text_or("password");
  if (password.empty()) {
    password = people::random_password();
    chosen.reply.set("password", password);
  } else {
    TRY(people::check_password(password, person));
  }
  chosen.hash = TRY(people::hash_password(password));
  return chosen;
}

Answered add_person(PeopleRooms& rooms, const http::Request& request, const Json& order,
                    http::ReplyPromise promise) {
  const std::string name = order.text_or("name");
  const Role role = TRY(read_role(order, Role::none));
  Chosen chosen;
  if (order.bool_or("without_password")) {
    chosen.reply = Json::object({{"name", name}});
  } else {
    chosen = TRY(choose_password(name, order));
  }
  rooms.people.add_person(actor_of(request), name, chosen.hash, role,
                          send_done(std::move(promise), chosen.reply));
  return http::Pending{};
}

Answered remove_person(PeopleRooms& rooms, const http::Request& request, const Json&,
                       http::ReplyPromise promise) {
  rooms.people.remove_person(
      actor_of(request), request.path_values[0],
      send_done(std::move(promise), Json::object({{"removed", request.path_values[0]}})));
  return http::Pending{};
}

Answered set_password(PeopleRooms& rooms, const http::Request& request, const Json& order,
                      http::ReplyPromise promise) {
  const std::string& name = request.path_values[0];
  TRY(rooms.people.roster()->find_person(name));
  const Chosen chosen = TRY(choose_password(name, order));
  rooms.people.set_password(actor_of(request), name, chosen.hash,
                            send_done(std::move(promise), chosen.reply));
  return http::Pending{};
}

Answered add_group(PeopleRooms& rooms, const http::Request& request, const Json& order,
                   http::ReplyPromise promise) {
  const std::string name = order.text_or("name");
  rooms.people.add_group(actor_of(request), name,
                         send_done(std::move(promise), Json::object({{"name", name}})));
  return http::Pending{};
}

Answered remove_group(PeopleRooms& rooms, const http::Request& request, const Json&,
                      http::ReplyPromise promise) {
  rooms.people.remove_group(
      actor_of(request), request.path_values[0],
      send_done(std::move(promise), Json::object({{"removed", request.path_values[0]}})));
  return http::Pending{};
}

Answered set_member(PeopleRooms& rooms, const http::Request& request, const Json&,
                    http::ReplyPromise promise) {
  Json reply = Json::object({{"group", request.path_values[0]}, {"person", request.path_values[1]}});
  rooms.people.set_member(actor_of(request), request.path_values[0], request.path_values[1],
                          request.method == "PUT", send_done(std::move(promise), std::move(reply)));
  return http::Pending{};
}

Answered set_role(PeopleRooms& rooms, const http::Request& request, const Json& order,
                  http::ReplyPromise promise) {
  const std::string group = order.text_or("group");
  const Holder holder{group.empty() ? order.text_or("person") : group, !group.empty()};
  const std::string scope = TRY(read_scope(rooms.home, order));
  if (order.text_or("role").empty())
    return fail(ErrorCode::invalid, "the role is missing",
                R"(send {"person":"anna","role":"editor","project":"flights"})");
  const Role role = TRY(read_role(order, Role::none));
  Json reply = Json::object({{"holder", holder.name}, {"scope", shown_scope(rooms.home, scope)}});
  reply.set("role", http::role_name(role));
  rooms.people.set_role(actor_of(request), holder, scope, role,
                        send_done(std::move(promise), std::move(reply)));
  return http::Pending{};
}

Answered add_token(PeopleRooms& rooms, const http::Request& request, const Json& order,
                   http::ReplyPromise promise) {
  rooms.people.add_token(actor_of(request), TRY(read_token(rooms.home, request.path_values[0], order)),
                         send_token(std::move(promise)));
  return http::Pending{};
}

Answered revoke_token(PeopleRooms& rooms, const http::Request& request, const Json&,
                      http::ReplyPromise promise) {
  rooms.people.end_credential(
      actor_of(request), request.path_values[0],
      send_done(std::move(promise), Json::object({{"revoked", request.path_values[0]}})));
  return http::Pending{};
}

Answered list(PeopleRooms& rooms, const http::Request&, const Json&, http::ReplyPromise) {
  return http::Reply::json(TRY(list_json(rooms)));
}

http::Handler reading(PeopleRooms& rooms, Order order) {
  return [&rooms, order](const http::Request& request, http::ReplyPromise promise) -> http::Answer {
    Result<Json> body = request.body.empty() ? Result<Json>(Json::object()) : base::parse_json(request.body);
    if (!body) return http::error_reply(body.error());
    Result<http::Answer> answer = order(rooms, request, *body, std::move(promise));
    return answer ? *std::move(answer) : http::error_reply(answer.error());
  };
}

struct Row {
  const char* method;
  const char* path;
  const char* summary;
  Order order;
};

constexpr Row kPeopleRows[] = {
    {"GET", "/api/v1/people", "People, groups, roles and tokens", list},
    {"POST", "/api/v1/people", "Adds a person; without a password one is made and told once", add_person},
    {"DELETE", "/api/v1/people/{name}", "Removes a person with roles, tokens and sessions", remove_person},
    {"POST", "/api/v1/people/{name}/password", "Sets a password and ends the person's sessions",
     set_password},
    {"POST", "/api/v1/people/{name}/tokens", "Makes a personal access token, which is told once", add_token},
    {"DELETE", "/api/v1/tokens/{id}", "Revokes a token", revoke_token},
    {"POST", "/api/v1/groups", "Adds a group", add_group},
    {"DELETE", "/api/v1/groups/{name}", "Removes a group with its roles", remove_group},
    {"PUT", "/api/v1/groups/{name}/members/{person}", "Takes a person into a group", set_member},
    {"DELETE", "/api/v1/groups/{name}/members/{person}", "Takes a person out of a group", set_member},
    {"POST", "/api/v1/roles", "Gives a person or group a role in a project, a model or the server", set_role},
};

}  // namespace

std::vector<http::Route> people_routes(PeopleRooms& rooms) {
  std::vector<http::Route> routes;
  for (const Row& row : kPeopleRows) {
    http::Route route{.method = row.method, .path = row.path, .summary = row.summary};
    route.permission = http::Permission::token;
    route.reply_schema = Json::object({{"type", "object"}});
    if (route.method == "POST") route.request_schema = route.reply_schema;
    route.handler = reading(rooms, row.order);
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace trimtab::api
