#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>

#include "base/diagnostics.h"
#include "http/percent.h"
#include "http/route.h"

namespace trimtab::http {
namespace {

constexpr std::size_t kStepsMax = 64;
constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

bool is_placeholder(std::string_view step) {
  return step.size() > 2 && step.front() == '{' && step.back() == '}';
}
bool is_rest(std::string_view step) { return is_placeholder(step) && step[step.size() - 2] == '*'; }

// "/a/b/" has the steps "a", "b" and "".
std::vector<std::string_view> split_steps(std::string_view path) {
  std::vector<std::string_view> steps;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view step = path.substr(0, path.find('/'));
    steps.push_back(step);
    path.remove_prefix(step.size());
  }
  return steps;
}

// '.' and '..' between slashes of either kind: whoever joins such a path to a folder could leave it.
bool walks(std::string_view step) {
  while (true) {
    const std::size_t end = step.find_first_of("/\\");
    const std::string_view piece = step.substr(0, end);
    if (piece == "." || piece == "..") return true;
    if (end == std::string_view::npos) return false;
    step.remove_prefix(end + 1);
  }
}

// The steps of a path that a caller sent, decoded; `slashed` marks those that hold an encoded slash.
struct Steps {
  std::array<std::string_view, kStepsMax> text;
  std::size_t count = 0;
  std::vector<std::string> decoded;  // What `text` views when the path has a percent sign.
  std::uint64_t slashed = 0;
};

Error bad_path(std::string_view path, std::string_view what) {
  return {
      ErrorCode::malformed, "the path '" + shown(path) + "' " + std::string(what), {}, std::nullopt, nullptr};
}

Status check_step(std::string_view path, std::string_view step, bool was_encoded) {
  if (step.find('\0') != std::string_view::npos) return fail(bad_path(path, "holds a NUL"));
  if (walks(step)) return fail(bad_path(path, "holds a '.' or '..' step"));
  if (!is_utf8(step)) return fail(bad_path(path, "is no UTF-8"));
  // Encoded twice: nobody means it, and a handler that decoded again would meet what was refused above.
  if (was_encoded && step.find('%') != std::string_view::npos) {
    const Result<std::string> again = decode_percent(step);
    if (again && (walks(*again) || again->find('\0') != std::string::npos)) {
      return fail(bad_path(path, "holds a '..' step that is encoded twice"));
    }
  }
  return {};
}

Result<void> read_steps(std::string_view path, Steps& steps) {
  if (path.empty() || path.front() != '/') return fail(bad_path(path, "does not begin with a slash"));
  const bool encoded = path.find('%') != std::string_view::npos;
  if (encoded) steps.decoded.reserve(kStepsMax);  // So that no view moves.
  for (std::string_view rest = path; !rest.empty();) {
    rest.remove_prefix(1);
    std::string_view step = rest.substr(0, rest.find('/'));
    rest.remove_prefix(step.size());
    if (steps.count == kStepsMax) return fail(bad_path(path, "has more than 64 steps"));
    if (encoded) {
      steps.decoded.push_back(TRY(decode_percent(step)));
      step = steps.decoded.back();
      if (step.find('/') != std::string_view::npos) steps.slashed |= std::uint64_t{1} << steps.count;
    }
    TRY(check_step(path, step, encoded));
    steps.text[steps.count++] = step;
  }
  return {};
}

}  // namespace

struct Router::Node {
  using Routes = std::vector<std::pair<std::string, std::size_t>>;  // Method → index into routes_.
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literal;
  std::unique_ptr<Node> placeholder;
  Routes here;
  Routes rest;  // Of a {name*} below this node.

  struct Search;
  bool find(Search& search, std::size_t step) const;
};

struct Router::Node::Search {
  std::string_view method;
  const Steps& steps;
  std::optional<std::size_t> route;
  std::array<std::size_t, kStepsMax> values;  // Steps that filled placeholders; the last may begin a rest.
  std::size_t value_count = 0;
  bool is_rest = false;
  std::vector<std::string> other_methods;

  bool pick(const Routes& routes) {
    for (const auto& [name, index] : routes) {
      if (name == method) route = index;
    }
    for (const auto& [name, index] : routes) {
      if (!route && name == "GET" && method == "HEAD") route = index;
    }
    if (route) return true;
    for (const auto& [name, index] : routes) {
      if (std::find(other_methods.begin(), other_methods.end(), name) == other_methods.end()) {
        other_methods.push_back(name);
      }
    }
    return false;
  }
};

// Depth first and the more special child first; goes back where a branch has no such path or method.
bool Router::Node::find(Search& search, std::size_t step) const {
  if (step == search.steps.count) return search.pick(here);
  const std::string_view text = search.steps.text[step];
  const auto found = literal.find(text);
  if (found != literal.end() && found->second->find(search, step + 1)) return true;
  if (text.empty()) return false;
  search.values[search.value_count++] = step;
  const bool has_slash = (search.steps.slashed >> step & 1) != 0;
  if (!has_slash && placeholder && placeholder->find(search, step + 1)) return true;
  if (!rest.empty() && search.pick(rest)) return search.is_rest = true;
  --search.value_count;
  return false;
}

namespace {

Error bad_route(const Route& route, std::string_view what) {
  return {ErrorCode::internal,
          "the route " + route.method + " " + route.path + " " + std::string(what),
          {},
          std::nullopt,
          nullptr};
}

Status check_route(const Route& route) {
  if (route.permission == Permission::undeclared) return fail(bad_route(route, "declares no permission"));
  if (!route.handler) return fail(bad_route(route, "has no handler"));
  if (std::find(kMethods.begin(), kMethods.end(), route.method) == kMethods.end()) {
    return fail(bad_route(route, "has a method that the server does not know"));
  }
  if (route.path.empty() || route.path.front() != '/')
    return fail(bad_route(route, "does not begin with a slash"));
  const std::vector<std::string_view> steps = split_steps(route.path);
  if (steps.size() > kStepsMax) return fail(bad_route(route, "has too many steps"));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool braces = steps[i].find_first_of("{}") != std::string_view::npos;
    if (braces && !is_placeholder(steps[i])) return fail(bad_route(route, "has a half placeholder"));
    if (is_rest(steps[i]) && i + 1 != steps.size())
      return fail(bad_route(route, "has {name*} before its end"));
  }
  return {};
}

}  // namespace

Result<Router> Router::make(std::vector<Route> routes) {
  Router router;
  auto root = std::make_shared<Node>();
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const Route& route = routes[i];
    TRY(check_route(route));
    Node* node = root.get();
    Node::Routes* place = nullptr;
    for (const std::string_view step : split_steps(route.path)) {
      if (is_rest(step)) {
        place = &node->rest;
        break;
      }
      std::unique_ptr<Node>& child =
          is_placeholder(step) ? node->placeholder : node->literal[std::string(step)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
    if (place == nullptr) place = &node->here;
    for (const auto& [method, other] : *place) {
      if (method == route.method)
        return fail(bad_route(route, "is declared twice, also as " + routes[other].path));
    }
    place->emplace_back(route.method, i);
  }
  router.routes_ = std::move(routes);
  router.root_ = std::move(root);
  return router;
}

Result<Router::Match> Router::find(std::string_view method, std::string_view path) const {
  Steps steps;
  TRY(read_steps(path, steps));
  Node::Search search{method, steps, {}, {}, 0, false, {}};
  Match match;
  if (!root_->find(search, 0)) {
    if (steps.slashed != 0) return fail(bad_path(path, "holds an encoded slash where no route takes one"));
    match.other_methods = std::move(search.other_methods);
    std::sort(match.other_methods.begin(), match.other_methods.end());
    return match;
  }
  match.route = &routes_[*search.route];
  for (std::size_t i = 0; i < search.value_count; ++i) {
    match.path_values.emplace_back(steps.text[search.values[i]]);
  }
  if (search.is_rest) {
    for (std::size_t i = search.values[search.value_count - 1] + 1; i < steps.count; ++i) {
      match.path_values.back().append("/").append(steps.text[i]);
    }
  }
  return match;
}

std::string Router::Match::allowed() const {
  std::string methods;
  for (const std::string& method : other_methods) {
    methods += (methods.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
  }
  return methods;
}

std::string Router::nearest(std::string_view path) const {
  const std::vector<std::string_view> steps = split_steps(path);
  std::vector<std::string> candidates;
  for (const Route& route : routes_) {
    const std::vector<std::string_view> pattern = split_steps(route.path);
    if (pattern.size() != steps.size()) {
      candidates.push_back(route.path);
      continue;
    }
    // What the caller put into a placeholder is no slip; only the literal steps are compared.
    std::string candidate;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool is_filled = is_placeholder(pattern[i]) && !steps[i].empty();
      candidate.append("/").append(is_filled ? steps[i] : pattern[i]);
    }
    candidates.push_back(std::move(candidate));
  }
  // The distance of two texts is at least the difference of their lengths: this skips the quadratic work.
  std::erase_if(candidates, [&](const std::string& candidate) {
    const std::size_t longer = std::max(candidate.size(), path.size());
    return longer - std::min(candidate.size(), path.size()) > std::max<std::size_t>(1, path.size() / 3);
  });
  return std::string(base::closest(path, candidates));
}

}  // namespace trimtab::http
