#include "table/schema.h"

#include <algorithm>
#include <array>
#include <utility>

namespace trimtab::table {
namespace {

// In the order of ColumnType.
constexpr std::array<std::string_view, 5> kTypeNames = {"boolean", "integer", "real", "text", "time"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// As the engine compares identifiers: letters of ASCII only.
bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

Result<Column> column_from_json(const Json& json) {
  Column column{json.text_or("name"), ColumnType::text};
  if (column.name.empty())
    return fail(ErrorCode::invalid, "a column of a schema has no name: " + json.dump());
  std::optional<ColumnType> type = type_of_name(json.text_or("type"));
  if (!type) {
    return fail(ErrorCode::invalid,
                "column '" + column.name + "' has an unknown type: " + json["type"].dump(),
                "types are boolean, integer, real, text and time");
  }
  column.type = *type;
  return column;
}

}  // namespace

std::string_view type_name(ColumnType type) { return kTypeNames[static_cast<std::size_t>(type)]; }

std::optional<ColumnType> type_of_name(std::string_view name) {
  const auto* found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<ColumnType>(found - kTypeNames.begin());
}

std::optional<int> Schema::find(std::string_view name) const {
  for (int i = 0; i < size(); ++i) {
    if (same_name(at(i).name, name)) return i;
  }
  return std::nullopt;
}

std::vector<std::string> Schema::names() const {
  std::vector<std::string> names;
  names.reserve(columns_.size());
  for (const Column& column : columns_) names.push_back(column.name);
  return names;
}

void Schema::set(const Column& column) {
  if (std::optional<int> index = find(column.name)) {
    columns_[static_cast<std::size_t>(*index)] = column;
  } else {
    columns_.push_back(column);
  }
}

void Schema::remove(std::string_view name) {
  std::erase_if(columns_, [&](const Column& column) { return same_name(column.name, name); });
}

Json Schema::to_json() const {
  Json columns = Json::array();
  for (const Column& column : columns_) {
    columns.push(Json::object({{"name", column.name}, {"type", type_name(column.type)}}));
  }
  return columns;
}

Result<Schema> Schema::from_json(const Json& json) {
  if (!json.is_array()) return fail(ErrorCode::invalid, "a schema is a list of columns, not " + json.dump());
  Schema schema;
  for (const Json& item : json.as_array()) {
    Column column = TRY(column_from_json(item));
    if (schema.find(column.name)) {
      return fail(ErrorCode::invalid, "a schema has the column '" + column.name + "' twice");
    }
    schema.add(std::move(column));
  }
  return schema;
}

}  // namespace trimtab::table
