#include "table/session.h"

#include <cerrno>
#include <cstdlib>
#include <duckdb/common/error_data.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>

namespace trimtab::table {
namespace {

using duckdb::ExceptionType;
using duckdb::LogicalTypeId;

constexpr std::string_view kMoreMemory = "give the engine more memory, or a folder to spill to";

ErrorCode io_code(const duckdb::ErrorData& error) {
  const auto& extra = error.ExtraInfo();
  auto found = extra.find("errno");
  int number = found == extra.end() ? 0 : std::atoi(found->second.c_str());
  if (number == ENOSPC || number == EDQUOT) return ErrorCode::storage_full;
  if (number == ENOENT || error.RawMessage().starts_with("No files found")) return ErrorCode::not_found;
  return ErrorCode::storage_broken;
}

ErrorCode code_of(const duckdb::ErrorData& error) {
  switch (error.Type()) {
    case ExceptionType::IO:
      return io_code(error);
    case ExceptionType::OUT_OF_MEMORY:
      return ErrorCode::too_large;
    case ExceptionType::INTERRUPT:
      return ErrorCode::cancelled;
    case ExceptionType::PERMISSION:
      return ErrorCode::forbidden;
    case ExceptionType::INVALID:
    case ExceptionType::NULL_POINTER:
    case ExceptionType::TRANSACTION:
    case ExceptionType::SCHEDULER:
    case ExceptionType::FATAL:
    case ExceptionType::INTERNAL:
      return ErrorCode::internal;
    default:
      return ErrorCode::invalid;
  }
}

// Sets the session's zone past the lock on the configuration, which is there for users and not for us.
void set_time_zone(duckdb::ClientContext& context, const std::string& time_zone) {
  duckdb::ExtensionOption option;
  bool known = duckdb::DBConfig::GetConfig(context).TryGetExtensionOption("TimeZone", option);
  CHECK(known && option.set_function != nullptr);
  duckdb::Value value(time_zone);
  option.set_function(context, duckdb::SetScope::SESSION, value);
  context.config.user_settings.SetUserSetting(option.setting_index.GetIndex(), value);
}

}  // namespace

Result<std::unique_ptr<duckdb::Connection>> connect(Engine& engine, const std::string& time_zone) {
  return guarded([&]() -> Result<std::unique_ptr<duckdb::Connection>> {
    auto connection = std::make_unique<duckdb::Connection>(*TRY(engine.state().instance()));
    try {
      set_time_zone(*connection->context, time_zone);
    } catch (const std::exception&) {
      return fail(ErrorCode::invalid, "there is no time zone '" + time_zone + "'",
                  "write it as 'America/New_York' or 'UTC'");
    }
    return connection;
  });
}

Error engine_error(const duckdb::ErrorData& error) {
  Error result;
  result.code = code_of(error);
  result.message = error.RawMessage();
  if (result.code == ErrorCode::too_large) result.hint = kMoreMemory;
  if (result.code == ErrorCode::storage_full) result.hint = "free some space and try again";
  return result;
}

bool is_out_of_memory(const Error& error) {
  const bool its_own = error.code == ErrorCode::too_large && error.hint == kMoreMemory;
  return its_own || (error.cause && is_out_of_memory(*error.cause));
}

Error engine_error(const std::exception& exception) { return engine_error(duckdb::ErrorData(exception)); }

std::optional<int> error_position(const duckdb::ErrorData& error) {
  const auto& extra = error.ExtraInfo();
  auto found = extra.find("position");
  if (found == extra.end()) return std::nullopt;
  return std::atoi(found->second.c_str());
}

const duckdb::LogicalType& engine_type(ColumnType type) {
  // In the order of ColumnType.
  static const duckdb::LogicalType kTypes[] = {LogicalTypeId::BOOLEAN, LogicalTypeId::BIGINT,
                                               LogicalTypeId::DOUBLE, LogicalTypeId::VARCHAR,
                                               LogicalTypeId::TIMESTAMP_TZ};
  return kTypes[static_cast<std::size_t>(type)];
}

std::optional<ColumnType> column_type_for(const duckdb::LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      return ColumnType::boolean;
    case LogicalTypeId::SQLNULL:
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::HUGEINT:
    case LogicalTypeId::UHUGEINT:
    case LogicalTypeId::INTEGER_LITERAL:
      return ColumnType::integer;
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DECIMAL:
      return ColumnType::real;
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::STRING_LITERAL:
    case LogicalTypeId::ENUM:
      return ColumnType::text;
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
      return ColumnType::time;
    default:
      return std::nullopt;
  }
}

Result<Schema> result_schema(duckdb::PreparedStatement& statement) {
  if (statement.HasError()) return fail(engine_error(statement.error));
  if (statement.GetStatementType() != duckdb::StatementType::SELECT_STATEMENT) {
    return fail(ErrorCode::invalid, "this is no query that returns rows");
  }
  Schema schema;
  for (duckdb::idx_t i = 0; i < statement.ColumnCount(); ++i) {
    const std::string& name = statement.GetNames()[i];
    if (schema.find(name)) {
      return fail(ErrorCode::invalid, "two columns of the query are named '" + name + "'",
                  "name one with AS");
    }
    schema.add({name, column_type_for(statement.GetTypes()[i]).value_or(ColumnType::text)});
  }
  return schema;
}

}  // namespace trimtab::table
