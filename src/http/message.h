// One HTTP request and its answer, free of any library's types.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::http {

struct Request {
  std::string_view method;                  // "GET", "POST", ...
  std::string_view path;                    // Decoded, without the query.
  std::string_view query;                   // Raw, without '?'.
  std::string_view body;
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // As sent; names compare without case.
  std::vector<std::string> path_values;     // Of the route's {placeholders}, decoded, in order.
  bool from_loopback = false;

  // The first header of that name, or "".
  std::string_view header(std::string_view name) const;
  // A decoded query parameter. Errors: malformed (bad percent encoding).
  Result<std::optional<std::string>> query_value(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  static Reply json(const Json& value, int status = 200) { return {status, "application/json", value.dump(), {}}; }
  static Reply text(std::string text, int status = 200) { return {status, "text/plain; charset=utf-8", std::move(text), {}}; }
};

// The native error body: {"error":{"code","message","hint"?,"where"?}} with the status of the error table.
Reply error_reply(const Error& error);

// Completes a request later, from any thread, exactly once; if it is dropped unanswered the client gets a 500.
class ReplyPromise {
 public:
  explicit ReplyPromise(std::function<void(Reply)> send);
  void send(Reply reply);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// What a handler returns: the answer, or Pending after it has kept the promise for later.
struct Pending {};
using Answer = std::variant<Reply, Pending>;

}  // namespace trimtab::http
