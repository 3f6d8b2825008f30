#include "base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <simdjson.h>

namespace trimtab::base {

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

namespace {

constexpr std::size_t kLinearMembersMax = 16;
constexpr std::size_t kShownBytesMax = 80;
// Larger texts get a parser of their own, so that one of them does not hold its buffers for the thread's
// life.
constexpr std::size_t kKeptParserBytesMax = 1024 * 1024;

Error malformed(std::string_view reason) {
  return Error{
      ErrorCode::malformed, "the JSON text is not valid: " + std::string(reason), {}, std::nullopt, nullptr};
}

// The first name that occurs twice, or null. Sorts large objects rather than hashing them: whoever sends the
// text chooses the names, and could choose ones that collide.
const std::string* repeated_name(const Json::Object& members) {
  if (members.size() <= kLinearMembersMax) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].first == members[j].first) return &members[i].first;
      }
    }
    return nullptr;
  }
  std::vector<const std::string*> names;
  names.reserve(members.size());
  for (const Json::Member& member : members) names.push_back(&member.first);
  std::sort(names.begin(), names.end(), [](const std::string* a, const std::string* b) { return *a < *b; });
  const auto twice = std::adjacent_find(names.begin(), names.end(),
                                        [](const std::string* a, const std::string* b) { return *a == *b; });
  return twice != names.end() ? *twice : nullptr;
}

// Copies simdjson's tape into our value. Each function is false when it found an error, which `error` then
// holds.
class Conversion {
 public:
  explicit Conversion(int depth_max) : depth_max_(depth_max) {}

  bool convert(simdjson::dom::element from, Json& to, int depth) {
    switch (from.type()) {
      case simdjson::dom::element_type::ARRAY:
        return convert_array(from.get_array().value_unsafe(), to, depth + 1);
      case simdjson::dom::element_type::OBJECT:
        return convert_object(from.get_object().value_unsafe(), to, depth + 1);
      case simdjson::dom::element_type::INT64:
        to = Json(from.get_int64().value_unsafe());
        return true;
      case simdjson::dom::element_type::DOUBLE:
        to = Json(from.get_double().value_unsafe());
        return true;
      case simdjson::dom::element_type::STRING:
        to = Json(from.get_string().value_unsafe());
        return true;
      case simdjson::dom::element_type::BOOL:
        to = Json(from.get_bool().value_unsafe());
        return true;
      case simdjson::dom::element_type::NULL_VALUE:
        return true;
      case simdjson::dom::element_type::UINT64:
        break;  // simdjson uses it only above the range of int64.
    }
    return refuse(malformed("number out of range: " + std::to_string(from.get_uint64().value_unsafe())));
  }

  Error too_deep() const {
    return Error{ErrorCode::malformed,
                 "the JSON text is nested deeper than " + std::to_string(depth_max_) + " levels",
                 {},
                 std::nullopt,
                 nullptr};
  }
  Error take_error() { return std::move(*error_); }

 private:
  bool convert_array(simdjson::dom::array from, Json& to, int depth) {
    if (depth > depth_max_) return refuse(too_deep());
    Json::Array items;
    items.reserve(from.size());
    for (const simdjson::dom::element item : from) {
      if (!convert(item, items.emplace_back(), depth)) return false;
    }
    to = Json(std::move(items));
    return true;
  }

  bool convert_object(simdjson::dom::object from, Json& to, int depth) {
    if (depth > depth_max_) return refuse(too_deep());
    Json::Object members;
    members.reserve(from.size());
    for (const simdjson::dom::key_value_pair member : from) {
      Json& value = members.emplace_back(std::string(member.key), Json()).second;
      if (!convert(member.value, value, depth)) return false;
    }
    if (const std::string* name = repeated_name(members); name != nullptr) {
      return refuse(malformed("member '" + name->substr(0, kShownBytesMax) + "' is there twice"));
    }
    to = Json(std::move(members));
    return true;
  }

  bool refuse(Error error) {
    error_ = std::move(error);
    return false;
  }

  int depth_max_;
  std::optional<Error> error_;
};

std::string_view reason(simdjson::error_code code) {
  switch (code) {
    case simdjson::EMPTY:
      return "it is empty";
    case simdjson::UTF8_ERROR:
      return "it is not UTF-8";
    case simdjson::NUMBER_ERROR:
      return "a number is misspelt or out of range";
    case simdjson::STRING_ERROR:
      return "a string holds a wrong escape";
    case simdjson::UNESCAPED_CHARS:
      return "a string holds an unescaped control character";
    case simdjson::UNCLOSED_STRING:
      return "a string has no end";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word is none of true, false and null";
    case simdjson::TAPE_ERROR:
      return "a comma, colon, bracket, value or member name is missing or out of place";
    default:
      return simdjson::error_message(code);
  }
}

Result<Json> parse_with(simdjson::dom::parser& parser, std::string_view text, int depth_max) {
  Conversion conversion(depth_max);
  // simdjson counts to one less than it is told.
  const auto depth = static_cast<std::size_t>(depth_max) + 1;
  if (parser.capacity() < text.size() || parser.max_depth() != depth) {
    const simdjson::error_code failed = parser.allocate(std::max(parser.capacity(), text.size()), depth);
    if (failed != simdjson::SUCCESS) return fail(ErrorCode::too_large, "the JSON text is too large");
  }
  simdjson::dom::element root;
  const simdjson::error_code failed = parser.parse(text.data(), text.size()).get(root);
  if (failed == simdjson::DEPTH_ERROR) return fail(conversion.too_deep());
  if (failed == simdjson::CAPACITY) return fail(ErrorCode::too_large, "the JSON text is too large");
  if (failed != simdjson::SUCCESS) return fail(malformed(reason(failed)));
  Json result;
  if (!conversion.convert(root, result, 0)) return fail(conversion.take_error());
  return result;
}

}  // namespace

Result<Json> parse_json(std::string_view text, int depth_max) {
  CHECK(depth_max >= 0);
  if (text.size() > kKeptParserBytesMax) {
    simdjson::dom::parser parser;
    return parse_with(parser, text, depth_max);
  }
  thread_local simdjson::dom::parser kept;
  return parse_with(kept, text, depth_max);
}

}  // namespace trimtab::base
