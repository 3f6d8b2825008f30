// Files are written by the engine's own Parquet writer, but not through a COPY statement: that one cuts row
// groups as its threads happen to finish, and holds the whole table before it starts. Here one thread hands
// rows to the writer, group by group of a fixed size, so the bytes depend on the rows alone.
#include "table/parquet.h"

#include <algorithm>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/copy_function_catalog_entry.hpp>
#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/execution/execution_context.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/parallel/thread_context.hpp>
#include <duckdb/parser/parsed_data/copy_info.hpp>
#include <optional>
#include <utility>

#include "base/diagnostics.h"
#include "base/file.h"
#include "base/id.h"
#include "table/binding.h"
#include "table/expression.h"
#include "table/session.h"

namespace trimtab::table {
namespace {

// Part of the format that our hashes cover: another number makes other bytes. The engine's own default.
constexpr std::int64_t kRowsPerGroup = 122'880;

duckdb::CopyInfo parquet_options() {
  duckdb::CopyInfo info;
  info.format = "parquet";
  info.options["compression"] = {duckdb::Value("zstd")};
  info.options["row_group_size"] = {duckdb::Value::UBIGINT(kRowsPerGroup)};
  return info;
}

}  // namespace

struct ParquetWriter::State {
  State(std::filesystem::path its_path, Schema its_schema, std::unique_ptr<duckdb::Connection> its_session)
      : path(std::move(its_path)),
        scratch(path.string() + "." + base::random_id() + ".part"),
        schema(std::move(its_schema)),
        session(std::move(its_session)),
        thread(*session->context),
        execution(*session->context, thread, nullptr) {}

  ~State() { discard(); }

  void open();
  void write(const Batch& batch);
  void close();
  // Leaves nothing of an unfinished file behind.
  void discard() {
    local.reset();
    global.reset();
    static_cast<void>(base::remove_tree(scratch));
  }
  // Runs one of the above; after a failure the file is gone, and stays so.
  template <class Work>
  Status attempt(Work work);

  std::filesystem::path path;
  std::filesystem::path scratch;  // Beside `path`, whose name it takes when it is whole.
  Schema schema;
  std::unique_ptr<duckdb::Connection> session;
  duckdb::ThreadContext thread;
  duckdb::ExecutionContext execution;
  duckdb::CopyFunction function{"parquet"};
  duckdb::unique_ptr<duckdb::FunctionData> options;
  duckdb::unique_ptr<duckdb::GlobalFunctionData> global;
  duckdb::unique_ptr<duckdb::LocalFunctionData> local;
  std::int64_t rows = 0;
  std::optional<Error> failure;
  bool finished = false;
};

void ParquetWriter::State::open() {
  duckdb::ClientContext& context = *session->context;
  auto& entry = duckdb::Catalog::GetEntry(context, duckdb::CatalogType::COPY_FUNCTION_ENTRY, SYSTEM_CATALOG,
                                          DEFAULT_SCHEMA, "parquet");
  function = entry.Cast<duckdb::CopyFunctionCatalogEntry>().function;
  duckdb::vector<std::string> names;
  duckdb::vector<duckdb::LogicalType> types;
  for (const Column& column : schema.columns()) {
    names.push_back(column.name);
    types.push_back(engine_type(column.type));
  }
  duckdb::CopyInfo info = parquet_options();
  duckdb::CopyFunctionBindInput input(info);
  options = function.copy_to_bind(context, input, names, types);
  global = function.copy_to_initialize_global(context, *options, scratch.string());
  local = function.copy_to_initialize_local(execution, *options);
}

void ParquetWriter::State::write(const Batch& batch) {
  // The engine has no const here, though it only reads.
  auto& chunk = const_cast<duckdb::DataChunk&>(batch.chunk());
  std::int64_t count = batch.rows();
  std::int64_t room = kRowsPerGroup - rows % kRowsPerGroup;
  rows += count;
  if (count <= room) return function.copy_to_sink(execution, *options, *global, *local, chunk);
  // A group ends inside of this batch: it gets its last rows, and the next group the others.
  for (auto [first, size] : {std::pair(std::int64_t{0}, room), std::pair(room, count - room)}) {
    duckdb::DataChunk part;
    part.InitializeEmpty(chunk.GetTypes());
    part.Reference(chunk);
    part.Slice(static_cast<duckdb::idx_t>(first), static_cast<duckdb::idx_t>(size));
    function.copy_to_sink(execution, *options, *global, *local, part);
  }
}

void ParquetWriter::State::close() {
  function.copy_to_combine(execution, *options, *global, *local);
  local.reset();
  function.copy_to_finalize(*session->context, *options, *global);
  global.reset();
}

template <class Work>
Status ParquetWriter::State::attempt(Work work) {
  if (failure) return fail(*failure);
  CHECK(!finished);
  Status done = guarded([&]() -> Status {
    work();
    return {};
  });
  if (!done) {
    discard();
    failure = base::wrap(std::move(done).error(), "cannot write " + path.string());
    return fail(*failure);
  }
  return {};
}

ParquetWriter::ParquetWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ParquetWriter::~ParquetWriter() = default;
std::int64_t ParquetWriter::rows() const { return state_->rows; }

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::create(Engine& engine, std::filesystem::path path,
                                                             Schema schema) {
  if (schema.size() == 0) return fail(ErrorCode::invalid, "a Parquet file needs at least one column");
  auto session = TRY(open_session(engine, "UTC"));
  auto state =
      std::make_unique<State>(std::filesystem::absolute(path), std::move(schema), std::move(session));
  TRY(state->attempt([&] { state->open(); }));
  return std::unique_ptr<ParquetWriter>(new ParquetWriter(std::move(state)));
}

Status ParquetWriter::append(const Batch& batch) {
  CHECK(batch.schema() == state_->schema);
  if (batch.rows() == 0) return {};
  return state_->attempt([&] { state_->write(batch); });
}

Status ParquetWriter::finish() {
  TRY(state_->attempt([&] { state_->close(); }));
  Status moved = base::move_file_durably(state_->scratch, state_->path);
  if (!moved) {
    state_->discard();
    state_->failure = std::move(moved).error();
    return fail(*state_->failure);
  }
  state_->finished = true;
  return {};
}

std::string quote_path(const std::filesystem::path& path) {
  std::string pattern;
  for (char c : std::filesystem::absolute(path).string()) {
    bool special = c == '*' || c == '?' || c == '[';
    pattern += special ? std::string("[") + c + "]" : std::string(1, c);
  }
  return quote_text(pattern);
}

namespace {

// A query's name for one file.
std::string table_of(const std::filesystem::path& path) { return "read_parquet(" + quote_path(path) + ")"; }

// What the engine finds wrong inside of a file that we wrote is damage, not a user's mistake.
Error damaged(Error error, const std::filesystem::path& path) {
  if (error.code == ErrorCode::invalid) error.code = ErrorCode::storage_broken;
  return base::wrap(std::move(error), "cannot read " + path.string());
}

Status expect_columns(const Schema& schema, const std::vector<std::string>& columns,
                      const std::filesystem::path& path) {
  for (const std::string& name : columns) {
    if (schema.find(name)) continue;
    return fail(ErrorCode::invalid, path.string() + " has no column '" + name + "'",
                base::did_you_mean(name, schema.names()));
  }
  return {};
}

}  // namespace

Result<Schema> parquet_schema(Engine& engine, const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return fail(ErrorCode::not_found, "there is no file " + path.string());
  }
  Result<Schema> schema = engine.describe("SELECT * FROM " + table_of(path));
  if (!schema) return fail(damaged(std::move(schema).error(), path));
  return schema;
}

Status read_parquet(Engine& engine, const std::vector<std::filesystem::path>& paths,
                    const std::vector<std::string>& columns,
                    const std::function<Status(const Batch&)>& visit) {
  // All files are looked at before the first row is handed over, so that nobody acts on half of a table.
  std::optional<Schema> common;
  for (const std::filesystem::path& path : paths) {
    Schema schema = TRY(parquet_schema(engine, path));
    if (!common) {
      TRY(expect_columns(schema, columns, path));
      common = std::move(schema);
    } else if (schema != *common) {
      return fail(ErrorCode::invalid, path.string() + " has other columns than " + paths[0].string());
    }
  }
  std::string list = columns.empty() ? "*" : "";
  for (const std::string& name : columns) list += (list.empty() ? "" : ", ") + quote_name(name);
  for (const std::filesystem::path& path : paths) {
    std::optional<Error> refusal;
    Status read =
        engine.query("SELECT " + list + " FROM " + table_of(path), [&](const Batch& batch) -> Status {
          Status visited = visit(batch);
          if (!visited) refusal = visited.error();
          return visited;
        });
    if (refusal) return fail(*std::move(refusal));
    if (!read) return fail(damaged(std::move(read).error(), path));
  }
  return {};
}

Status read_parts(Engine& engine, const std::vector<std::filesystem::path>& parts,
                  const std::vector<std::string>& columns, const std::string& part_column,
                  const std::function<Status(const Batch&)>& visit) {
  if (parts.empty()) return {};
  TRY(expect_columns(TRY(parquet_schema(engine, parts[0])), columns, parts[0]));
  std::string list;
  for (const std::string& name : columns) list += quote_name(name) + ", ";
  std::string files;
  for (const std::filesystem::path& part : parts) files += (files.empty() ? "" : ", ") + quote_path(part);
  std::optional<Error> refusal;
  Status read = engine.query("SELECT " + list + "CAST(file_index AS BIGINT) AS " + quote_name(part_column) +
                                 " FROM read_parquet([" + files + "])",
                             [&](const Batch& batch) -> Status {
                               Status visited = visit(batch);
                               if (!visited) refusal = visited.error();
                               return visited;
                             });
  if (refusal) return fail(*std::move(refusal));
  if (!read) return fail(damaged(std::move(read).error(), "the parts of a table"));
  return {};
}

}  // namespace trimtab::table
