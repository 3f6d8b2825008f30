// MLflow's wire: how its clients write parameters, and how its server words answers and refusals. Every route
// of api/mlflow reads and answers through this, so that a text which clients match on stands in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "http/message.h"
#include "http/route.h"
#include "registry/run_facts.h"

namespace trimtab::api {

// The parameters of one request: the JSON body, or the query of a GET (repeated names are lists). Unknown
// parameters are ignored, as protobuf's JSON does there. Integers may be sent as strings.
class MlflowParameters {
 public:
  // Errors: malformed (no JSON object; deeper than 64), with MLflow's words.
  static Result<MlflowParameters> read(const http::Request& request);

  // Required, and not empty. Errors: invalid ("Missing value for required parameter 'name'. See the API docs
  // for more information about request parameters.", "Invalid value 123 for parameter 'name' supplied:  Hint:
  // Value was of type 'int'. See the API docs …").
  Result<std::string> text(std::string_view name) const;
  Result<std::int64_t> integer(std::string_view name) const;
  // The default when it is absent or null. Errors: invalid, for another type.
  Result<std::optional<std::string>> find_text(std::string_view name) const;
  Result<std::optional<std::int64_t>> find_integer(std::string_view name) const;
  Result<bool> flag(std::string_view name, bool fallback = false) const;
  Result<std::vector<std::string>> texts(std::string_view name) const;
  Result<std::vector<registry::KeyValue>> key_values(std::string_view name) const;
  // An experiment's id is a string of digits there. Errors: invalid, not_found for what can be none of ours.
  Result<std::int64_t> experiment_id(std::string_view name) const;
  const Json& json() const { return json_; }

 private:
  explicit MlflowParameters(Json json) : json_(std::move(json)) {}
  Json json_;
};

// {"error_code","message"} with the error table's MLflow code and that code's status there.
http::Reply mlflow_error(const Error& error);
// The value, or the error; an empty object for a Status.
http::Reply mlflow_reply(const Result<Json>& json);
http::Reply mlflow_reply(const Status& status);

// {"offset":n} in base64, as MLflow's page tokens are; "" begins. Errors: invalid.
std::string page_token(std::int64_t offset);
Result<std::int64_t> page_offset(const std::optional<std::string>& token);

// A metric's number as MLflow's JSON has it: "NaN" as a string, infinities as the largest double.
Json metric_number(double value);
Json key_values_json(const std::vector<registry::KeyValue>& values);

using MlflowHandler =
    std::function<http::Answer(const MlflowParameters&, const http::Request&, http::ReplyPromise)>;
// The same route under /api and /ajax-api, for each of the versions ("2.0", "3.0"); path "/mlflow/runs/get".
std::vector<http::Route> mlflow_route(std::string method, std::string path, std::string summary,
                                      http::Permission permission, MlflowHandler handler,
                                      std::initializer_list<const char*> versions = {"2.0"},
                                      http::Placement placement = http::Placement::pool);

}  // namespace trimtab::api
