// Parquet files in and out: the form in which parts of snapshots are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::table {

// Writes batches to one Parquet file (zstd), rows in the order they are appended; the same rows make the same
// bytes, however they are cut into batches. Nothing is at `path` until finish() succeeds. After an error the
// writer is of no more use. A real zero may come back with the other sign. Belongs to one thread.
class ParquetWriter {
 public:
  // Errors: invalid (no column), not_found (no such folder), forbidden (a folder that the engine may not
  // touch), storage_full, storage_broken.
  static Result<std::unique_ptr<ParquetWriter>> create(Engine& engine, std::filesystem::path path,
                                                       Schema schema);
  ~ParquetWriter();
  Status append(const Batch& batch);  // Errors: storage_full, storage_broken, too_large (for the engine).
  Status finish();                    // Errors: as append. Afterwards the file is durably there.
  std::int64_t rows() const;

 private:
  struct State;
  explicit ParquetWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Visits the rows of the files in the order given, in file order. `columns` empty: all of them.
// Errors: not_found, invalid (files of different schemas, a column they do not have), forbidden,
// storage_broken (a damaged file), and whatever `visit` returns.
Status read_parquet(Engine& engine, const std::vector<std::filesystem::path>& paths,
                    const std::vector<std::string>& columns,
                    const std::function<Status(const Batch&)>& visit);
// The rows of the parts of one table, in order, with one query for all of them: many small files cost little
// more than a large one. Behind `columns` comes an integer column `part_column`, the index of the row's part.
// All parts have the columns of the first one. Errors: as read_parquet.
Status read_parts(Engine& engine, const std::vector<std::filesystem::path>& parts,
                  const std::vector<std::string>& columns, const std::string& part_column,
                  const std::function<Status(const Batch&)>& visit);
// A file's path as an SQL text, for a query that reads it: brackets keep the engine from taking a part of its
// name for a pattern.
std::string quote_path(const std::filesystem::path& path);
Result<Schema> parquet_schema(Engine& engine, const std::filesystem::path& path);

}  // namespace trimtab::table
