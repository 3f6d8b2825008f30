#include "app/verbs/people_desk.h"

#include <future>
#include <optional>
#include <utility>

#include "api/native/people_office.h"
#include "app/verbs/workbench.h"
#include "app/wiring.h"
#include "base/clock.h"
#include "http/route.h"

namespace trimtab::app {

struct PeopleDesk::State {
  std::optional<http::Client> server;  // Nothing: the home is ours.
  base::SystemClock clock;
  std::unique_ptr<store::Home> home;
  std::unique_ptr<people::People> people;
  std::unique_ptr<people::Gate> gate;
  std::unique_ptr<api::PeopleRooms> rooms;
  std::optional<http::Router> router;

  Status open_here(const std::string& folder);
  Result<http::Reply> ask_here(const std::string& method, const std::string& path, const std::string& body);
};

Status PeopleDesk::State::open_here(const std::string& folder) {
  home = TRY(store::Home::open(folder, clock));
  people = TRY(people::People::open(*home, clock));
  gate = std::make_unique<people::Gate>(*people, home->token());
  rooms = std::unique_ptr<api::PeopleRooms>(
      new api::PeopleRooms{.home = *home, .people = *people, .gate = *gate});
  router = TRY(http::Router::make(api::people_routes(*rooms)));
  return {};
}

Result<http::Reply> PeopleDesk::State::ask_here(const std::string& method, const std::string& path,
                                                const std::string& body) {
  const http::Router::Match match = TRY(router->find(method, path));
  CHECK(match.route != nullptr);
  http::Request request;
  request.method = method;
  request.path = path;
  request.body = body;
  request.path_values = match.path_values;
  auto later = std::make_shared<std::promise<http::Reply>>();
  std::future<http::Reply> answered = later->get_future();
  http::Answer answer = match.route->handler(
      request, http::ReplyPromise([later](http::Reply reply) { later->set_value(std::move(reply)); }));
  if (http::Reply* reply = std::get_if<http::Reply>(&answer)) return std::move(*reply);
  return answered.get();
}

PeopleDesk::PeopleDesk(std::unique_ptr<State> state) : state_(std::move(state)) {}
PeopleDesk::~PeopleDesk() = default;
PeopleDesk::PeopleDesk(PeopleDesk&&) noexcept = default;

Result<PeopleDesk> PeopleDesk::open(const Arguments& arguments) {
  const std::string folder = home_folder(arguments, TRY(load_project_or_none(arguments)));
  // The first person may come before the server.
  if (arguments.words.empty() || arguments.words.front() != "add") TRY(expect_home(folder));
  auto state = std::make_unique<State>();
  state->server = TRY(find_running_server(folder));
  if (!state->server) TRY(state->open_here(folder));
  return PeopleDesk(std::move(state));
}

Result<Json> PeopleDesk::order(const std::string& method, const std::string& path, const Json& body) {
  if (state_->server) return ask(*state_->server, method, path, body);
  const std::string text = body.is_null() ? "" : body.dump();
  const http::Reply reply = TRY(state_->ask_here(method, path, text));
  return unwrap(reply.status, reply.body);
}

}  // namespace trimtab::app
