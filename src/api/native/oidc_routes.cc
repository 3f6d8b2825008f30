// Signing in at an identity provider. The provider is asked on a thread of its own: it may take its time.
#include "api/native/people_office.h"
#include "http/caller.h"
#include "people/single_sign_on.h"

namespace trimtab::api {
namespace {

// Over TLS browsers take a cookie of this name from this very host alone.
std::string binder_cookie(const PeopleRooms& rooms) {
  return rooms.is_tls ? "__Host-trimtab-oidc" : "trimtab-oidc";
}

http::Reply go_to(std::string place) {
  http::Reply reply = http::Reply::text("", 302);
  reply.headers.emplace_back("Location", std::move(place));
  return reply;
}

http::Reply begin(PeopleRooms& rooms) {
  const auto begun = rooms.sign_on->begin();
  if (!begun) return http::error_reply(begun.error());
  http::Reply reply = go_to(begun->go_to);
  reply.headers.emplace_back("Set-Cookie", binder_cookie(rooms) + "=" + begun->binder +
                                               "; Path=/; HttpOnly; SameSite=Lax; Max-Age=600" +
                                               (rooms.is_tls ? "; Secure" : ""));
  return reply;
}

struct Return {
  std::string code, state, binder, refused;
};

Result<Return> read_return(PeopleRooms& rooms, const http::Request& request) {
  Return back;
  back.code = TRY(request.query_value("code")).value_or("");
  back.state = TRY(request.query_value("state")).value_or("");
  back.refused = TRY(request.query_value("error")).value_or("");
  back.binder = std::string(people::cookie_of(request, binder_cookie(rooms)));
  if (back.refused.empty()) return back;
  return fail(ErrorCode::unauthenticated, "the identity provider refused: " + back.refused, "sign in again");
}

void finish(PeopleRooms& rooms, const Return& back, http::ReplyPromise promise) {
  const auto known = rooms.sign_on->finish(back.code, back.state, back.binder);
  if (!known) return promise.send(http::error_reply(known.error()));
  rooms.people.meet(
      known->issuer, known->subject, known->name, [&rooms, promise](Result<std::string> person) mutable {
        if (!person) return promise.send(http::error_reply(person.error()));
        send_session(rooms, *person, [promise](http::Reply session) mutable {
          if (session.status != 200) return promise.send(std::move(session));
          http::Reply reply = go_to("/");
          reply.headers.insert(reply.headers.end(), session.headers.begin(), session.headers.end());
          promise.send(std::move(reply));
        });
      });
}

http::Answer later(PeopleRooms& rooms, http::HandlerPool::Job job) {
  if (rooms.outbound->submit(std::move(job))) return http::Pending{};
  return http::error_reply(
      {ErrorCode::busy, "too many people are signing in", "try again in a moment", std::nullopt, nullptr});
}

}  // namespace

std::vector<http::Route> oidc_routes(PeopleRooms& rooms) {
  if (rooms.sign_on == nullptr) return {};
  http::Route in{.method = "GET", .path = "/api/v1/oidc/login", .summary = "To the identity provider's page"};
  in.permission = http::Permission::open;
  in.handler = [&rooms](const http::Request&, http::ReplyPromise promise) -> http::Answer {
    return later(rooms, [&rooms, promise]() mutable { promise.send(begin(rooms)); });
  };
  http::Route back{
      .method = "GET", .path = "/api/v1/oidc/callback", .summary = "Back from there; begins a session"};
  back.permission = http::Permission::open;
  back.handler = [&rooms](const http::Request& request, http::ReplyPromise promise) -> http::Answer {
    const Result<Return> read = read_return(rooms, request);
    if (!read) return http::error_reply(read.error());
    return later(rooms, [&rooms, read = *read, promise] { finish(rooms, read, promise); });
  };
  return {std::move(in), std::move(back)};
}

}  // namespace trimtab::api
