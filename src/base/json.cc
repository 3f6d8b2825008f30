#include "base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <simdjson.h>

#include "base/json_view.h"

namespace trimtab::base {

Json::Json() = default;
Json::Json(std::nullptr_t) {}
Json::Json(bool value) : value_(value) {}
Json::Json(int value) : value_(static_cast<std::int64_t>(value)) {}
Json::Json(std::int64_t value) : value_(value) {}
Json::Json(std::uint64_t value) : value_(static_cast<std::int64_t>(value)) {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(Object value) : value_(std::move(value)) {}
Json::Json(const Json& other) = default;
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(const Json& other) = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;
bool Json::operator==(const Json& other) const { return value_ == other.value_; }

bool Json::as_bool() const {
  const bool* held = std::get_if<bool>(&value_);
  CHECK(held != nullptr);
  return *held;
}

std::int64_t Json::as_int() const {
  const std::int64_t* held = std::get_if<std::int64_t>(&value_);
  CHECK(held != nullptr);
  return *held;
}

double Json::as_double() const {
  if (is_int()) return static_cast<double>(as_int());
  const double* held = std::get_if<double>(&value_);
  CHECK(held != nullptr);
  return *held;
}

const std::string& Json::as_string() const {
  const std::string* held = std::get_if<std::string>(&value_);
  CHECK(held != nullptr);
  return *held;
}

const Json::Array& Json::as_array() const {
  const Array* held = std::get_if<Array>(&value_);
  CHECK(held != nullptr);
  return *held;
}

Json::Array& Json::as_array() {
  Array* held = std::get_if<Array>(&value_);
  CHECK(held != nullptr);
  return *held;
}

const Json::Object& Json::as_object() const {
  const Object* held = std::get_if<Object>(&value_);
  CHECK(held != nullptr);
  return *held;
}

Json::Object& Json::as_object() {
  Object* held = std::get_if<Object>(&value_);
  CHECK(held != nullptr);
  return *held;
}

const Json* Json::find(std::string_view name) const {
  const Object* members = std::get_if<Object>(&value_);
  if (members == nullptr) return nullptr;
  for (const Member& member : *members) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

const Json& Json::operator[](std::string_view name) const {
  static const Json kNull;
  const Json* found = find(name);
  return found != nullptr ? *found : kNull;
}

std::string Json::text_or(std::string_view name, std::string_view fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string(fallback);
}

std::int64_t Json::int_or(std::string_view name, std::int64_t fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_int() ? found->as_int() : fallback;
}

double Json::double_or(std::string_view name, double fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_number() ? found->as_double() : fallback;
}

bool Json::bool_or(std::string_view name, bool fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_bool() ? found->as_bool() : fallback;
}

Json& Json::set(std::string name, Json value) {
  Object& members = as_object();
  const auto same = std::find_if(members.begin(), members.end(),
                                 [&name](const Member& member) { return member.first == name; });
  if (same != members.end()) {
    same->second = std::move(value);
  } else {
    members.emplace_back(std::move(name), std::move(value));
  }
  return *this;
}

Json& Json::push(Json value) {
  as_array().push_back(std::move(value));
  return *this;
}

namespace {

// The length of the UTF-8 sequence at the start of `text`, or 0 when it is none (surrogates, overlong forms
// and what lies beyond U+10FFFF included).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length <= 1 || first > 0xf4 || text.size() < length) return length == 1 ? 1 : 0;
  const unsigned char second_min = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned char second_max = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < second_min || byte(1) > second_max) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) >= 0x80) {
    out += "\xef\xbf\xbd";  // U+FFFD, the replacement character.
    return;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[static_cast<unsigned char>(c) >> 4];
  out += kDigits[static_cast<unsigned char>(c) & 15];
}

void append_line(std::string& out, int indent, int level) {
  if (indent <= 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
}

void append_json(std::string& out, const Json& value, int indent, int level);

void append_array(std::string& out, const Json::Array& items, int indent, int level) {
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    append_line(out, indent, level + 1);
    append_json(out, items[i], indent, level + 1);
  }
  if (!items.empty()) append_line(out, indent, level);
  out += ']';
}

void append_object(std::string& out, const Json::Object& members, int indent, int level) {
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    append_line(out, indent, level + 1);
    append_json_string(out, members[i].first);
    out += indent > 0 ? ": " : ":";
    append_json(out, members[i].second, indent, level + 1);
  }
  if (!members.empty()) append_line(out, indent, level);
  out += '}';
}

void append_json(std::string& out, const Json& value, int indent, int level) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += std::to_string(value.as_int());
  } else if (value.is_number()) {
    append_json_double(out, value.as_double());
  } else if (value.is_string()) {
    append_json_string(out, value.as_string());
  } else if (value.is_array()) {
    append_array(out, value.as_array(), indent, level);
  } else {
    append_object(out, value.as_object(), indent, level);
  }
}

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  append_json(out, *this, indent, 0);
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  // Our texts come from file names and dying children too. What we write must be JSON whatever they hold, so
  // bytes that are no UTF-8 are replaced.
  const bool all_valid = simdjson::validate_utf8(text.data(), text.size());
  std::size_t copied = 0;
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x80 || all_valid)) continue;
    const std::size_t length = byte < 0x80 ? 0 : sequence_length(text.substr(i));
    if (length > 0) {
      i += length - 1;
      continue;
    }
    out.append(text, copied, i - copied);
    append_escaped(out, text[i]);
    copied = i + 1;
  }
  out.append(text, copied);
  out += '"';
}

void append_json_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
  out += digits;
  // Keeps a fraction a fraction when it is read back.
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";
}

Result<Json> parse_json(std::string_view text, int depth_max) {
  // A very large text does not leave its memory with the thread.
  constexpr std::size_t kKeptBytesMax = 1024 * 1024;
  if (text.size() > kKeptBytesMax) {
    JsonText own;
    return TRY(own.parse(text, depth_max)).to_json();
  }
  thread_local JsonText kept;
  return TRY(kept.parse(text, depth_max)).to_json();
}

}  // namespace trimtab::base
