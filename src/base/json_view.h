// A JSON text read where the parser left it, for hot requests: nothing is copied into a tree of values.
// The same texts are taken and refused, in the same words, as by parse_json.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::base {

// One value of a JsonText; holds until the text parses again. Cheap to copy. CHECKs that a value is asked for
// what it is.
class JsonView {
 public:
  enum class Kind : std::uint8_t { null, boolean, integer, real, text, array, object };

  JsonView() = default;  // null

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_text() const { return kind_ == Kind::text; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;  // Also of a whole number.
  std::string_view as_text() const;
  // Items of an array, members of an object; 0 of anything else.
  std::size_t size() const;
  // Visits the items of an array in order: visit(JsonView).
  template <class Visit>
  void each_item(Visit&& visit) const {
    visit_items([](void* to, JsonView item) { (*static_cast<Visit*>(to))(item); }, &visit);
  }
  // Visits the members of an object in order: visit(std::string_view name, JsonView value).
  template <class Visit>
  void each_member(Visit&& visit) const {
    visit_members(
        [](void* to, std::string_view name, JsonView value) { (*static_cast<Visit*>(to))(name, value); },
        &visit);
  }
  std::optional<JsonView> find(std::string_view name) const;  // Nothing when this is no object.
  Json to_json() const;                                       // For messages.

 private:
  friend class JsonText;
  friend struct JsonPlace;
  void visit_items(void (*visit)(void*, JsonView), void* to) const;
  void visit_members(void (*visit)(void*, std::string_view, JsonView), void* to) const;

  std::array<std::size_t, 2> place_ = {};  // The parser's own handle of the value.
  Kind kind_ = Kind::null;
};

// A parser and the text that it parsed last. Keeps its memory from one text to the next, of very large ones
// apart. Belongs to one thread at a time.
class JsonText {
 public:
  JsonText();
  ~JsonText();
  JsonText(JsonText&&) noexcept;
  JsonText& operator=(JsonText&&) noexcept;

  // Errors: as parse_json.
  Result<JsonView> parse(std::string_view text, int depth_max = 64);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::base

namespace trimtab {
using base::JsonView;
}  // namespace trimtab
