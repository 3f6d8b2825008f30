#include "api/mlflow/wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/base64.h"
#include "http/percent.h"

namespace trimtab::api {
namespace {

constexpr std::string_view kSeeDocs = " See the API docs for more information about request parameters.";

Error invalid(std::string message) {
  return {ErrorCode::invalid, std::move(message), {}, std::nullopt, nullptr};
}

Error malformed(std::string message, std::string hint = {}) {
  return {ErrorCode::malformed, std::move(message), std::move(hint), std::nullopt, nullptr};
}

// Python's name of a JSON value's type.
std::string_view python_type(const Json& value) {
  if (value.is_null()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_number()) return "float";
  if (value.is_string()) return "str";
  return value.is_array() ? "list" : "dict";
}

void append_unit(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[unit >> shift & 15];
}

// Python escapes what is not ASCII, in UTF-16.
void append_ascii(std::string& out, std::string_view json) {
  for (std::size_t i = 0; i < json.size();) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    if (length == 1) {
      out += json[i++];
      continue;
    }
    std::uint32_t point = byte & (0xffu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k)
      point = point << 6 | (static_cast<unsigned char>(json[i + k]) & 63u);
    i += length;
    if (point >= 0x10000) {
      append_unit(out, 0xd800 + ((point - 0x10000) >> 10));
      point = 0xdc00 + ((point - 0x10000) & 0x3ff);
    }
    append_unit(out, point);
  }
}

Json sorted(const Json& value) {
  Json copy = value;
  if (copy.is_array()) {
    for (Json& item : copy.as_array()) item = sorted(item);
  } else if (copy.is_object()) {
    for (Json::Member& member : copy.as_object()) member.second = sorted(member.second);
    std::sort(copy.as_object().begin(), copy.as_object().end(),
              [](const Json::Member& a, const Json::Member& b) { return a.first < b.first; });
  }
  return copy;
}

// json.dumps(value, sort_keys=True, separators=(",", ":")).
std::string python_json(const Json& value) {
  std::string out;
  append_ascii(out, sorted(value).dump());
  return out;
}

Result<Json> read_query(std::string_view query) {
  Json json = Json::object();
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name = TRY(http::decode_percent(pair.substr(0, equals), true));
    std::string value = TRY(http::decode_percent(pair.substr(std::min(equals + 1, pair.size())), true));
    if (!http::is_utf8(value) || value.find('\0') != std::string::npos) {
      return fail(
          malformed("the query parameter '" + http::shown(name) + "' is no text (UTF-8 without NUL)"));
    }
    const Json* before = json.find(name);
    if (before == nullptr) {
      json.set(std::move(name), std::move(value));
      continue;
    }
    Json list = before->is_array() ? *before : Json::array().push(*before);
    json.set(std::move(name), std::move(list.push(std::move(value))));
  }
  return json;
}

// Only the media type that a foreign page cannot send without asking first.
Status check_type(const http::Request& request) {
  if (request.method != "POST" && request.method != "PUT") return {};
  std::string_view type = request.header("content-type");
  if (type.empty()) return fail(invalid("Bad Request. Content-Type header is missing."));
  if (type.substr(0, type.find(';')) == "application/json") return {};
  return fail(invalid("Bad Request. Content-Type must be one of ['application/json']."));
}

Result<Json> read_body(std::string_view body) {
  if (body.empty()) return Json::object();
  Json json = TRY(base::parse_json(body));
  // Old clients encoded their JSON twice.
  if (json.is_string()) json = TRY(base::parse_json(json.as_string()));
  if (json.is_null()) return Json::object();
  if (json.is_object()) return json;
  return fail(malformed("the request's body is a JSON " + std::string(json.is_array() ? "array" : "value") +
                        ", not an object with the parameters"));
}

std::optional<std::int64_t> whole_number(const Json& value) {
  if (value.is_int()) return value.as_int();
  if (value.is_number()) {
    const double number = value.as_double();
    const bool fits = std::trunc(number) == number && std::abs(number) < 9.2e18;
    return fits ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
  }
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.as_string();
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = failed == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(number) : std::nullopt;
}

std::optional<double> floating_number(const Json& value) {
  if (value.is_number()) return value.as_double();
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.as_string();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = failed == std::errc() && end == text.data() + text.size() && std::isfinite(number);
  return is_number ? std::optional(number) : std::nullopt;
}

// The statuses of MLflow's codes that differ from ours: its clients retry some and not others.
int mlflow_status(const base::ErrorRow& row) {
  struct Status {
    std::string_view code;
    int status;
  };
  constexpr std::array kStatuses = {Status{"INVALID_PARAMETER_VALUE", 400}, Status{"BAD_REQUEST", 400},
                                    Status{"INVALID_STATE", 500}, Status{"TEMPORARILY_UNAVAILABLE", 503},
                                    Status{"RESOURCE_CONFLICT", 409}};
  for (const Status& known : kStatuses) {
    if (known.code == row.mlflow_code) return known.status;
  }
  return row.http_status;
}

// Python's repr of bytes, as far as a page token can need it.
std::string python_bytes(std::string_view bytes) {
  std::string out = "b'";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '\'' && c != '\\') {
      out += c;
      continue;
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out + "'";
}

}  // namespace

Result<MlflowParameters> MlflowParameters::read(const http::Request& request) {
  const bool is_query = request.method == "GET" && !request.query.empty();
  if (!is_query) TRY(check_type(request));
  const auto json =
      std::make_shared<const Json>(TRY(is_query ? read_query(request.query) : read_body(request.body)));
  MlflowParameters read(json, json.get(), "");
  read.is_query_ = is_query;
  read.caller_ = request.caller;
  return read;
}

const Json* MlflowParameters::find(std::string_view name) const {
  const Json* value = json_->find(name);
  if (value == nullptr || value->is_null()) return nullptr;
  // Of a repeated query parameter that is no list the first one counts.
  if (is_query_ && value->is_array()) return &value->as_array().front();
  return value;
}

Error MlflowParameters::missing(std::string_view name) const {
  return invalid("Missing value for required parameter '" + path_ + std::string(name) + "'." +
                 std::string(kSeeDocs));
}

Error MlflowParameters::wrong_type(std::string_view name, const Json& value) const {
  return invalid_parameter(
      path_ + std::string(name), value,
      " Hint: Value was of type '" + std::string(python_type(value)) + "'." + std::string(kSeeDocs));
}

Status MlflowParameters::require(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr || (value->is_string() && value->as_string().empty())) return fail(missing(name));
  return {};
}

Result<std::string> MlflowParameters::text(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr || (value->is_string() && value->as_string().empty())) return fail(missing(name));
  return checked_text(name, *value);
}

Result<std::string> MlflowParameters::checked_text(std::string_view name, const Json& value) const {
  if (!value.is_string()) return fail(wrong_type(name, value));
  if (value.as_string().find('\0') == std::string::npos) return value.as_string();
  return fail(invalid_parameter(path_ + std::string(name), value, "It holds a NUL character."));
}

Result<std::int64_t> MlflowParameters::integer(std::string_view name) const {
  const std::optional<std::int64_t> value = TRY(find_integer(name));
  if (!value) return fail(missing(name));
  return *value;
}

Result<double> MlflowParameters::number(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr || (value->is_string() && value->as_string().empty())) return fail(missing(name));
  const std::optional<double> number = floating_number(*value);
  if (!number) return fail(wrong_type(name, *value));
  return *number;
}

Result<std::string> MlflowParameters::run_id() const {
  const bool has_old_name = find("run_id") == nullptr && find("run_uuid") != nullptr;
  return text(has_old_name ? "run_uuid" : "run_id");
}

Result<std::optional<std::string>> MlflowParameters::find_text(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::string>();
  return std::optional<std::string>(TRY(checked_text(name, *value)));
}

Result<std::optional<std::int64_t>> MlflowParameters::find_integer(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::int64_t>();
  const std::optional<std::int64_t> number = whole_number(*value);
  if (!number) return fail(wrong_type(name, *value));
  return number;
}

Result<bool> MlflowParameters::flag(std::string_view name, bool fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->as_bool();
  if (!is_query_ || !value->is_string()) return fail(wrong_type(name, *value));
  const std::string& text = value->as_string();
  if (http::equal_without_case(text, "true")) return true;
  if (http::equal_without_case(text, "false")) return false;
  return fail(invalid("Invalid boolean value: " + text + ", must be 'true' or 'false'."));
}

Result<std::vector<std::string>> MlflowParameters::texts(std::string_view name) const {
  std::vector<std::string> texts;
  const Json* value = json_->find(name);
  if (value == nullptr || value->is_null()) return texts;
  if (is_query_ && value->is_string()) return std::vector<std::string>{value->as_string()};
  if (!value->is_array()) return fail(wrong_type(name, *value));
  for (const Json& item : value->as_array()) {
    if (!item.is_string()) return fail(wrong_type(name, *value));
    texts.push_back(item.as_string());
  }
  return texts;
}

Result<std::vector<MlflowParameters>> MlflowParameters::entries(std::string_view name) const {
  std::vector<MlflowParameters> entries;
  const Json* value = json_->find(name);
  if (value == nullptr || value->is_null()) return entries;
  if (!value->is_array()) return fail(wrong_type(name, *value));
  entries.reserve(value->as_array().size());
  for (const Json& item : value->as_array()) {
    if (!item.is_object()) return fail(wrong_type(name, *value));
    std::string path = path_ + std::string(name) + "[" + std::to_string(entries.size()) + "].";
    entries.push_back(MlflowParameters(root_, &item, std::move(path)));
  }
  return entries;
}

Result<std::optional<MlflowParameters>> MlflowParameters::member(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<MlflowParameters>();
  if (!value->is_object()) return fail(wrong_type(name, *value));
  return std::optional(MlflowParameters(root_, value, path_ + std::string(name) + "."));
}

Result<std::vector<registry::KeyValue>> MlflowParameters::key_values(std::string_view name) const {
  std::vector<registry::KeyValue> values;
  for (const MlflowParameters& entry : TRY(entries(name))) {
    std::string key = TRY(entry.text("key"));
    values.push_back({std::move(key), TRY(entry.find_text("value")).value_or("")});
  }
  return values;
}

Result<std::int64_t> MlflowParameters::experiment_id(std::string_view name) const {
  return parse_experiment_id(TRY(text(name)));
}

Result<LifecycleView> MlflowParameters::view(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return LifecycleView{};
  const std::string text = value->is_string() ? value->as_string() : value->dump();
  if (text == "ACTIVE_ONLY" || text == "1") return LifecycleView{true, false};
  if (text == "DELETED_ONLY" || text == "2") return LifecycleView{false, true};
  if (text == "ALL" || text == "3") return LifecycleView{true, true};
  return fail(invalid_parameter(path_ + std::string(name), *value,
                                "It must be one of ACTIVE_ONLY, DELETED_ONLY and ALL."));
}

Error invalid_parameter(std::string_view path, const Json& value, std::string_view why) {
  return invalid("Invalid value " + python_json(value) + " for parameter '" + std::string(path) +
                 (why.empty() ? "' supplied." : "' supplied: " + std::string(why)));
}

Status check_max_results(std::int64_t max_results, std::int64_t limit) {
  const std::string begin =
      "Invalid value " + std::to_string(max_results) + " for parameter 'max_results' supplied. It must be ";
  if (max_results < 1) return fail(ErrorCode::invalid, begin + "a positive integer");
  if (max_results > limit) return fail(ErrorCode::invalid, begin + "at most " + std::to_string(limit));
  return {};
}

Result<std::int64_t> parse_experiment_id(std::string_view text) {
  std::int64_t id = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failed == std::errc() && end == text.data() + text.size()) return id;
  return fail(ErrorCode::invalid,
              "Invalid experiment ID '" + std::string(text) + "'. Experiment ID must be a valid integer.");
}

http::Reply mlflow_error(const Error& error) {
  const base::ErrorRow& row = base::error_row(error.code);
  std::string message = error.message;
  for (const Error* cause = error.cause.get(); cause != nullptr; cause = cause->cause.get()) {
    message += ": " + cause->message;
  }
  Json body = Json::object({{"error_code", row.mlflow_code}, {"message", std::move(message)}});
  if (!error.hint.empty()) body.set("hint", error.hint);
  http::Reply reply = http::Reply::json(body, mlflow_status(row));
  if (error.code == ErrorCode::busy) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

http::Reply mlflow_reply(const Result<Json>& json) {
  return json ? http::Reply::json(*json) : mlflow_error(json.error());
}

http::Reply mlflow_reply(const Status& status) {
  return status ? http::Reply{200, "application/json", "{}", {}} : mlflow_error(status.error());
}

std::string page_token(std::int64_t offset) {
  return base::to_base64("{\"offset\": " + std::to_string(offset) + "}");
}

Result<std::int64_t> page_offset(const std::optional<std::string>& token) {
  if (!token || token->empty()) return 0;
  const std::optional<std::string> text = base::from_base64(*token);
  if (!text) return fail(invalid("Invalid page token, could not base64-decode"));
  const Result<Json> json = base::parse_json(*text);
  if (!json) return fail(invalid("Invalid page token, decoded value=" + python_bytes(*text)));
  const std::optional<std::int64_t> offset = whole_number((*json)["offset"]);
  if (!offset || *offset <= 0) return fail(invalid("Invalid page token, parsed value=" + json->dump()));
  return *offset;
}

std::string json_token(const Json& json) { return base::to_base64(json.dump()); }

Result<Json> read_json_token(std::string_view token) {
  const std::optional<std::string> text = base::from_base64(token);
  if (!text) return fail(invalid("Invalid page token, could not base64-decode"));
  Result<Json> json = base::parse_json(*text);
  if (json && json->is_object()) return json;
  return fail(invalid("Invalid page token, decoded value=" + python_bytes(*text)));
}

Json metric_number(double value) {
  if (std::isinf(value)) return std::copysign(std::numeric_limits<double>::max(), value);
  return value;
}

Json key_values_json(const std::vector<registry::KeyValue>& values) {
  Json list = Json::array();
  for (const registry::KeyValue& value : values) {
    list.push(Json::object({{"key", value.key}, {"value", value.value}}));
  }
  return list;
}

std::vector<http::Route> mlflow_route(std::string method, std::string path, std::string summary,
                                      http::Permission permission, MlflowHandler handler,
                                      std::initializer_list<const char*> versions,
                                      http::Placement placement) {
  const http::Handler read = [handler = std::move(handler)](const http::Request& request,
                                                            http::ReplyPromise promise) -> http::Answer {
    const Result<MlflowParameters> parameters = MlflowParameters::read(request);
    if (!parameters) return mlflow_error(parameters.error());
    Result<http::Answer> answer = handler(*parameters, request, std::move(promise));
    return answer ? *std::move(answer) : mlflow_error(answer.error());
  };
  std::vector<http::Route> routes;
  for (const char* prefix : {"/api/", "/ajax-api/"}) {
    for (const char* version : versions) {
      http::Route route{.method = method,
                        .path = prefix + std::string(version) + path,
                        .summary = summary,
                        .permission = permission,
                        .placement = placement,
                        .handler = read};
      // MLflow words the refusal of another type itself; read() is the one that refuses.
      route.content_types = {"*/*"};
      routes.push_back(std::move(route));
    }
  }
  return routes;
}

void RouteList::get(std::string path, std::string summary, MlflowHandler handler, http::Placement placement) {
  add(mlflow_route("GET", std::move(path), std::move(summary), http::Permission::open, std::move(handler),
                   {"2.0"}, placement));
}

void RouteList::post(std::string path, std::string summary, MlflowHandler handler,
                     http::Placement placement) {
  add(mlflow_route("POST", std::move(path), std::move(summary), http::Permission::open, std::move(handler),
                   {"2.0"}, placement));
}

void RouteList::add(std::vector<http::Route> routes) {
  routes_.insert(routes_.end(), std::make_move_iterator(routes.begin()),
                 std::make_move_iterator(routes.end()));
}

}  // namespace trimtab::api
