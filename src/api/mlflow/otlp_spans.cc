#include "api/mlflow/otlp_spans.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/base64.h"
#include "http/percent.h"

namespace trimtab::api {
namespace {

using registry::Span;

constexpr int kDepthMax = 32;  // Of values within values.
constexpr std::size_t kTraceIdBytes = 16;
constexpr std::size_t kSpanIdBytes = 8;

tl::unexpected<Error> bad_format() { return fail(ErrorCode::malformed, "Invalid OpenTelemetry format"); }

// One field of a message on the wire.
struct Field {
  std::uint32_t number = 0;
  std::uint32_t type = 0;   // 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits.
  std::uint64_t value = 0;  // Of types 0, 1 and 5.
  std::string_view bytes;   // Of type 2; within the message.
};

class Wire {
 public:
  explicit Wire(std::string_view bytes) : rest_(bytes) {}

  // Nothing at the end. Errors: malformed.
  Result<std::optional<Field>> next() {
    if (rest_.empty()) return std::optional<Field>();
    const std::uint64_t tag = TRY(varint());
    Field field{static_cast<std::uint32_t>(tag >> 3), static_cast<std::uint32_t>(tag & 7), 0, {}};
    if (field.number == 0 || tag >> 3 > 0x1fffffff) return bad_format();
    if (field.type == 0) {
      field.value = TRY(varint());
    } else if (field.type == 1 || field.type == 5) {
      field.value = TRY(fixed(field.type == 1 ? 8 : 4));
    } else if (field.type == 2) {
      const std::uint64_t size = TRY(varint());
      if (size > rest_.size()) return bad_format();
      field.bytes = rest_.substr(0, static_cast<std::size_t>(size));
      rest_.remove_prefix(static_cast<std::size_t>(size));
    } else {
      return bad_format();
    }
    return std::optional(field);
  }

 private:
  Result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return bad_format();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return bad_format();
  }

  Result<std::uint64_t> fixed(std::size_t size) {
    if (rest_.size() < size) return bad_format();
    std::uint64_t value = 0;
    std::memcpy(&value, rest_.data(), size);  // Little endian, as we are.
    rest_.remove_prefix(size);
    return value;
  }

  std::string_view rest_;
};

// Calls visit(field) for each field of a message.
template <class Visit>
Status each_field(std::string_view message, const Visit& visit) {
  Wire wire(message);
  while (const std::optional<Field> field = TRY(wire.next())) TRY(visit(*field));
  return {};
}

Result<std::string> read_text(const Field& field) {
  if (field.type != 2 || !http::is_utf8(field.bytes)) return bad_format();
  return std::string(field.bytes);
}

Result<std::int64_t> read_time(const Field& field) {
  if (field.type != 1 || field.value > INT64_MAX) return bad_format();
  return static_cast<std::int64_t>(field.value);
}

Result<Json> read_value(std::string_view message, int depth);

// {"key", "value"}, or a list of them.
Result<Json> read_pair(std::string_view message, int depth) {
  Json pair = Json::object({{"key", ""}});
  TRY(each_field(message, [&](const Field& field) -> Status {
    if (field.number == 1) pair.set("key", TRY(read_text(field)));
    if (field.number != 2) return {};
    if (field.type != 2) return bad_format();
    Json value = TRY(read_value(field.bytes, depth));
    if (!value.as_object().empty()) pair.set("value", std::move(value));
    return {};
  }));
  return pair;
}

Result<Json> read_list(std::string_view message, bool of_pairs, int depth) {
  Json list = Json::array();
  TRY(each_field(message, [&](const Field& field) -> Status {
    if (field.number != 1) return {};
    if (field.type != 2) return bad_format();
    list.push(TRY(of_pairs ? read_pair(field.bytes, depth) : read_value(field.bytes, depth)));
    return {};
  }));
  if (list.as_array().empty()) return Json::object();
  return Json::object({{"values", std::move(list)}});
}

// AnyValue: {"string_value": …}, {"kvlist_value": {"values": […]}}, …; {} for none.
Result<Json> read_value(std::string_view message, int depth) {
  if (depth > kDepthMax) return bad_format();
  Json value = Json::object();
  TRY(each_field(message, [&](const Field& field) -> Status {
    constexpr std::uint32_t kTypes[] = {2, 0, 0, 1, 2, 2, 2};
    if (field.number > 7) return {};
    if (field.type != kTypes[field.number - 1]) return bad_format();
    value = Json::object();  // Of several the last counts.
    if (field.number == 1) value.set("string_value", TRY(read_text(field)));
    if (field.number == 2) value.set("bool_value", field.value != 0);
    if (field.number == 3) value.set("int_value", std::bit_cast<std::int64_t>(field.value));
    if (field.number == 4) value.set("double_value", std::bit_cast<double>(field.value));
    if (field.number == 5) value.set("array_value", TRY(read_list(field.bytes, false, depth + 1)));
    if (field.number == 6) value.set("kvlist_value", TRY(read_list(field.bytes, true, depth + 1)));
    if (field.number == 7) value.set("bytes_value", base::to_base64(field.bytes));
    return {};
  }));
  return value;
}

constexpr std::string_view kStatusCodes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

// Members in the order of the message's numbers, as protobuf's JSON has them; empty ones are left out.
struct SpanParts {
  std::string trace_id, span_id, parent_id;  // Bytes.
  std::string name;
  std::int64_t start_ns = 0, end_ns = 0;
  Json attributes = Json::array(), events = Json::array();
  std::string status_message;
  std::uint64_t status = 0;
};

Result<Json> read_event(std::string_view message) {
  Json event = Json::object();
  Json attributes = Json::array();
  TRY(each_field(message, [&](const Field& field) -> Status {
    if (field.number == 1) event.set("time_unix_nano", TRY(read_time(field)));
    if (field.number == 2) event.set("name", TRY(read_text(field)));
    if (field.number == 3 && field.type == 2) attributes.push(TRY(read_pair(field.bytes, 0)));
    return {};
  }));
  if (!attributes.as_array().empty()) event.set("attributes", std::move(attributes));
  return event;
}

Status read_status(std::string_view message, SpanParts& parts) {
  return each_field(message, [&](const Field& field) -> Status {
    if (field.number == 2) parts.status_message = TRY(read_text(field));
    if (field.number == 3 && field.type == 0) parts.status = field.value;
    return {};
  });
}

Result<SpanParts> read_parts(std::string_view message) {
  SpanParts parts;
  TRY(each_field(message, [&](const Field& field) -> Status {
    const bool is_bytes = field.number <= 5 || field.number == 9 || field.number == 11 || field.number == 15;
    if (is_bytes && field.type != 2) return bad_format();
    if (field.number == 1) parts.trace_id = field.bytes;
    if (field.number == 2) parts.span_id = field.bytes;
    if (field.number == 4) parts.parent_id = field.bytes;
    if (field.number == 5) parts.name = TRY(read_text(field));
    if (field.number == 7) parts.start_ns = TRY(read_time(field));
    if (field.number == 8) parts.end_ns = TRY(read_time(field));
    if (field.number == 9) parts.attributes.push(TRY(read_pair(field.bytes, 0)));
    if (field.number == 11) parts.events.push(TRY(read_event(field.bytes)));
    if (field.number == 15) return read_status(field.bytes, parts);
    return {};
  }));
  return parts;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
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

Result<Span> make_span(SpanParts parts) {
  const bool has_ids = parts.trace_id.size() == kTraceIdBytes && parts.span_id.size() == kSpanIdBytes &&
                       (parts.parent_id.empty() || parts.parent_id.size() == kSpanIdBytes);
  if (!has_ids || parts.end_ns < 0 || parts.start_ns < 0)
    return fail(ErrorCode::invalid, "Cannot convert OpenTelemetry span to MLflow span");
  Span span;
  span.trace_id = "tr-" + hex(parts.trace_id);
  set_request_id(parts.attributes, span.trace_id);
  span.span_id = hex(parts.span_id);
  span.parent_id = hex(parts.parent_id);
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

Result<std::vector<Span>> not_empty(std::vector<Span> spans, bool has_resources) {
  if (has_resources) return spans;
  return fail(ErrorCode::malformed, "Invalid OpenTelemetry format - no spans found");
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
    if (failed != std::errc() || end != text.data() + text.size()) return bad_format();
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
    if (failed != std::errc() || end != text.data() + i + 2) return bad_format();
    bytes += static_cast<char>(value);
  }
  if (text.size() % 2 != 0) return bad_format();
  return bytes;
}

Result<std::int64_t> json_time(const Json& time) {
  if (time.is_int()) return time.as_int();
  if (time.is_null()) return 0;
  std::int64_t value = 0;
  const std::string text = time.is_string() ? time.as_string() : "";
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return bad_format();
  return value;
}

Result<Span> json_span(const Json& json) {
  SpanParts parts;
  parts.trace_id = TRY(from_hex(json.text_or("traceId")));
  parts.span_id = TRY(from_hex(json.text_or("spanId")));
  parts.parent_id = TRY(from_hex(json.text_or("parentSpanId")));
  parts.name = json.text_or("name");
  parts.start_ns = TRY(json_time(json["startTimeUnixNano"]));
  parts.end_ns = TRY(json_time(json["endTimeUnixNano"]));
  parts.attributes = TRY(json_attributes(json["attributes"]));
  for (const Json& event : json["events"].is_array() ? json["events"].as_array() : Json::Array()) {
    Json out = Json::object({{"time_unix_nano", TRY(json_time(event["timeUnixNano"]))}});
    out.set("name", event.text_or("name"));
    parts.events.push(out.set("attributes", TRY(json_attributes(event["attributes"]))));
  }
  const Json& code = json["status"]["code"];
  for (std::uint64_t i = 0; i < std::size(kStatusCodes); ++i) {
    if (code == Json(i) || (code.is_string() && code.as_string() == kStatusCodes[i])) parts.status = i;
  }
  parts.status_message = json["status"].text_or("message");
  return make_span(std::move(parts));
}

}  // namespace

Result<std::vector<Span>> read_otlp_protobuf(std::string_view bytes) {
  std::vector<Span> spans;
  bool has_resources = false;
  TRY(each_field(bytes, [&](const Field& resource) -> Status {
    if (resource.number != 1) return {};
    if (resource.type != 2) return bad_format();
    has_resources = true;
    return each_field(resource.bytes, [&](const Field& scope) -> Status {
      if (scope.number != 2) return {};
      if (scope.type != 2) return bad_format();
      return each_field(scope.bytes, [&](const Field& span) -> Status {
        if (span.number != 2) return {};
        if (span.type != 2) return bad_format();
        spans.push_back(TRY(make_span(TRY(read_parts(span.bytes)))));
        return {};
      });
    });
  }));
  return not_empty(std::move(spans), has_resources);
}

Result<std::vector<Span>> read_otlp_json(std::string_view text) {
  const Result<Json> json = base::parse_json(text, 4 * kDepthMax);
  if (!json || !json->is_object()) return bad_format();
  std::vector<Span> spans;
  const Json& resources = (*json)["resourceSpans"];
  const auto each = [](const Json& list) { return list.is_array() ? list.as_array() : Json::Array(); };
  for (const Json& resource : each(resources)) {
    for (const Json& scope : each(resource["scopeSpans"])) {
      for (const Json& span : each(scope["spans"])) spans.push_back(TRY(json_span(span)));
    }
  }
  return not_empty(std::move(spans), resources.is_array() && !resources.as_array().empty());
}

}  // namespace trimtab::api
