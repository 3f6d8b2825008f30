// The one JSON value: ordered objects, whole numbers kept apart from fractions, a depth limit on input.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace trimtab::base {

// A regular value type; copies are deep. Not thread-safe while it is written to.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // In insertion order; names are unique when made by parse or set.

  // Not inline, and so not compiled again in every file that holds a Json.
  Json();  // null
  Json(std::nullptr_t);
  Json(bool value);
  Json(int value);
  Json(std::int64_t value);
  Json(std::uint64_t value);
  Json(double value);
  Json(std::string value);
  Json(std::string_view value);
  Json(const char* value);
  Json(Array value);
  Json(Object value);
  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json();
  static Json array() { return Json(Array{}); }
  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  // CHECK that the value has that type (as_double also takes whole numbers).
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  // Object access: null pointer when this is no object or has no such member.
  const Json* find(std::string_view name) const;
  // The member, or null when it is absent: for reading what we wrote ourselves.
  const Json& operator[](std::string_view name) const;
  // The member's text, number or truth, or the default when absent or of another type.
  std::string text_or(std::string_view name, std::string_view fallback = {}) const;
  std::int64_t int_or(std::string_view name, std::int64_t fallback = 0) const;
  double double_or(std::string_view name, double fallback = 0) const;
  bool bool_or(std::string_view name, bool fallback = false) const;

  Json& set(std::string name, Json value);  // Replaces a member of that name; returns *this.
  Json& push(Json value);                   // Appends to an array; returns *this.

  bool operator==(const Json& other) const;

  // Compact, or indented by `indent` blanks a level. Doubles are the shortest text that reads back the same;
  // NaN and infinities, which JSON lacks, are written as the strings "NaN", "Infinity", "-Infinity".
  std::string dump(int indent = 0) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// Errors: malformed (with what the parser found; invalid UTF-8 and repeated member names, and
// deeper than `depth_max`), too_large.
Result<Json> parse_json(std::string_view text, int depth_max = 64);

// Appends `text` as a JSON string with quotes; for writers of hot replies that build no Json.
void append_json_string(std::string& out, std::string_view text);
void append_json_double(std::string& out, double value);

}  // namespace trimtab::base

namespace trimtab {
using base::Json;
}  // namespace trimtab
