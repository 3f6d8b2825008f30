#include "api/mlflow/otlp_spans.h"

#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/base64.h"
#include "http/percent.h"
#include "registry/span_parts.h"

namespace trimtab::api {
namespace {

using registry::Span;
using registry::SpanParts;

constexpr int kDepthMax = 32;  // Of values within values.

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

Result<std::vector<Span>> not_empty(std::vector<Span> spans, bool has_resources) {
  if (has_resources) return spans;
  return fail(ErrorCode::malformed, "Invalid OpenTelemetry format - no spans found");
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
        spans.push_back(TRY(registry::make_span(TRY(read_parts(span.bytes)))));
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
      for (const Json& span : each(scope["spans"])) spans.push_back(TRY(registry::read_otlp_span(span)));
    }
  }
  return not_empty(std::move(spans), resources.is_array() && !resources.as_array().empty());
}

}  // namespace trimtab::api
