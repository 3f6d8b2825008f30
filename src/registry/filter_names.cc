#include "registry/filter_names.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "registry/run_rules.h"

namespace trimtab::registry {
namespace {

using enum FilterOperator;

constexpr std::string_view kRunKeys =
    "{'Created', 'Run Name', 'Run name', 'artifact_uri', 'created', 'end_time', 'run name', 'run_id', "
    "'run_name', 'start_time', 'status', 'user_id'}";
constexpr std::string_view kRunOrderKeys =
    "{'Created', 'artifact_uri', 'created', 'end_time', 'run_id', 'run_name', 'start_time', 'status', "
    "'user_id'}";
constexpr std::string_view kExperimentKeys = "{'creation_time', 'experiment_id', 'last_update_time', 'name'}";

bool is_quoted(std::string_view text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.back() == quote;
}

std::string_view without_quotes(std::string_view text) {
  for (const char quote : {'\'', '"', '`'}) {
    if (is_quoted(text, quote)) text = text.substr(1, text.size() - 2);
  }
  return text;
}

Result<FilterField> read_run_entity(std::string_view entity) {
  const std::pair<std::string_view, FilterField> entities[] = {{"metric", FilterField::metric},
                                                               {"metrics", FilterField::metric},
                                                               {"parameter", FilterField::param},
                                                               {"parameters", FilterField::param},
                                                               {"param", FilterField::param},
                                                               {"params", FilterField::param},
                                                               {"tag", FilterField::tag},
                                                               {"tags", FilterField::tag},
                                                               {"attribute", FilterField::text_attribute},
                                                               {"attributes", FilterField::text_attribute},
                                                               {"attr", FilterField::text_attribute},
                                                               {"run", FilterField::text_attribute},
                                                               {"dataset", FilterField::dataset},
                                                               {"datasets", FilterField::dataset}};
  for (const auto& [name, field] : entities) {
    if (name == entity) return field;
  }
  return invalid("Invalid entity type '" + std::string(entity) +
                 "'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']");
}

Result<FilterField> read_experiment_entity(std::string_view entity) {
  if (entity == "attribute") return FilterField::text_attribute;
  if (entity == "tag" || entity == "tags") return FilterField::tag;
  return invalid("Invalid entity type '" + std::string(entity) +
                 "'. Valid entity types are ('attribute', 'tag', 'tags')");
}

// The one name of an attribute, or nothing when there is none.
std::string_view run_attribute(std::string_view key, bool is_order) {
  if (key == "created" || key == "Created") return "start_time";
  if (!is_order && (key == "run name" || key == "Run name" || key == "Run Name")) return "run_name";
  constexpr std::array<std::string_view, 7> kNames = {"run_id",     "run_name", "user_id",     "status",
                                                      "start_time", "end_time", "artifact_uri"};
  const auto found = std::find(kNames.begin(), kNames.end(), key);
  return found == kNames.end() ? std::string_view() : *found;
}

std::string_view experiment_attribute(std::string_view key) {
  constexpr std::array<std::string_view, 4> kNames = {"name", "experiment_id", "creation_time",
                                                      "last_update_time"};
  const auto found = std::find(kNames.begin(), kNames.end(), key);
  return found == kNames.end() ? std::string_view() : *found;
}

Result<FilterName> read_attribute(std::string_view key, SearchSubject subject, bool is_order) {
  const bool is_run = subject == SearchSubject::runs;
  const std::string_view name = is_run ? run_attribute(key, is_order) : experiment_attribute(key);
  if (name.empty()) {
    const std::string_view keys = !is_run ? kExperimentKeys : is_order ? kRunOrderKeys : kRunKeys;
    return invalid("Invalid attribute key '" + std::string(key) + "' specified. Valid keys are '" +
                   std::string(keys) + "'");
  }
  const bool is_number = name.ends_with("_time");
  return FilterName{is_number ? FilterField::number_attribute : FilterField::text_attribute,
                    std::string(name)};
}

struct Comparison {
  std::string_view text;
  FilterOperator comparison;
};
constexpr Comparison kComparisons[] = {
    {"=", equal},   {"!=", not_equal},     {"<", less},          {"<=", less_equal},
    {">", greater}, {">=", greater_equal}, {"LIKE", like},       {"ILIKE", ilike},
    {"IN", in},     {"NOT IN", not_in},    {"IS NULL", is_null}, {"IS NOT NULL", is_not_null}};

bool takes(FilterField field, FilterOperator comparison) {
  switch (field) {
    case FilterField::metric:
    case FilterField::number_attribute:
      return comparison <= greater_equal;
    case FilterField::param:
    case FilterField::tag:
      return comparison == equal || comparison == not_equal || comparison == like || comparison == ilike ||
             comparison == is_null || comparison == is_not_null;
    default:
      return comparison == equal || comparison == not_equal || (comparison >= like && comparison <= not_in);
  }
}

// The list behind "not one of '", which MLflow closes for some fields and not for others.
std::string_view takes_text(FilterField field) {
  switch (field) {
    case FilterField::metric:
      return "{'!=', '<', '<=', '=', '>', '>='}";
    case FilterField::param:
      return "{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'";
    case FilterField::tag:
      return "{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}";
    case FilterField::text_attribute:
      return "{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'}'";
    default:
      return "{'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'}";
  }
}

}  // namespace

Result<FilterName> read_name(std::string_view text, SearchSubject subject, bool is_order) {
  const std::size_t dot = text.find('.');
  // A quoted name is an attribute, whatever is in it: `run name`.
  const bool has_entity = dot != std::string_view::npos && text.front() != '"';
  const std::string_view key = without_quotes(has_entity ? text.substr(dot + 1) : text);
  if (!has_entity) return read_attribute(key, subject, is_order);
  std::string_view entity = text.substr(0, dot);
  if (is_quoted(entity, '`')) entity = entity.substr(1, entity.size() - 2);
  const FilterField field =
      TRY(subject == SearchSubject::runs ? read_run_entity(entity) : read_experiment_entity(entity));
  if (field == FilterField::text_attribute) return read_attribute(key, subject, is_order);
  if (field == FilterField::dataset && key != "name" && key != "digest" && key != "context") {
    return invalid("Invalid dataset key '" + std::string(key) +
                   "' specified. Valid keys are '{'context', 'digest', 'name'}'");
  }
  return FilterName{field, std::string(key)};
}

Result<FilterOperator> read_operator(const FilterName& name, std::string_view comparison) {
  for (const Comparison& known : kComparisons) {
    if (known.text == comparison && takes(name.field, known.comparison)) return known.comparison;
  }
  return invalid("Invalid comparator '" + std::string(comparison) + "' not one of '" +
                 std::string(takes_text(name.field)));
}

Status check_takes_list(const FilterName& name, SearchSubject subject) {
  const std::string_view only = subject == SearchSubject::runs ? "run_id" : "experiment_id";
  if (name.field != FilterField::text_attribute || name.key == only) return {};
  return invalid("Only ['" + std::string(only) +
                 "'] attributes support comparison with a list of quoted string values.");
}

}  // namespace trimtab::registry
