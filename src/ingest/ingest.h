// Where a row enters: a file of a source becomes one Parquet part with the declared types, nulls and time
// zone. Never drops a row in silence: a row that cannot be read leaves with file, line, column and reason.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "table/operation.h"
#include "table/schema.h"

namespace trimtab::ingest {

// A file that matches a source's pattern, as found on disk.
struct SourceFile {
  std::filesystem::path path;  // Absolute.
  std::string name;            // Relative to the project's folder.
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t inode = 0;
};

// The files of `source`, sorted by name. Errors: not_found, pointing at `read:`, when there is none (hint:
// where it looked, and what is there).
Result<std::vector<SourceFile>> find_files(const project::Source& source,
                                           const std::filesystem::path& folder);

// Operation "sniff": input "file" (all files of the source). Reads names and types of the columns as they
// stand in the files (header and samples), widened over all files: integer + real = real, any other mix =
// text. Result: {"schema": […]}.
Json sniff_params(const project::Source& source);
Result<Json> sniff(const table::OperationRun& run);

// Operation "ingest": input "file" (one CSV, .csv.gz or Parquet file). Reads it with the raw schema, adds the
// declared columns, turns naive times into instants by the source's zone, writes "part.parquet" with the
// file's row order. Result: {"rows","schema","time_min","time_max"} (times absent without rows or a time
// column). Rows that do not fit leave, up to the source's `bad_rows`; above it, and when the file as a whole
// cannot be read, the part is empty. Either way the result has "left" as well (see ingest/left_rows.h), and
// the rows stand in "left.jsonl". Errors: those of the engine and the disk.
Json ingest_params(const project::Source& source, const table::Schema& raw);
Result<Json> ingest_file(const table::OperationRun& run);

// Operation "ingest_rows": input "rows" (JSON objects, one a line: rows that came by POST, already checked
// against the schema). Writes "part.parquet". Result as of "ingest".
Json ingest_rows_params(const table::Schema& schema, const std::string& time);
Result<Json> ingest_rows(const table::OperationRun& run);

// The schema after the declared columns were added. Checks the expressions (errors with their places) and
// that `time` names a time column.
Result<table::Schema> source_schema(table::Engine& engine, const project::Source& source,
                                    const table::Schema& raw);

}  // namespace trimtab::ingest
