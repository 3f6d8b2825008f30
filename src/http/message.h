// One HTTP request and its answer, free of any library's types.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/result.h"

namespace trimtab::http {

class Caller;

// A body that was written to a file. The file is removed after the handler has returned, unless it has been
// moved.
struct ReceivedFile {
  std::filesystem::path path;
  std::uint64_t size = 0;
  std::string sha256;
};

// Its views live until the handler has returned: copy what a later answer needs.
struct Request {
  std::string_view method;                  // "GET", "POST", ...
  std::string_view path;                    // Decoded, without the query.
  std::string_view query;                   // Raw, without '?'.
  std::string_view body;                    // Empty when there is a body_file.
  const ReceivedFile* body_file = nullptr;  // Of a long body of a route that takes files.
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // As sent; names compare without case.
  std::vector<std::string> path_values;  // Of the route's {placeholders}, decoded, in order.
  bool from_loopback = false;
  std::string_view peer;                 // The address it comes from.
  std::shared_ptr<const Caller> caller;  // Null: nobody has to say who they are, or need not here.

  // The first header of that name, or "".
  std::string_view header(std::string_view name) const;
  // A decoded query parameter. Errors: malformed (bad percent encoding).
  Result<std::optional<std::string>> query_value(std::string_view name) const;
};

// A stretch of an open file.
struct ReplyFile {
  std::shared_ptr<base::Descriptor> file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<ReplyFile> file = {};       // Instead of `body`.
  std::shared_ptr<const Error> error = {};  // Of a refusal, for whoever words it otherwise.

  static Reply json(const Json& value, int status = 200) {
    return {status, "application/json", value.dump(), {}};
  }
  static Reply text(std::string text, int status = 200) {
    return {status, "text/plain; charset=utf-8", std::move(text), {}};
  }
};

// The native error body: {"error":{"code","message","hint"?,"where"?}}. The status is the error table's, or
// `status` where HTTP has a finer one (405, 414, 415, 431). Causes join the message.
Reply error_reply(const Error& error, int status = 0);

// Where the one answer of a request goes: a connection of the server, or a function in a test. Thread-safe.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void deliver(Reply reply) = 0;
  // True for its first caller alone, who may then deliver.
  bool settle() { return !settled_.exchange(true); }

 private:
  std::atomic<bool> settled_ = false;
};

// Completes a request later, from any thread, exactly once; if it is dropped unanswered the client gets a
// 500.
class ReplyPromise {
 public:
  explicit ReplyPromise(std::function<void(Reply)> send);
  explicit ReplyPromise(std::shared_ptr<ReplySink> sink) : sink_(std::move(sink)) {}
  void send(Reply reply);

 private:
  std::shared_ptr<ReplySink> sink_;
};

// What a sink delivers when it is destroyed unsettled.
Reply dropped_reply();

// What a handler returns: the answer, or Pending after it has kept the promise for later.
struct Pending {};
using Answer = std::variant<Reply, Pending>;

}  // namespace trimtab::http
