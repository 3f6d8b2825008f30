// MLflow's wire: how its clients write parameters, and how its server words answers and refusals. Every route
// of api/mlflow reads and answers through this, so that a text which clients match on stands in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "http/message.h"
#include "http/route.h"
#include "registry/run_facts.h"

namespace trimtab::api {

// Which of the living and the deleted a search is to find.
struct LifecycleView {
  bool active = true;
  bool deleted = false;
};

// The parameters of one request: the JSON body, or the query of a GET (repeated names are lists). Unknown
// parameters are ignored, as protobuf's JSON does there. Integers may be sent as strings. A route reads its
// parameters in the order of MLflow's own schema, so that of several mistakes the same one is named.
class MlflowParameters {
 public:
  // An empty body is an empty object. Errors: invalid (a POST or PUT of another type than application/json),
  // malformed (no JSON object; deeper than 64).
  static Result<MlflowParameters> read(const http::Request& request);

  // Required, and not empty. Errors: invalid ("Missing value for required parameter 'name'. See the API docs
  // for more information about request parameters.", "Invalid value 123 for parameter 'name' supplied:  Hint:
  // Value was of type 'int'. See the API docs …").
  Result<std::string> text(std::string_view name) const;
  Result<std::int64_t> integer(std::string_view name) const;
  Result<double> number(std::string_view name) const;
  // "run_id", or its old name "run_uuid".
  Result<std::string> run_id() const;
  // Nothing when it is absent or null. Errors: invalid, for another type.
  Result<std::optional<std::string>> find_text(std::string_view name) const;
  Result<std::optional<std::int64_t>> find_integer(std::string_view name) const;
  Result<bool> flag(std::string_view name, bool fallback = false) const;
  // A list of texts; empty when it is absent. In a query one value is a list of one.
  Result<std::vector<std::string>> texts(std::string_view name) const;
  // A list of {"key","value"}; a missing value is "". Errors: invalid ("Missing value for required parameter
  // 'tags[0].key'.", a wrong type).
  Result<std::vector<registry::KeyValue>> key_values(std::string_view name) const;
  // A list of objects, each with parameters of its own, which refusals name "metrics[3].key". Errors:
  // invalid.
  Result<std::vector<MlflowParameters>> entries(std::string_view name) const;
  // An object inside this one, with a name in refusals as an entry has; nothing when it is absent.
  Result<std::optional<MlflowParameters>> member(std::string_view name) const;
  // An experiment's id is a string of digits there. Errors: invalid ("Invalid experiment ID 'x'. Experiment
  // ID must be a valid integer.").
  Result<std::int64_t> experiment_id(std::string_view name) const;
  // "ACTIVE_ONLY" (the default), "DELETED_ONLY", "ALL", or protobuf's number of it. Errors: invalid.
  Result<LifecycleView> view(std::string_view name) const;
  const Json& json() const { return *json_; }
  // Who sends the request; null while nobody has to sign in. Not of entries and members.
  const std::shared_ptr<const http::Caller>& caller() const { return caller_; }
  // Of any type. Errors: invalid ("Missing value for required parameter 'models'. …").
  Status require(std::string_view name) const;
  // "Invalid value 3 for parameter 'name' supplied:  Hint: Value was of type 'int'. …": MLflow says this of
  // some values that are out of range, too.
  Error wrong_type(std::string_view name, const Json& value) const;

 private:
  MlflowParameters(std::shared_ptr<const Json> root, const Json* json, std::string path)
      : root_(std::move(root)), json_(json), path_(std::move(path)) {}
  const Json* find(std::string_view name) const;  // Null for absent and for null.
  // A value that is there. Errors: invalid (another type; a NUL character, with which names that look alike
  // would not be the same).
  Result<std::string> checked_text(std::string_view name, const Json& value) const;
  Error missing(std::string_view name) const;

  std::shared_ptr<const Json> root_;  // Of the whole request, shared with its entries.
  const Json* json_;
  std::string path_;  // Of an entry: "metrics[3].".
  bool is_query_ = false;
  std::shared_ptr<const http::Caller> caller_;
};

// "Invalid value <value> for parameter '<path>' supplied: <why>", or "… supplied." for an empty why; the
// value as Python's json module writes it.
Error invalid_parameter(std::string_view path, const Json& value, std::string_view why);
// Errors: invalid ("Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer").
Status check_max_results(std::int64_t max_results, std::int64_t limit);
// Errors: invalid, with MLflow's words.
Result<std::int64_t> parse_experiment_id(std::string_view text);

// {"error_code","message"}, and "hint" where we have one, with the error table's MLflow code and the status
// that MLflow gives to that code.
http::Reply mlflow_error(const Error& error);
// The value, or the error; an empty object for a Status.
http::Reply mlflow_reply(const Result<Json>& json);
http::Reply mlflow_reply(const Status& status);

// {"offset": n} in base64, as MLflow's page tokens are; "" begins. Errors: invalid.
std::string page_token(std::int64_t offset);
Result<std::int64_t> page_offset(const std::optional<std::string>& token);
// Any other token: JSON in base64. Errors: invalid.
std::string json_token(const Json& json);
Result<Json> read_json_token(std::string_view token);

// A metric's number as MLflow's JSON has it: "NaN" as a string, infinities as the largest double.
Json metric_number(double value);
Json key_values_json(const std::vector<registry::KeyValue>& values);

// May be called at the same time on several threads. What it needs after it has returned it must copy. An
// error becomes mlflow_error().
using MlflowHandler =
    std::function<Result<http::Answer>(const MlflowParameters&, const http::Request&, http::ReplyPromise)>;
// The same route under /api and /ajax-api, for each of the versions ("2.0", "3.0"); path "/mlflow/runs/get".
std::vector<http::Route> mlflow_route(std::string method, std::string path, std::string summary,
                                      http::Permission permission, MlflowHandler handler,
                                      std::initializer_list<const char*> versions = {"2.0"},
                                      http::Placement placement = http::Placement::pool);

// The routes of one file, all of them open: MLflow's clients send no token until there are people.
class RouteList {
 public:
  void get(std::string path, std::string summary, MlflowHandler handler,
           http::Placement placement = http::Placement::pool);
  void post(std::string path, std::string summary, MlflowHandler handler,
            http::Placement placement = http::Placement::pool);
  void add(std::vector<http::Route> routes);
  std::vector<http::Route> take() { return std::move(routes_); }

 private:
  std::vector<http::Route> routes_;
};

}  // namespace trimtab::api
