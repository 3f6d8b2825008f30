#include "base/json_view.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <simdjson.h>
#include <string>
#include <utility>
#include <vector>

namespace trimtab::base {

// Between our handle of a value and simdjson's, which is two words: the document and a place on its tape.
struct JsonPlace {
  using Words = std::array<std::size_t, 2>;
  static_assert(sizeof(simdjson::dom::element) == sizeof(Words));

  static simdjson::dom::element element(const JsonView& view) {
    return std::bit_cast<simdjson::dom::element>(view.place_);
  }
  static JsonView view(simdjson::dom::element element) {
    JsonView made;
    made.place_ = std::bit_cast<Words>(element);
    made.kind_ = kind(element);
    return made;
  }
  static JsonView::Kind kind(simdjson::dom::element element) {
    switch (element.type()) {
      case simdjson::dom::element_type::ARRAY:
        return JsonView::Kind::array;
      case simdjson::dom::element_type::OBJECT:
        return JsonView::Kind::object;
      case simdjson::dom::element_type::INT64:
        return JsonView::Kind::integer;
      case simdjson::dom::element_type::DOUBLE:
        return JsonView::Kind::real;
      case simdjson::dom::element_type::STRING:
        return JsonView::Kind::text;
      case simdjson::dom::element_type::BOOL:
        return JsonView::Kind::boolean;
      case simdjson::dom::element_type::NULL_VALUE:
      case simdjson::dom::element_type::UINT64:  // Refused when the text was parsed.
        break;
    }
    return JsonView::Kind::null;
  }
};

bool JsonView::as_bool() const {
  CHECK(kind_ == Kind::boolean);
  return JsonPlace::element(*this).get_bool().value_unsafe();
}

std::int64_t JsonView::as_int() const {
  CHECK(kind_ == Kind::integer);
  return JsonPlace::element(*this).get_int64().value_unsafe();
}

double JsonView::as_double() const {
  if (kind_ == Kind::integer) return static_cast<double>(as_int());
  CHECK(kind_ == Kind::real);
  return JsonPlace::element(*this).get_double().value_unsafe();
}

std::string_view JsonView::as_text() const {
  CHECK(kind_ == Kind::text);
  return JsonPlace::element(*this).get_string().value_unsafe();
}

std::size_t JsonView::size() const {
  std::size_t count = 0;  // Counted: what the parser keeps ends at 2^24.
  if (kind_ == Kind::array) each_item([&count](JsonView) { ++count; });
  if (kind_ == Kind::object) each_member([&count](std::string_view, JsonView) { ++count; });
  return count;
}

void JsonView::visit_items(void (*visit)(void*, JsonView), void* to) const {
  CHECK(kind_ == Kind::array);
  const simdjson::dom::array items = JsonPlace::element(*this).get_array().value_unsafe();
  for (const simdjson::dom::element item : items) {
    visit(to, JsonPlace::view(item));
  }
}

void JsonView::visit_members(void (*visit)(void*, std::string_view, JsonView), void* to) const {
  CHECK(kind_ == Kind::object);
  const simdjson::dom::object members = JsonPlace::element(*this).get_object().value_unsafe();
  for (const simdjson::dom::key_value_pair member : members) {
    visit(to, member.key, JsonPlace::view(member.value));
  }
}

std::optional<JsonView> JsonView::find(std::string_view name) const {
  std::optional<JsonView> found;
  if (kind_ != Kind::object) return found;
  each_member([&](std::string_view its_name, JsonView value) {
    if (its_name == name) found = value;
  });
  return found;
}

Json JsonView::to_json() const {
  switch (kind_) {
    case Kind::null:
      break;
    case Kind::boolean:
      return as_bool();
    case Kind::integer:
      return as_int();
    case Kind::real:
      return as_double();
    case Kind::text:
      return as_text();
    case Kind::array: {
      Json::Array items;
      items.reserve(size());
      each_item([&items](JsonView item) { items.push_back(item.to_json()); });
      return items;
    }
    case Kind::object: {
      Json::Object members;
      members.reserve(size());
      each_member([&members](std::string_view name, JsonView value) {
        members.emplace_back(std::string(name), value.to_json());
      });
      return members;
    }
  }
  return {};
}

namespace {

constexpr std::size_t kLinearMembersMax = 16;
constexpr std::size_t kShownBytesMax = 80;
// Larger texts get a parser of their own, so that one of them does not hold its buffers for good.
constexpr std::size_t kKeptParserBytesMax = 1024 * 1024;

Error malformed(std::string_view reason) {
  return Error{
      ErrorCode::malformed, "the JSON text is not valid: " + std::string(reason), {}, std::nullopt, nullptr};
}

// The first name that occurs twice. Sorts the names of large objects rather than hashing them: whoever sends
// the text chooses the names, and could choose ones that collide.
std::optional<std::string_view> repeated_name(simdjson::dom::object members) {
  std::array<std::string_view, kLinearMembersMax> few;
  std::size_t count = 0;
  for (const simdjson::dom::key_value_pair member : members) {
    if (count == kLinearMembersMax) break;
    const auto end = few.begin() + static_cast<std::ptrdiff_t>(count);
    if (std::find(few.begin(), end, member.key) != end) return member.key;
    few[count++] = member.key;
  }
  if (count < kLinearMembersMax) return std::nullopt;
  std::vector<std::string_view> names;
  for (const simdjson::dom::key_value_pair member : members) names.push_back(member.key);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  return twice != names.end() ? std::optional(*twice) : std::nullopt;
}

// What simdjson takes and we do not: numbers above the range of int64, names that occur twice, too many
// levels.
class Inspection {
 public:
  explicit Inspection(int depth_max) : depth_max_(depth_max) {}

  Status inspect(simdjson::dom::element value, int depth) const {
    switch (value.type()) {
      case simdjson::dom::element_type::ARRAY:
        return inspect_array(value.get_array().value_unsafe(), depth);
      case simdjson::dom::element_type::OBJECT:
        return inspect_object(value.get_object().value_unsafe(), depth);
      case simdjson::dom::element_type::UINT64:
        return fail(malformed("number out of range: " + std::to_string(value.get_uint64().value_unsafe())));
      default:
        return {};
    }
  }

  Error too_deep() const {
    return Error{ErrorCode::malformed,
                 "the JSON text is nested deeper than " + std::to_string(depth_max_) + " levels",
                 {},
                 std::nullopt,
                 nullptr};
  }

 private:
  static bool is_plain(simdjson::dom::element value) {
    const simdjson::dom::element_type type = value.type();
    return type != simdjson::dom::element_type::ARRAY && type != simdjson::dom::element_type::OBJECT &&
           type != simdjson::dom::element_type::UINT64;
  }
  Status inspect_array(simdjson::dom::array items, int depth) const {
    if (depth >= depth_max_) return fail(too_deep());
    for (const simdjson::dom::element item : items) {
      if (is_plain(item)) continue;
      TRY(inspect(item, depth + 1));
    }
    return {};
  }
  Status inspect_object(simdjson::dom::object members, int depth) const {
    if (depth >= depth_max_) return fail(too_deep());
    for (const simdjson::dom::key_value_pair member : members) {
      if (is_plain(member.value)) continue;
      TRY(inspect(member.value, depth + 1));
    }
    const std::optional<std::string_view> name = repeated_name(members);
    if (!name) return {};
    return fail(malformed("member '" + std::string(name->substr(0, kShownBytesMax)) + "' is there twice"));
  }

  int depth_max_;
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

// Where a number should be: what other languages write for a number that is none.
bool has_no_number(std::string_view text) {
  bool is_in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      is_in_string = !is_in_string;
    } else if (!is_in_string &&
               (text.substr(i).starts_with("NaN") || text.substr(i).starts_with("Infinity"))) {
      return true;
    }
  }
  return false;
}

Error unreadable(std::string_view text, simdjson::error_code code) {
  if (code == simdjson::TAPE_ERROR || code == simdjson::NUMBER_ERROR || code == simdjson::N_ATOM_ERROR) {
    if (has_no_number(text)) {
      Error error = malformed("JSON has no NaN and no Infinity");
      error.hint = "send null for a value that is not known";
      return error;
    }
  }
  return malformed(reason(code));
}

}  // namespace

struct JsonText::State {
  simdjson::dom::parser parser;
  std::vector<char> padded;  // The parser reads some bytes beyond the end of its text.

  Result<JsonView> parse(std::string_view text, int depth_max);
};

Result<JsonView> JsonText::State::parse(std::string_view text, int depth_max) {
  const Inspection inspection(depth_max);
  // simdjson counts to one less than it is told.
  const auto depth = static_cast<std::size_t>(depth_max) + 1;
  if (parser.capacity() < text.size() || parser.max_depth() != depth) {
    const simdjson::error_code failed = parser.allocate(std::max(parser.capacity(), text.size()), depth);
    if (failed != simdjson::SUCCESS) return fail(ErrorCode::too_large, "the JSON text is too large");
  }
  if (padded.size() < text.size() + simdjson::SIMDJSON_PADDING) {
    padded.resize(text.size() + simdjson::SIMDJSON_PADDING);
  }
  std::copy(text.begin(), text.end(), padded.begin());
  std::memset(padded.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
  simdjson::dom::element root;
  const simdjson::error_code failed =
      parser.parse(padded.data(), text.size(), /*realloc_if_needed=*/false).get(root);
  if (failed == simdjson::DEPTH_ERROR) return fail(inspection.too_deep());
  if (failed == simdjson::CAPACITY) return fail(ErrorCode::too_large, "the JSON text is too large");
  if (failed != simdjson::SUCCESS) return fail(unreadable(text, failed));
  TRY(inspection.inspect(root, 0));
  return JsonPlace::view(root);
}

JsonText::JsonText() : state_(std::make_unique<State>()) {}
JsonText::~JsonText() = default;
JsonText::JsonText(JsonText&&) noexcept = default;
JsonText& JsonText::operator=(JsonText&&) noexcept = default;

Result<JsonView> JsonText::parse(std::string_view text, int depth_max) {
  CHECK(depth_max >= 0);
  // After a very large text its memory is given back.
  if (state_->parser.capacity() > kKeptParserBytesMax) state_ = std::make_unique<State>();
  return state_->parse(text, depth_max);
}

}  // namespace trimtab::base
