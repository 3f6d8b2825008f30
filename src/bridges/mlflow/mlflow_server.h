// A running MLflow server, as a client of its REST API sees it. Plain HTTP to a host of one's own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "http/client.h"

namespace trimtab::bridges {

// Belongs to one thread. Errors of all: busy (no connection), deadline, and what the server refuses:
// not_found, already_exists, otherwise invalid, in the server's own words.
class MlflowServer {
 public:
  // "http://127.0.0.1:5000". Errors: invalid (another kind of address), busy, unsupported (what answers there
  // is no MLflow server).
  static Result<MlflowServer> connect(const std::string& uri);

  using Query = std::vector<std::pair<std::string, std::string>>;
  // Paths as in "/runs/search"; version "2.0".
  Result<Json> get(const std::string& path, const Query& query = {});
  Result<Json> post(const std::string& path, const Json& body);
  Result<Json> patch(const std::string& path, const Json& body);
  Result<Json> remove(const std::string& path, const Json& body);
  // Version "3.0", which has the traces.
  Result<Json> get_v3(const std::string& path, const Query& query = {});
  Result<Json> post_v3(const std::string& path, const Json& body);
  // Spans by OpenTelemetry's protocol: {"resourceSpans": […]}.
  Status post_spans(const std::string& experiment_id, const Json& body);

  // Of the artifact proxy; "3/<run>/artifacts/model".
  Result<Json> list_artifacts(const std::string& path);
  Result<std::string> get_artifact(const std::string& path);
  Status put_artifact(const std::string& path, const std::string& bytes);

  const std::string& uri() const { return uri_; }

 private:
  MlflowServer(std::string uri, http::Client client) : uri_(std::move(uri)), client_(std::move(client)) {}
  Result<Json> ask(const char* method, const std::string& path, const std::string& body);

  std::string uri_;
  http::Client client_;
};

// A text inside of a URL; with `keep_slashes` as several steps of its path.
std::string percent_encoded(std::string_view text, bool keep_slashes = false);

}  // namespace trimtab::bridges
