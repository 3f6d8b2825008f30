#include "http/message.h"

#include <algorithm>
#include <cstddef>

#include "base/log.h"
#include "http/percent.h"

namespace trimtab::http {

std::string_view Request::header(std::string_view name) const {
  for (const auto& [header_name, value] : headers) {
    if (equal_without_case(header_name, name)) return value;
  }
  return {};
}

Result<std::optional<std::string>> Request::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (TRY(decode_percent(pair.substr(0, equals), true)) != name) continue;
    if (equals == std::string_view::npos) return std::optional<std::string>("");
    std::string value = TRY(decode_percent(pair.substr(equals + 1), true));
    if (!is_utf8(value) || value.find('\0') != std::string::npos) {
      return fail(ErrorCode::malformed,
                  "the query parameter '" + shown(name) + "' is no text (UTF-8 without NUL)");
    }
    return std::optional<std::string>(std::move(value));
  }
  return std::optional<std::string>();
}

Reply error_reply(const Error& error, int status) {
  const base::ErrorRow& row = base::error_row(error.code);
  std::string message = error.message;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get()) {
    message += ": " + cause->message;
  }
  Json body = Json::object({{"code", row.name}, {"message", message}});
  if (!error.hint.empty()) body.set("hint", error.hint);
  if (error.where) {
    Json where = Json::object({{"file", error.where->file}});
    if (error.where->line > 0) where.set("line", error.where->line);
    if (error.where->column > 0) where.set("column", error.where->column);
    body.set("where", std::move(where));
  }
  Reply reply =
      Reply::json(Json::object({{"error", std::move(body)}}), status != 0 ? status : row.http_status);
  reply.error =
      std::make_shared<const Error>(Error{error.code, std::move(message), error.hint, error.where, nullptr});
  if (error.code == ErrorCode::unauthenticated) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.code == ErrorCode::busy) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Reply dropped_reply() {
  return error_reply(
      {ErrorCode::internal, "the request was dropped without an answer", {}, std::nullopt, nullptr});
}

namespace {

class FunctionSink final : public ReplySink {
 public:
  explicit FunctionSink(std::function<void(Reply)> send) : send_(std::move(send)) {}
  ~FunctionSink() override {
    if (settle()) send_(dropped_reply());
  }
  void deliver(Reply reply) override { send_(std::move(reply)); }

 private:
  std::function<void(Reply)> send_;
};

}  // namespace

ReplyPromise::ReplyPromise(std::function<void(Reply)> send)
    : sink_(std::make_shared<FunctionSink>(std::move(send))) {}

void ReplyPromise::send(Reply reply) {
  if (sink_->settle()) {
    sink_->deliver(std::move(reply));
  } else {
    base::log_error("http", "a request was answered twice; the second answer is ignored");
  }
}

}  // namespace trimtab::http
