#include "table/engine.h"

#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/main/prepared_statement.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <filesystem>
#include <utility>

#include "table/session.h"

namespace trimtab::table {
namespace {

using duckdb::Value;

std::string absolute(const std::string& folder) {
  return std::filesystem::absolute(folder).lexically_normal().string();
}

// What must be known before the instance starts.
void configure(duckdb::DBConfig& config, const EngineOptions& options) {
  config.SetOptionByName("autoinstall_known_extensions", Value::BOOLEAN(false));
  config.SetOptionByName("autoload_known_extensions", Value::BOOLEAN(false));
  config.SetOptionByName("allow_community_extensions", Value::BOOLEAN(false));
  config.SetOptionByName("allow_persistent_secrets", Value::BOOLEAN(false));
  config.SetOptionByName("preserve_insertion_order", Value::BOOLEAN(true));
  config.SetOptionByName("threads", Value::BIGINT(options.threads));
  config.options.maximum_memory = options.memory_bytes_max;
  config.options.use_temporary_directory = !options.spill_folder.empty();
  if (!options.spill_folder.empty()) config.options.temporary_directory = absolute(options.spill_folder);
}

// What closes the doors. Nothing can be opened again afterwards: the lock sees to that.
void harden(duckdb::DuckDB& database, const EngineOptions& options) {
  auto& config = duckdb::DBConfig::GetConfig(*database.instance);
  for (const std::string& folder : options.folders_allowed) config.AddAllowedDirectory(absolute(folder));
  duckdb::Connection connection(database);
  for (const char* sql : {"SET enable_external_access = false", "SET lock_configuration = true"}) {
    auto result = connection.Query(sql);
    if (result->HasError()) result->ThrowError();
  }
}

// One statement, parsed. Several at once are how an injection looks.
Result<duckdb::unique_ptr<duckdb::SQLStatement>> single_statement(duckdb::Connection& connection,
                                                                  const std::string& sql) {
  auto statements = connection.ExtractStatements(sql);
  if (statements.size() != 1) {
    return fail(ErrorCode::invalid, "expected one statement, found " + std::to_string(statements.size()));
  }
  return std::move(statements[0]);
}

Result<duckdb::unique_ptr<duckdb::PreparedStatement>> prepare(duckdb::Connection& connection,
                                                              const std::string& sql) {
  auto prepared = connection.Prepare(TRY(single_statement(connection, sql)));
  if (prepared->HasError()) return fail(engine_error(prepared->error));
  return prepared;
}

// Runs a prepared statement; its rows are computed as they are fetched.
Result<duckdb::unique_ptr<duckdb::QueryResult>> start(duckdb::PreparedStatement& prepared) {
  duckdb::vector<Value> no_values;
  auto result = prepared.Execute(no_values, true);
  if (result->HasError()) return fail(engine_error(result->GetErrorObject()));
  return result;
}

Result<duckdb::unique_ptr<duckdb::DataChunk>> fetch(duckdb::QueryResult& result) {
  duckdb::unique_ptr<duckdb::DataChunk> chunk;
  duckdb::ErrorData error;
  if (!result.TryFetch(chunk, error)) return fail(engine_error(error));
  if (result.HasError()) return fail(engine_error(result.GetErrorObject()));
  return chunk;
}

// The casts from the engine's types to ours.
void add_casts(duckdb::ExpressionExecutor& executor, duckdb::ClientContext& context,
               const duckdb::vector<duckdb::LogicalType>& types, const Schema& schema,
               duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& casts) {
  for (duckdb::idx_t i = 0; i < types.size(); ++i) {
    auto cell = duckdb::make_uniq<duckdb::BoundReferenceExpression>(types[i], i);
    casts.push_back(duckdb::BoundCastExpression::AddCastToType(
        context, std::move(cell), engine_type(schema.at(static_cast<int>(i)).type)));
    executor.AddExpression(*casts.back());
  }
}

Status visit_rows(duckdb::Connection& connection, duckdb::PreparedStatement& prepared,
                  const std::function<Status(const Batch&)>& visit) {
  Batch batch(TRY(result_schema(prepared)));
  auto result = TRY(start(prepared));
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> casts;
  duckdb::ExpressionExecutor executor(*connection.context);
  add_casts(executor, *connection.context, prepared.GetTypes(), batch.schema(), casts);
  while (auto chunk = TRY(fetch(*result))) {
    batch.reset(static_cast<int>(chunk->size()));
    executor.Execute(*chunk, batch.chunk());
    batch.adopt_rows();
    TRY(visit(batch));
  }
  return {};
}

}  // namespace

Engine::State::State(EngineOptions options) : options_(std::move(options)) {}
Engine::State::~State() = default;

Result<duckdb::DuckDB*> Engine::State::instance() {
  const std::lock_guard lock(mutex_);
  if (!database_) {
    TRY(guarded([this]() -> Status {
      duckdb::DBConfig config;
      configure(config, options_);
      auto started = std::make_unique<duckdb::DuckDB>(nullptr, &config);
      harden(*started, options_);
      database_ = std::move(started);
      return {};
    }));
  }
  return database_.get();
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  std::unique_ptr<Engine> engine = on_first_use(options);
  TRY(engine->state().instance());
  return engine;
}

std::unique_ptr<Engine> Engine::on_first_use(const EngineOptions& options) {
  return std::unique_ptr<Engine>(new Engine(std::make_unique<State>(options)));
}

Status Engine::run(const std::string& sql, const std::string& time_zone) {
  auto connection = TRY(connect(*this, time_zone));
  return guarded([&]() -> Status {
    auto prepared = TRY(prepare(*connection, sql));
    auto result = TRY(start(*prepared));
    while (TRY(fetch(*result))) {
    }
    return {};
  });
}

Status Engine::query(const std::string& sql, const std::function<Status(const Batch&)>& visit,
                     const std::string& time_zone) {
  auto connection = TRY(connect(*this, time_zone));
  return guarded([&]() -> Status {
    auto prepared = TRY(prepare(*connection, sql));
    return visit_rows(*connection, *prepared, visit);
  });
}

Result<Schema> Engine::describe(const std::string& sql, const std::string& time_zone) {
  auto connection = TRY(connect(*this, time_zone));
  return guarded([&]() -> Result<Schema> { return result_schema(*TRY(prepare(*connection, sql))); });
}

Result<std::vector<Json>> Engine::query_row(const std::string& sql, const std::string& time_zone) {
  std::optional<std::vector<Json>> row;
  auto keep_first = [&row](const Batch& batch) -> Status {
    if (row || batch.rows() == 0) return {};
    row.emplace();
    for (int i = 0; i < batch.schema().size(); ++i) row->push_back(batch.cell_json(i, 0));
    return {};
  };
  TRY(query(sql, keep_first, time_zone));
  if (!row) return fail(ErrorCode::not_found, "the query has no row");
  return *std::move(row);
}

std::string engine_version() { return duckdb::DuckDB::LibraryVersion(); }

}  // namespace trimtab::table
