#include "bridges/mlflow/mlflow_server.h"

#include <cctype>
#include <charconv>
#include <string_view>

namespace trimtab::bridges {
namespace {

constexpr TimeUs kTimeoutUs = 10 * base::kMinuteUs;
constexpr int kDepthMax = 256;
constexpr const char* kApi = "/api/2.0/mlflow";
constexpr const char* kApiV3 = "/api/3.0/mlflow";
constexpr const char* kSpansPath = "/v1/traces";
constexpr const char* kArtifactsPath = "/api/2.0/mlflow-artifacts/artifacts";

tl::unexpected<Error> no_address(const std::string& uri) {
  return fail(
      ErrorCode::invalid, "'" + uri + "' is no address of an MLflow server",
      "write http://HOST:PORT; a server behind TLS is reached through a tunnel, or import its database file");
}

std::string query_text(const MlflowServer::Query& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += (text.empty() ? "?" : "&") + percent_encoded(name) + "=" + percent_encoded(value);
  }
  return text;
}

Error refusal(const std::string& uri, int status, const std::string& body) {
  const Json json = base::parse_json(body, kDepthMax).value_or(Json());
  const std::string code = json.text_or("error_code");
  Error error{ErrorCode::invalid,
              uri + " answers " + std::to_string(status) + ": " + json.text_or("message"),
              {},
              std::nullopt,
              nullptr};
  if (code == "RESOURCE_DOES_NOT_EXIST" || code == "NOT_FOUND" || status == 404)
    error.code = ErrorCode::not_found;
  if (code == "RESOURCE_ALREADY_EXISTS") error.code = ErrorCode::already_exists;
  if (status == 401 || status == 403) error.code = ErrorCode::forbidden;
  if (status >= 500) error.code = ErrorCode::busy;
  return error;
}

}  // namespace

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 128 && std::isalnum(byte) != 0) ||
                       std::string_view("-._~").find(c) != std::string_view::npos ||
                       (keep_slashes && c == '/');
    if (plain) out += c;
    if (!plain) out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

Result<MlflowServer> MlflowServer::connect(const std::string& uri) {
  constexpr std::string_view kScheme = "http://";
  std::string rest = uri;
  while (rest.ends_with('/')) rest.pop_back();
  if (!rest.starts_with(kScheme)) return no_address(uri);
  std::string host = rest.substr(kScheme.size());
  int port = 80;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string::npos) {
    const std::string digits = host.substr(colon + 1);
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (wrong != std::errc() || end != digits.data() + digits.size() || port < 1 || port > 65535) {
      return no_address(uri);
    }
    host.resize(colon);
  }
  if (host.empty() || host.find('/') != std::string::npos) return no_address(uri);
  MlflowServer server(rest, http::Client(host, port, kTimeoutUs));
  // Every MLflow server has an experiment, if only a deleted one.
  const Result<Json> found =
      server.post("/experiments/search", Json::object({{"max_results", 1}, {"view_type", "ALL"}}));
  if (found) return server;
  if (found.error().code == ErrorCode::busy || found.error().code == ErrorCode::forbidden)
    return fail(found.error());
  return fail(ErrorCode::unsupported, "what answers at " + rest + " is no MLflow server",
              "give the address that MLFLOW_TRACKING_URI has");
}

Result<Json> MlflowServer::ask(const char* method, const std::string& path, const std::string& body) {
  const Result<http::ClientReply> reply = client_.send(method, path, body);
  if (!reply) return fail(base::wrap(reply.error(), "the MLflow server at " + uri_ + " cannot be asked"));
  if (reply->status >= 400) return fail(refusal(uri_, reply->status, reply->body));
  if (reply->body.empty()) return Json::object();
  return base::parse_json(reply->body, kDepthMax);
}

Result<Json> MlflowServer::get(const std::string& path, const Query& query) {
  return ask("GET", kApi + path + query_text(query), "");
}

Result<Json> MlflowServer::post(const std::string& path, const Json& body) {
  return ask("POST", kApi + path, body.dump());
}

Result<Json> MlflowServer::patch(const std::string& path, const Json& body) {
  return ask("PATCH", kApi + path, body.dump());
}

Result<Json> MlflowServer::remove(const std::string& path, const Json& body) {
  return ask("DELETE", kApi + path, body.dump());
}

Result<Json> MlflowServer::get_v3(const std::string& path, const Query& query) {
  return ask("GET", kApiV3 + path + query_text(query), "");
}

Result<Json> MlflowServer::post_v3(const std::string& path, const Json& body) {
  return ask("POST", kApiV3 + path, body.dump());
}

Status MlflowServer::post_spans(const std::string& experiment_id, const Json& body) {
  client_.set_header("x-mlflow-experiment-id", experiment_id);
  const Result<http::ClientReply> reply = client_.send("POST", kSpansPath, body.dump());
  if (!reply) return fail(base::wrap(reply.error(), "spans cannot be sent to " + uri_));
  if (reply->status >= 400) return fail(refusal(uri_, reply->status, reply->body));
  return {};
}

Result<Json> MlflowServer::list_artifacts(const std::string& path) {
  return ask("GET", kArtifactsPath + query_text({{"path", path}}), "");
}

Result<std::string> MlflowServer::get_artifact(const std::string& path) {
  const Result<http::ClientReply> reply =
      client_.send("GET", std::string(kArtifactsPath) + "/" + percent_encoded(path, true));
  if (!reply) return fail(base::wrap(reply.error(), "'" + path + "' cannot be fetched from " + uri_));
  if (reply->status >= 400) return fail(refusal(uri_, reply->status, reply->body));
  return reply->body;
}

Status MlflowServer::put_artifact(const std::string& path, const std::string& bytes) {
  const Result<http::ClientReply> reply =
      client_.send("PUT", std::string(kArtifactsPath) + "/" + percent_encoded(path, true), bytes,
                   "application/octet-stream");
  if (!reply) return fail(base::wrap(reply.error(), "'" + path + "' cannot be sent to " + uri_));
  if (reply->status >= 400) return fail(refusal(uri_, reply->status, reply->body));
  return {};
}

}  // namespace trimtab::bridges
