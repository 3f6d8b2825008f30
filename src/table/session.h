// What the .cc files of this room share about the engine: connections, its errors as ours, its types as ours.
// No other room includes this file.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "table/engine.h"
#include "table/schema.h"

namespace duckdb {
class Connection;
class DuckDB;
class ErrorData;
class PreparedStatement;
struct LogicalType;
}  // namespace duckdb

namespace trimtab::table {

struct Engine::State {
  explicit State(EngineOptions options);
  ~State();

  // Starts the instance unless it runs. Thread-safe. Errors: internal, invalid (with the engine's message).
  Result<duckdb::DuckDB*> instance();

 private:
  const EngineOptions options_;
  std::mutex mutex_;
  std::unique_ptr<duckdb::DuckDB> database_;  // Guarded by mutex_ until it is there.
};

// A connection of its own whose session lives in `time_zone`. Users cannot SET anything on it.
// Errors: invalid (no such time zone), internal.
Result<std::unique_ptr<duckdb::Connection>> connect(Engine& engine, const std::string& time_zone);

// The engine's refusal as ours. A full disk is storage_full, too little memory is too_large; what a user can
// write differently is invalid.
Error engine_error(const duckdb::ErrorData& error);
Error engine_error(const std::exception& exception);
// Where in its query text the engine saw the mistake, in bytes from 0.
std::optional<int> error_position(const duckdb::ErrorData& error);

// Runs `work`, whose result is a Result or Status, and turns the engine's exceptions into Errors.
template <class Work>
auto guarded(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return fail(engine_error(exception));
  }
}

const duckdb::LogicalType& engine_type(ColumnType type);
// The type of ours that holds every value of `type`, or nothing: a list, an interval, bytes.
std::optional<ColumnType> column_type_for(const duckdb::LogicalType& type);

// The names and types of a prepared query's result as a schema; what is none of our types is text.
// Errors: invalid (the query did not prepare, is no query, or two columns have one name).
Result<Schema> result_schema(duckdb::PreparedStatement& statement);

}  // namespace trimtab::table
