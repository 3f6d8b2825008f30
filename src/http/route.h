// The table of routes: one list of values from which come the router, the validation of permissions and
// /openapi.json. A route that does not declare its permission stops the server at start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "http/message.h"

namespace trimtab::http {

// What a route asks of a caller while there is no Doorkeeper.
enum class Permission : std::uint8_t {
  undeclared,  // The default, so that forgetting it is caught at start.
  open,        // Anybody who reaches the port: predict, health, reads.
  token,       // The home's token as "Authorization: Bearer …"; for what changes things.
  clock,       // Like token, but a loopback caller of a manual-clock server needs none.
};

// Where the handler runs. `io`: on the connection's thread; must not block or touch the disk. `pool`: on a
// bounded pool; may read the disk but never waits for a commit (it returns Pending instead).
enum class Placement : std::uint8_t { io, pool };

using Handler = std::function<Answer(const Request&, ReplyPromise)>;

struct Route {
  std::string method;
  std::string path;     // "/api/v1/endpoints/{name}/labels"; a last "{name*}" takes the rest with slashes.
  std::string summary;  // One line for the docs.
  Permission permission = Permission::undeclared;
  Placement placement = Placement::pool;
  Json request_schema;  // JSON Schema of the body, or null when there is none.
  Json reply_schema;    // Of the 200 answer.
  Handler handler;
  // Media types a body may declare; "*/*" takes any. A form or text/plain must never be among those of a
  // route that changes things: a foreign page can send them without asking.
  std::vector<std::string> content_types = {"application/json"};
  // For anybody, also while callers have to say who they are: signing in, health.
  bool is_for_anybody = false;
  // Takes bodies of any announced length: a long one is written to a file on its way (Request::body_file).
  bool takes_files = false;
};

class Router {
 public:
  // Errors: internal for an undeclared permission, two routes of the same method and path shape, or a path or
  // method that no request could have.
  static Result<Router> make(std::vector<Route> routes);

  struct Match {
    const Route* route = nullptr;  // Null: see `other_methods`.
    std::vector<std::string> path_values;
    std::vector<std::string> other_methods;  // Not empty: the path exists with these methods (405).

    std::string allowed() const;  // "GET, HEAD, PUT": them, for the header Allow.
  };
  // Takes the path as it was sent, because an encoded slash must not part two steps. A literal step wins over
  // {name}, and that over {name*}, which matches one step or more; HEAD finds the route of GET.
  // Errors: malformed (percent encoding, UTF-8, NUL, a '..' however it is spelled, an encoded slash in
  // {name}).
  Result<Match> find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }
  // The nearest known path, for the 404's hint; "" when none is close.
  std::string nearest(std::string_view path) const;

 private:
  struct Node;
  std::vector<Route> routes_;
  std::shared_ptr<const Node> root_;
};

// The OpenAPI 3.1 document of the table.
Json openapi(const std::vector<Route>& routes, std::string_view version);

}  // namespace trimtab::http
