#include "api/predict/refusals.h"

#include <string_view>
#include <utility>

#include "base/error_table.h"
#include "base/json.h"

namespace trimtab::api {
namespace {

constexpr std::string_view kNoDialect = "The input must be a JSON dictionary";

// What is said, whatever the dialect.
struct Refusal {
  std::string text;
  int status = 0;
  bool is_busy = false;  // Asked again a little later, it may go well.
};

Refusal refusal_of(const Error& error) {
  return {text_of(error), base::error_row(error.code).http_status, error.code == ErrorCode::busy};
}

http::Reply as_reply(const Json& body, const Refusal& refusal) {
  http::Reply reply = http::Reply::json(body, refusal.status);
  if (refusal.is_busy) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

// google.rpc.Code's name for a status of HTTP.
std::string rpc_code(int status) {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 414:
    case 415:
      return "INVALID_ARGUMENT";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 409:
      return "ALREADY_EXISTS";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 501:
      return "UNIMPLEMENTED";
    case 503:
      return "UNAVAILABLE";
    default:
      return "INTERNAL";
  }
}

http::Reply google_refusal(const Refusal& refusal) {
  return as_reply(Json::object({{"error", Json::object({{"code", refusal.status},
                                                        {"message", refusal.text},
                                                        {"status", rpc_code(refusal.status)}})}}),
                  refusal);
}

http::Reply aws_reply(const char* type, Json body, Refusal refusal) {
  http::Reply reply = as_reply(body, refusal);
  reply.headers.emplace_back("x-amzn-ErrorType", type);
  return reply;
}

// Of the service itself: there is no such endpoint, or it cannot be asked.
http::Reply aws_service_reply(Refusal refusal) {
  const Json body = Json::object({{"Message", refusal.text}});
  if (refusal.status == 503) return aws_reply("ServiceUnavailable", body, std::move(refusal));
  const bool is_access = refusal.status == 401 || refusal.status == 403;
  refusal.status = is_access ? 403 : 400;
  return aws_reply(is_access ? "AccessDeniedException" : "ValidationError", body, std::move(refusal));
}

// Of the model's container, with what it said.
http::Reply aws_model_reply(Refusal refusal) {
  const std::string kind = refusal.status >= 500 ? "server" : "client";
  const Json body =
      Json::object({{"Message", "Received " + kind + " error (" + std::to_string(refusal.status) +
                                    ") from primary with message \"" + refusal.text + "\"."},
                    {"OriginalStatusCode", refusal.status},
                    {"OriginalMessage", refusal.text}});
  refusal.status = 424;
  return aws_reply("ModelError", body, std::move(refusal));
}

// MLflow tells a table of the wrong columns from one with wrong values in it.
struct Worded {
  std::string code;
  std::string message;
};
Worded in_mlflow_words(const Error& error) {
  const std::string text = text_of(error);
  const std::string code(base::error_row(error.code).mlflow_code);
  if (error.code == ErrorCode::malformed && !error.message.starts_with(kNoDialect)) {
    return {code, "Ensure that input is a valid JSON formatted string. Error: '" + text + "'"};
  }
  if (error.code != ErrorCode::invalid) return {code, text};
  if (!error.message.starts_with("row ")) {
    return {code, "Failed to predict data. \nError: Failed to enforce schema of data. Error: " + text};
  }
  return {"BAD_REQUEST", "Invalid input. Data is not compatible with model signature. " + text};
}

// MLflow's code for a refusal that has no row of its own in the error table.
std::string_view mlflow_code_of(int status, ErrorCode code) {
  if (status == 404) return "ENDPOINT_NOT_FOUND";
  const base::ErrorRow& row = base::error_row(code);
  return row.http_status == status ? row.mlflow_code : "BAD_REQUEST";
}

bool is_below(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

bool is_mlflow_scoring(std::string_view path) {
  return is_below(path, "/invocations") || is_below(path, "/models") ||
         is_below(path, "/serving-endpoints") || is_below(path, "/api/2.0/serving-endpoints");
}

}  // namespace

std::string text_of(const Error& error) {
  return error.hint.empty() ? error.message : error.message + " (" + error.hint + ")";
}

http::Reply oip_refusal(const Error& error) {
  const Refusal refusal = refusal_of(error);
  return as_reply(Json::object({{"error", refusal.text}}), refusal);
}

http::Reply vertex_refusal(const Error& error) { return google_refusal(refusal_of(error)); }

bool is_aws_caller(const http::Request& request) {
  return request.header("Authorization").starts_with("AWS4-HMAC-SHA256");
}

http::Reply aws_refusal(const Error& error) {
  const bool is_services = error.code == ErrorCode::not_found || error.code == ErrorCode::busy;
  return is_services ? aws_service_reply(refusal_of(error)) : aws_model_reply(refusal_of(error));
}

http::Reply mlflow_scoring_refusal(const Error& error) {
  const Worded words = in_mlflow_words(error);
  return as_reply(Json::object({{"error_code", words.code}, {"message", words.message}}), refusal_of(error));
}

void reword_refusal(const http::Request& request, http::Reply& reply) {
  const std::string_view path = request.path;
  const bool is_oip = is_below(path, "/v2");
  const bool is_vertex = is_below(path, "/v1/endpoints") || is_below(path, "/v1/projects");
  const bool is_mlflow = is_mlflow_scoring(path);
  const bool is_aws = is_below(path, "/endpoints") && is_aws_caller(request);
  if (!is_oip && !is_vertex && !is_mlflow && !is_aws) return;
  if (!reply.error) return;
  const Refusal said{text_of(*reply.error), reply.status, false};
  http::Reply theirs;
  if (is_oip) theirs = as_reply(Json::object({{"error", said.text}}), said);
  if (is_vertex) theirs = google_refusal(said);
  if (is_aws) theirs = said.status == 415 ? aws_model_reply(said) : aws_service_reply(said);
  if (is_mlflow) {
    const std::string code(mlflow_code_of(said.status, reply.error->code));
    theirs = as_reply(Json::object({{"error_code", code}, {"message", said.text}}), said);
  }
  reply.status = theirs.status;
  reply.body = std::move(theirs.body);
  for (auto& header : theirs.headers) reply.headers.push_back(std::move(header));
}

}  // namespace trimtab::api
