// Rows on their way to a user's file, CSV or Parquet by its ending.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::flow {

// Belongs to one thread. The file is whole after finish().
class ScoredRows {
 public:
  // ".parquet" and ".pq" make Parquet, ".csv" makes CSV: a header, then the rows; a null is an empty cell, an
  // empty text is "", times are ISO 8601 in UTC, numbers the shortest text that reads back the same.
  // Errors: unsupported (another ending), not_found (no such folder), storage_full, storage_broken.
  enum class Header : std::uint8_t { first, none };  // Of CSV.
  static Result<std::unique_ptr<ScoredRows>> create(table::Engine& engine, const std::filesystem::path& path,
                                                    const table::Schema& schema,
                                                    Header header = Header::first);
  virtual ~ScoredRows() = default;
  virtual Status append(const table::Batch& rows) = 0;
  virtual Status finish() = 0;
};

// Whether a file of this name can be made. Errors: unsupported.
Status check_scored_name(const std::filesystem::path& path);

}  // namespace trimtab::flow
