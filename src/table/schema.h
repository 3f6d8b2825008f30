// Names and types of columns: the small closed set of types that a row may have on its way through the rooms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trimtab::table {

enum class ColumnType : std::uint8_t {
  boolean,
  integer,  // 64 bits; DuckDB BIGINT.
  real,     // DuckDB DOUBLE.
  text,     // UTF-8; DuckDB VARCHAR.
  time,     // An instant, UTC microseconds; DuckDB TIMESTAMP WITH TIME ZONE. Calendar functions see the zone
            // of the program that reads it.
};

std::string_view type_name(ColumnType type);  // "boolean", "integer", "real", "text", "time".
std::optional<ColumnType> type_of_name(std::string_view name);

struct Column {
  std::string name;
  ColumnType type = ColumnType::text;

  bool operator==(const Column&) const = default;
};

// Names are unique and compare without case, as SQL has it.
class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Column> columns) : columns_(std::move(columns)) {}

  const std::vector<Column>& columns() const { return columns_; }
  int size() const { return static_cast<int>(columns_.size()); }
  const Column& at(int index) const { return columns_[static_cast<std::size_t>(index)]; }
  std::optional<int> find(std::string_view name) const;
  std::vector<std::string> names() const;
  void add(Column column) { columns_.push_back(std::move(column)); }
  void set(const Column& column);  // Replaces the column of that name, or adds it at the end.
  void remove(std::string_view name);

  Json to_json() const;  // [{"name","type"}, …]
  static Result<Schema> from_json(const Json& json);

  bool operator==(const Schema&) const = default;

 private:
  std::vector<Column> columns_;
};

}  // namespace trimtab::table
