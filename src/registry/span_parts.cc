#include "registry/span_parts.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/hex.h"

namespace trimtab::registry {
namespace {

constexpr std::size_t kTraceIdBytes = 16;
constexpr std::size_t kSpanIdBytes = 8;
constexpr int kStoredDepthMax = 128;

constexpr std::string_view kStatusCodes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

tl::unexpected<Error> no_span() { return fail(ErrorCode::malformed, "Invalid OpenTelemetry format"); }

const Json::Array& each_of(const Json& list) {
  static const Json::Array none;
  return list.is_array() ? list.as_array() : none;
}

// A value as plain JSON.
Json plain(const Json& value) {
  if (!value.is_object() || value.as_object().empty()) return {};
  const auto& [kind, inside] = value.as_object().front();
  const Json& values = inside["values"];
  if (kind == "array_value") {
    Json list = Json::array();
    if (values.is_array()) {
      for (const Json& item : values.as_array()) list.push(plain(item));
    }
    return list;
  }
  if (kind != "kvlist_value") return inside;
  Json object = Json::object();
  if (values.is_array()) {
    for (const Json& pair : values.as_array()) object.set(pair.text_or("key"), plain(pair["value"]));
  }
  return object;
}

// The attribute as text: a string itself, everything else as JSON; "" when there is none.
std::string attribute(const Json& attributes, std::string_view key, bool as_json) {
  for (const Json& pair : attributes.as_array()) {
    if (pair.text_or("key") != key) continue;
    const Json value = plain(pair["value"]);
    if (value.is_null()) return "";
    return value.is_string() && !as_json ? value.as_string() : value.dump();
  }
  return "";
}

// The ids say which trace it is; an attribute that claims another one is put right.
void set_request_id(Json& attributes, const std::string& trace_id) {
  Json value = Json::object({{"string_value", trace_id}});
  for (Json& pair : attributes.as_array()) {
    if (pair.text_or("key") != "mlflow.traceRequestId") continue;
    pair.set("value", std::move(value));
    return;
  }
  attributes.push(Json::object({{"key", "mlflow.traceRequestId"}, {"value", std::move(value)}}));
}

// "traceId" → "trace_id", as the values' names are spelled inside.
std::string snake_case(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (is_upper) out += '_';
    out += is_upper ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return out;
}

// A value of OTLP's JSON with the names and types that the protobuf form gives.
Result<Json> json_value(const Json& value) {
  Json out = Json::object();
  if (!value.is_object() || value.as_object().empty()) return out;
  const std::string kind = snake_case(value.as_object().front().first);
  const Json& inside = value.as_object().front().second;
  if (kind == "int_value" && inside.is_string()) {
    std::int64_t number = 0;
    const std::string& text = inside.as_string();
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc() || end != text.data() + text.size()) return no_span();
    return out.set(kind, number);
  }
  if (kind != "array_value" && kind != "kvlist_value") return out.set(kind, inside);
  Json values = Json::array();
  for (const Json& item : inside["values"].is_array() ? inside["values"].as_array() : Json::Array()) {
    if (kind == "array_value") {
      values.push(TRY(json_value(item)));
    } else {
      values.push(Json::object({{"key", item.text_or("key")}, {"value", TRY(json_value(item["value"]))}}));
    }
  }
  return out.set(kind, Json::object({{"values", std::move(values)}}));
}

Result<Json> json_attributes(const Json& attributes) {
  Json list = Json::array();
  for (const Json& pair : attributes.is_array() ? attributes.as_array() : Json::Array()) {
    Json out = Json::object({{"key", pair.text_or("key")}});
    list.push(out.set("value", TRY(json_value(pair["value"]))));
  }
  return list;
}

// OTLP's JSON has ids in hexadecimal.
Result<std::string> from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, failed] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (failed != std::errc() || end != text.data() + i + 2) return no_span();
    bytes += static_cast<char>(value);
  }
  if (text.size() % 2 != 0) return no_span();
  return bytes;
}

Result<std::int64_t> json_time(const Json& time) {
  if (time.is_int()) return time.as_int();
  if (time.is_null()) return 0;
  std::int64_t value = 0;
  const std::string text = time.is_string() ? time.as_string() : "";
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return no_span();
  return value;
}

// What plain() reads.
Json any_value(const Json& plain) {
  Json value = Json::object();
  if (plain.is_string()) value.set("string_value", plain);
  if (plain.is_bool()) value.set("bool_value", plain);
  if (plain.is_int()) value.set("int_value", plain);
  if (plain.is_number() && !plain.is_int()) value.set("double_value", plain);
  Json values = Json::array();
  if (plain.is_array()) {
    for (const Json& item : plain.as_array()) values.push(any_value(item));
    value.set("array_value", Json::object({{"values", std::move(values)}}));
  } else if (plain.is_object()) {
    for (const Json::Member& member : plain.as_object())
      values.push(Json::object({{"key", member.first}, {"value", any_value(member.second)}}));
    value.set("kvlist_value", Json::object({{"values", std::move(values)}}));
  }
  return value;
}

// An attribute of MLflow's table is JSON within a text; one that is none stands for itself.
Json stored_attributes(const Json& attributes) {
  Json list = Json::array();
  if (!attributes.is_object()) return list;
  for (const Json::Member& member : attributes.as_object()) {
    const Result<Json> inside = member.second.is_string()
                                    ? base::parse_json(member.second.as_string(), kStoredDepthMax)
                                    : Result<Json>(member.second);
    Json value = any_value(inside ? *inside : member.second);
    list.push(Json::object({{"key", member.first}, {"value", std::move(value)}}));
  }
  return list;
}

void read_span_status(const Json& status, SpanParts& parts) {
  const Json& code = status["code"];
  for (std::uint64_t i = 0; i < std::size(kStatusCodes); ++i) {
    if (code == Json(i) || (code.is_string() && code.as_string() == kStatusCodes[i])) parts.status = i;
  }
  parts.status_message = status.text_or("message");
}

Result<std::string> id_bytes(const Json& json, std::string_view name) {
  const std::optional<std::string> bytes = base::from_base64(json.text_or(name));
  if (!bytes) return no_span();
  return *bytes;
}

// What bodies and MLflow's table have in common: all but the attributes of the span itself.
Result<SpanParts> snake_parts(const Json& json, Result<Json> (*event_attributes)(const Json&)) {
  SpanParts parts;
  parts.trace_id = TRY(id_bytes(json, "trace_id"));
  parts.span_id = TRY(id_bytes(json, "span_id"));
  parts.parent_id = TRY(id_bytes(json, "parent_span_id"));
  parts.name = json.text_or("name");
  parts.start_ns = TRY(json_time(json["start_time_unix_nano"]));
  parts.end_ns = TRY(json_time(json["end_time_unix_nano"]));
  for (const Json& event : each_of(json["events"])) {
    Json out = Json::object({{"time_unix_nano", TRY(json_time(event["time_unix_nano"]))}});
    out.set("name", event.text_or("name"));
    Json attributes = TRY(event_attributes(event["attributes"]));
    if (!attributes.as_array().empty()) out.set("attributes", std::move(attributes));
    parts.events.push(std::move(out));
  }
  read_span_status(json["status"], parts);
  return parts;
}

// "trace_id" → "traceId".
std::string camel_case(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool is_upper = name[i] == '_' && i + 1 < name.size() && name[i + 1] >= 'a' && name[i + 1] <= 'z';
    if (is_upper) ++i;
    out += is_upper ? static_cast<char>(name[i] - ('a' - 'A')) : name[i];
  }
  return out;
}

// The names of OTLP's JSON; the keys of attributes are values, and stay.
Json otlp_names(const Json& json) {
  if (json.is_array()) {
    Json list = Json::array();
    for (const Json& item : json.as_array()) list.push(otlp_names(item));
    return list;
  }
  if (!json.is_object()) return json;
  Json out = Json::object();
  for (const Json::Member& member : json.as_object())
    out.set(camel_case(member.first), otlp_names(member.second));
  return out;
}

}  // namespace

Result<Span> make_span(SpanParts parts) {
  const bool has_ids = parts.trace_id.size() == kTraceIdBytes && parts.span_id.size() == kSpanIdBytes &&
                       (parts.parent_id.empty() || parts.parent_id.size() == kSpanIdBytes);
  if (!has_ids || parts.end_ns < 0 || parts.start_ns < 0)
    return fail(ErrorCode::invalid, "Cannot convert OpenTelemetry span to MLflow span");
  Span span;
  span.trace_id = "tr-" + base::to_hex(parts.trace_id);
  set_request_id(parts.attributes, span.trace_id);
  span.span_id = base::to_hex(parts.span_id);
  span.parent_id = base::to_hex(parts.parent_id);
  span.name = parts.name;
  span.start_ns = parts.start_ns;
  span.end_ns = parts.end_ns;
  span.status = parts.status == 1 ? "OK" : parts.status == 2 ? "ERROR" : "UNSET";
  span.type = attribute(parts.attributes, "mlflow.spanType", false);
  if (span.type.empty()) span.type = "UNKNOWN";
  span.inputs = attribute(parts.attributes, "mlflow.spanInputs", true);
  span.outputs = attribute(parts.attributes, "mlflow.spanOutputs", true);
  span.session_id = attribute(parts.attributes, "session.id", false);
  if (span.session_id.empty()) span.session_id = attribute(parts.attributes, "gen_ai.conversation.id", false);
  span.user_id = attribute(parts.attributes, "user.id", false);
  Json body = Json::object(
      {{"trace_id", base::to_base64(parts.trace_id)}, {"span_id", base::to_base64(parts.span_id)}});
  if (!parts.parent_id.empty()) body.set("parent_span_id", base::to_base64(parts.parent_id));
  body.set("name", parts.name)
      .set("start_time_unix_nano", parts.start_ns)
      .set("end_time_unix_nano", parts.end_ns);
  body.set("attributes", std::move(parts.attributes));
  if (!parts.events.as_array().empty()) body.set("events", std::move(parts.events));
  Json status = Json::object();
  if (!parts.status_message.empty()) status.set("message", parts.status_message);
  if (parts.status == 1 || parts.status == 2) status.set("code", kStatusCodes[parts.status]);
  body.set("status", std::move(status));
  span.body = body.dump();
  return span;
}

Result<Span> read_otlp_span(const Json& json) {
  SpanParts parts;
  parts.trace_id = TRY(from_hex(json.text_or("traceId")));
  parts.span_id = TRY(from_hex(json.text_or("spanId")));
  parts.parent_id = TRY(from_hex(json.text_or("parentSpanId")));
  parts.name = json.text_or("name");
  parts.start_ns = TRY(json_time(json["startTimeUnixNano"]));
  parts.end_ns = TRY(json_time(json["endTimeUnixNano"]));
  parts.attributes = TRY(json_attributes(json["attributes"]));
  for (const Json& event : each_of(json["events"])) {
    Json out = Json::object({{"time_unix_nano", TRY(json_time(event["timeUnixNano"]))}});
    out.set("name", event.text_or("name"));
    parts.events.push(out.set("attributes", TRY(json_attributes(event["attributes"]))));
  }
  read_span_status(json["status"], parts);
  return make_span(std::move(parts));
}

Result<Span> read_span_body(const Json& json) {
  SpanParts parts = TRY(snake_parts(json, json_attributes));
  parts.attributes = TRY(json_attributes(json["attributes"]));
  return make_span(std::move(parts));
}

Result<Span> read_stored_span(const Json& json) {
  // The attributes of an event are plain.
  const auto plain_attributes = [](const Json& attributes) -> Result<Json> {
    return any_value(attributes.is_object() ? attributes : Json::object())["kvlist_value"]["values"];
  };
  SpanParts parts = TRY(snake_parts(json, plain_attributes));
  parts.attributes = stored_attributes(json["attributes"]);
  return make_span(std::move(parts));
}

Result<Json> otlp_span(const Json& body) {
  Json json = otlp_names(body);
  for (const char* name : {"traceId", "spanId", "parentSpanId"}) {
    const std::optional<std::string> bytes = base::from_base64(json.text_or(name));
    if (!bytes) return no_span();
    if (!bytes->empty()) json.set(name, base::to_hex(*bytes));
  }
  return json;
}

}  // namespace trimtab::registry
