#include "project/key_schema.h"

#include <cmath>
#include <optional>

namespace trimtab::project {
namespace {

constexpr std::string_view kNamePattern = "^[a-z][a-z0-9_-]{0,62}$";
constexpr std::string_view kDurationPattern = "^[0-9]+(us|ms|s|m|h|d|w)$";
constexpr std::string_view kSharePattern = "^[0-9.]+ *%?$";
constexpr std::string_view kTimePattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}";

Json type(std::string_view name) { return Json::object({{"type", name}}); }
Json pattern(std::string_view text) { return type("string").set("pattern", text); }
Json list_schema(Json items) { return type("array").set("items", std::move(items)); }
Json not_empty_list_of(Json items) { return list_schema(std::move(items)).set("minItems", 1); }
Json mapping_to(Json values) { return type("object").set("additionalProperties", std::move(values)); }
Json any_of(Json::Array choices) { return Json::object({{"anyOf", Json(std::move(choices))}}); }

// Words of YAML that are no text, such as 5, are taken where text is wanted.
Json scalar() { return Json::object({{"type", Json(Json::Array{"string", "number", "boolean"})}}); }

Json one_word_of(std::span<const std::string_view> choices) {
  Json words = Json::array();
  for (const std::string_view choice : choices) words.push(choice);
  return Json::object({{"enum", std::move(words)}});
}

Json number_in(std::string_view name, const Range& range) {
  Json schema = type(name);
  const auto bound = [name](double value) {
    return name == "integer" ? Json(static_cast<std::int64_t>(value)) : Json(value);
  };
  const char* low_name = range.above_low ? "exclusiveMinimum" : "minimum";
  if (std::isfinite(range.low)) schema.set(low_name, bound(range.low));
  if (std::isfinite(range.high)) schema.set("maximum", bound(range.high));
  return schema;
}

// A mapping with exactly one key that is no option.
Json step_of(const KeyTable& table, bool with_options) {
  Json schema = schema_of(table);
  if (!with_options) schema.set("minProperties", 1).set("maxProperties", 1);
  return schema;
}

Json learner_of(const KeyTable& table) {
  Json names = Json::array();
  for (const std::string& name : table.names()) names.push(name);
  return any_of({Json::object({{"enum", std::move(names)}}), step_of(table, false)});
}

Json of_column_values(Form form) {
  if (form == Form::text_operations) {
    const Json operation = one_word_of(kTextOperations);
    return mapping_to(any_of({operation, list_schema(operation)}));
  }
  if (form == Form::types) return mapping_to(one_word_of(kColumnTypes));
  return mapping_to(scalar());
}

Json of_check_values(Form form) {
  // Options may stand among the columns, hence the looser types.
  if (form == Form::values_by_column) return mapping_to(any_of({list_schema(scalar()), scalar()}));
  if (form == Form::patterns_by_column) return mapping_to(scalar());
  const Json end = Json::object({{"type", Json(Json::Array{"number", "null"})}});
  return mapping_to(any_of({list_schema(end).set("minItems", 2).set("maxItems", 2), scalar()}));
}

// Of values that are one word, or a list of words.
std::optional<Json> of_word(const Key& key) {
  switch (key.form) {
    case Form::text:
    case Form::expression:
      return scalar();
    case Form::name:
      return pattern(kNamePattern);
    case Form::texts:
      return any_of({scalar(), list_schema(scalar())});
    case Form::columns:
      return any_of({scalar(), not_empty_list_of(scalar())});
    case Form::whole:
      return number_in("integer", key.range);
    case Form::number:
      return number_in("number", key.range);
    case Form::share:
      return any_of({number_in("number", key.range), pattern(kSharePattern)});
    case Form::duration:
      return pattern(kDurationPattern);
    case Form::time:
      return pattern(kTimePattern);
    case Form::zone:
      return pattern("^(UTC|[A-Z][A-Za-z_]+/.+)$");
    case Form::choice:
      return one_word_of(key.choices);
    case Form::test_size:
      return any_of({number_in("number", {.low = 0, .high = 1, .above_low = true}), pattern(kSharePattern),
                     pattern(kDurationPattern)});
    case Form::batch:
      return any_of({pattern(kDurationPattern), pattern("^[0-9]+ +rows?$")});
    case Form::gates:
      return list_schema(type("string"));
    case Form::health_limit:
      return pattern("^ *[<>]= *.+$");
    case Form::retrains:
      return pattern("^[0-9]+ +per +(day|week|month)$");
    case Form::shadow:
      return any_of({number_in("integer", key.range), pattern("^(auto|off|[0-9]+( +batch(es)?)?)$")});
    case Form::shares:
      return not_empty_list_of(any_of({number_in("number", key.range), pattern(kSharePattern)}));
    case Form::budget:
      return any_of({number_in("integer", key.range), pattern("^[0-9]+( +batch(es)?)?$")});
    default:
      return std::nullopt;
  }
}

// Of values with keys of their own.
Json schema_of_form(const Key& key) {
  if (std::optional<Json> word = of_word(key)) return std::move(*word);
  switch (key.form) {
    case Form::expressions:
      return mapping_to(scalar());
    case Form::features:
      return not_empty_list_of(
          any_of({scalar(), mapping_to(scalar()).set("minProperties", 1).set("maxProperties", 1)}));
    case Form::mapping:
      return schema_of(*key.keys);
    case Form::sections:
      return mapping_to(schema_of(*key.keys)).set("propertyNames", Json::object({{"pattern", kNamePattern}}));
    case Form::steps:
      return list_schema(step_of(*key.keys, false));
    case Form::checks:
      return list_schema(step_of(*key.keys, true));
    case Form::text_operations:
    case Form::constants:
    case Form::types:
    case Form::renames:
      return of_column_values(key.form);
    case Form::join_keys:
      return any_of({mapping_to(scalar()), scalar(), list_schema(scalar())});
    case Form::values_by_column:
    case Form::ranges_by_column:
    case Form::patterns_by_column:
      return of_check_values(key.form);
    case Form::privacy:
      return mapping_to(pattern("^ *(drop|hash|hour|day|month|year|first +[0-9]+|round +[0-9.]+) *$"));
    case Form::learner:
      return learner_of(*key.keys);
    default:
      base::check_failed("a form has a schema", __FILE__, __LINE__, key.name);
  }
}

}  // namespace

Json schema_of(const KeyTable& table) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Key& key : table.keys) {
    if (key.form == Form::unsupported) continue;
    properties.set(std::string(key.name), schema_of_form(key).set("description", key.about));
    if (key.required) required.push(key.name);
  }
  Json schema = type("object").set("additionalProperties", false).set("properties", std::move(properties));
  if (!required.as_array().empty()) schema.set("required", std::move(required));
  return schema;
}

}  // namespace trimtab::project
