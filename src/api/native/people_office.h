// People, groups, roles and tokens, as orders and reports in JSON: for the routes, and for the command line
// when no server runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/handler_pool.h"
#include "http/route.h"
#include "people/gate.h"
#include "people/people.h"
#include "people/single_sign_on.h"
#include "store/home.h"

namespace trimtab::api {

// Outlives the routes.
struct PeopleRooms {
  store::Home& home;
  people::People& people;
  people::Gate& gate;
  people::SingleSignOn* sign_on = nullptr;  // Null: there is no identity provider.
  http::HandlerPool* outbound = nullptr;    // With it: threads that may wait for the network.
  bool is_tls = false;
  bool must_sign_in = false;  // Permissions are on.
};

// /api/v1/people, groups, roles, tokens: for those who may administer the server.
std::vector<http::Route> people_routes(PeopleRooms& rooms);
// /api/v1/login, logout, session, account: everybody's own.
std::vector<http::Route> session_routes(PeopleRooms& rooms);
// /api/v1/oidc/login and callback; none without an identity provider.
std::vector<http::Route> oidc_routes(PeopleRooms& rooms);
// MLflow's own users and permissions, under /api/2.0/mlflow.
std::vector<http::Route> user_routes(PeopleRooms& rooms);

// The scope that {"project"}, {"model"} or {"experiment_id"} names; "" when none does. Errors: not_found.
Result<std::string> read_scope(store::Home& home, const Json& order);
// The other way: "server", "project flights", "model late".
std::string shown_scope(store::Home& home, const std::string& scope);

class MlflowParameters;
// The scope that MLflow's (resource_type, resource_id) names. Errors: invalid (another type).
Result<std::string> resource_scope(const MlflowParameters& parameters);

// Who makes a change, for the audit.
std::string actor_of(const http::Request& request);
// Answers a change of people.
people::People::Done send_done(http::ReplyPromise promise, Json reply);

// A token without its secret.
Json token_json(store::Home& home, const people::Credential& token);
// {"label","role","project"|"model"|"experiment_id","lasts"}. Errors: invalid, not_found.
Result<people::NewCredential> read_token(store::Home& home, const std::string& person, const Json& order);
people::People::DoneSecret send_token(http::ReplyPromise promise);

// Begins a browser's session for somebody who has proved who they are; the reply carries its cookie.
void send_session(PeopleRooms& rooms, const std::string& person,
                  const std::function<void(http::Reply)>& send);

}  // namespace trimtab::api
