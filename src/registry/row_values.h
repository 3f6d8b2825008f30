// Values of rows that may be absent, and lists of pairs: what the readers and writers of rows share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/run_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

inline std::optional<std::string> optional_text(const store::Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.text(column));
}

template <class Value>
void bind_or_null(store::Statement& statement, int index, const std::optional<Value>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind_null(index);
  }
}

// The rows (key, value) of a query with these parameters.
template <class... Values>
Result<std::vector<KeyValue>> select_pairs(store::Connection& connection, std::string_view sql,
                                           const Values&... values) {
  std::vector<KeyValue> pairs;
  store::Statement row = connection.prepare(sql);
  row.with(values...);
  while (TRY(row.step())) pairs.push_back({row.text(0), row.text(1)});
  return pairs;
}

}  // namespace trimtab::registry
