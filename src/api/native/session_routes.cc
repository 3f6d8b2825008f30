// Signing in and out for pages, and what everybody may do about themselves.
#include "api/native/people_office.h"
#include "http/caller.h"
#include "http/route.h"
#include "people/password.h"

namespace trimtab::api {
namespace {

constexpr TimeUs kSessionLasts = 12 * base::kHourUs;

// Scripts cannot read it; other sites' pages do not send it with what changes things.
std::string cookie_text(const PeopleRooms& rooms, const std::string& secret, TimeUs lasts) {
  return people::session_cookie_name(rooms.is_tls) + "=" + secret +
         "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" + std::to_string(lasts / base::kSecondUs) +
         (rooms.is_tls ? "; Secure" : "");
}

const people::KnownCaller* known_caller(const http::Request& request) {
  return dynamic_cast<const people::KnownCaller*>(request.caller.get());
}

http::Answer log_in(PeopleRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  const Result<Json> body = base::parse_json(request.body);
  if (!body) return http::error_reply(body.error());
  const std::string name = body->text_or("name");
  http::Admission proof = rooms.gate.prove(name, body->text_or("password"), std::string(request.peer));
  if (proof.refusal) return *std::move(proof.refusal);
  send_session(rooms, name, [promise](http::Reply reply) mutable { promise.send(std::move(reply)); });
  return http::Pending{};
}

http::Answer log_out(PeopleRooms& rooms, const http::Request& request, http::ReplyPromise promise) {
  http::Reply reply = http::Reply::json(Json::object({{"ok", true}}));
  reply.headers.emplace_back("Set-Cookie", cookie_text(rooms, "", 0));
  const people::KnownCaller* caller = known_caller(request);
  if (caller == nullptr || caller->credential() == nullptr || !caller->credential()->is_session) return reply;
  rooms.people.end_credential(caller->name(), caller->credential()->id,
                              [promise, reply](const Status& status) mutable {
                                promise.send(status ? reply : http::error_reply(status.error()));
                              });
  return http::Pending{};
}

http::Answer show_session(const http::Request& request) {
  Json json = Json::object({{"name", actor_of(request)}, {"must_sign_in", request.caller != nullptr}});
  json.set("is_admin", request.caller == nullptr || request.caller->role_in("") == http::Role::admin);
  const people::KnownCaller* caller = known_caller(request);
  if (caller != nullptr && caller->credential() != nullptr && caller->credential()->is_session)
    json.set("csrf", caller->credential()->forgery_key);
  return http::Reply::json(json);
}

// Says the old password once more, so that a borrowed session cannot take the account.
Result<http::Answer> change_password(PeopleRooms& rooms, const http::Request& request,
                                     http::ReplyPromise promise) {
  const Json body = TRY(base::parse_json(request.body));
  const std::string name = actor_of(request);
  const std::string password = body.text_or("password");
  http::Admission proof = rooms.gate.prove(name, body.text_or("old_password"), std::string(request.peer));
  if (proof.refusal) return *std::move(proof.refusal);
  TRY(people::check_password(password, name));
  rooms.people.set_password(name, name, TRY(people::hash_password(password)),
                            send_done(std::move(promise), Json::object({{"name", name}})));
  return http::Pending{};
}

Json own_tokens(PeopleRooms& rooms, const http::Request& request) {
  Json list = Json::array();
  for (const auto& [sha256, credential] : rooms.people.roster()->credentials) {
    if (credential->is_session || credential->person->name != actor_of(request)) continue;
    list.push(token_json(rooms.home, *credential));
  }
  return Json::object({{"tokens", std::move(list)}});
}

Result<http::Answer> add_own_token(PeopleRooms& rooms, const http::Request& request,
                                   http::ReplyPromise promise) {
  const Json order = request.body.empty() ? Json::object() : TRY(base::parse_json(request.body));
  const std::string name = actor_of(request);
  rooms.people.add_token(name, TRY(read_token(rooms.home, name, order)), send_token(std::move(promise)));
  return http::Pending{};
}

Result<http::Answer> revoke_own_token(PeopleRooms& rooms, const http::Request& request,
                                      http::ReplyPromise promise) {
  const std::string& id = request.path_values[0];
  for (const auto& [sha256, credential] : rooms.people.roster()->credentials) {
    if (credential->id != id || credential->person->name != actor_of(request)) continue;
    rooms.people.end_credential(actor_of(request), id,
                                send_done(std::move(promise), Json::object({{"revoked", id}})));
    return http::Pending{};
  }
  return fail(ErrorCode::not_found, "you have no token '" + id + "'",
              "GET /api/v1/account/tokens lists them");
}

using Work = Result<http::Answer> (*)(PeopleRooms&, const http::Request&, http::ReplyPromise);

http::Route route(PeopleRooms& rooms, const char* method, const char* path, const char* summary, Work work) {
  http::Route route{.method = method, .path = path, .summary = summary};
  // Without people there is nobody whose account this could be.
  route.permission = http::Permission::token;
  route.reply_schema = Json::object({{"type", "object"}});
  if (route.method == "POST") route.request_schema = route.reply_schema;
  route.handler = [&rooms, work](const http::Request& request, http::ReplyPromise promise) -> http::Answer {
    Result<http::Answer> answer = work(rooms, request, std::move(promise));
    return answer ? *std::move(answer) : http::error_reply(answer.error());
  };
  return route;
}

}  // namespace

void send_session(PeopleRooms& rooms, const std::string& person,
                  const std::function<void(http::Reply)>& send) {
  people::NewCredential wanted;
  wanted.person = person;
  wanted.label = "browser";
  wanted.lasts = kSessionLasts;
  rooms.people.open_session(person, wanted, [&rooms, person, send](const Result<people::Secret>& secret) {
    if (!secret) return send(http::error_reply(secret.error()));
    http::Reply reply = http::Reply::json(Json::object({{"name", person}, {"csrf", secret->forgery_key}}));
    reply.headers.emplace_back("Set-Cookie", cookie_text(rooms, secret->text, kSessionLasts));
    send(std::move(reply));
  });
}

std::vector<http::Route> session_routes(PeopleRooms& rooms) {
  const auto show = [](PeopleRooms&, const http::Request& request,
                       http::ReplyPromise) -> Result<http::Answer> { return show_session(request); };
  const auto in = [](PeopleRooms& all, const http::Request& request,
                     http::ReplyPromise promise) -> Result<http::Answer> {
    return log_in(all, request, std::move(promise));
  };
  const auto out = [](PeopleRooms& all, const http::Request& request,
                      http::ReplyPromise promise) -> Result<http::Answer> {
    return log_out(all, request, std::move(promise));
  };
  const auto list = [](PeopleRooms& all, const http::Request& request,
                       http::ReplyPromise) -> Result<http::Answer> {
    return http::Reply::json(own_tokens(all, request));
  };
  std::vector<http::Route> routes = {
      route(rooms, "POST", "/api/v1/login", "Begins a browser's session, by name and password", in),
      route(rooms, "POST", "/api/v1/logout", "Ends it", out),
      route(rooms, "GET", "/api/v1/session", "Who is signed in, and the key that changes need", show),
      route(rooms, "POST", "/api/v1/account/password", "Changes one's own password", change_password),
      route(rooms, "GET", "/api/v1/account/tokens", "One's own tokens", list),
      route(rooms, "POST", "/api/v1/account/tokens", "Makes a token for oneself, told once", add_own_token),
      route(rooms, "DELETE", "/api/v1/account/tokens/{id}", "Revokes a token of one's own", revoke_own_token),
  };
  // Also a page has to find out that nobody need sign in here.
  for (http::Route& known : routes) {
    if (known.path == "/api/v1/session") known.permission = http::Permission::open;
  }
  return routes;
}

}  // namespace trimtab::api
