// CSV files as tables of texts: the engine finds lines and cells, what they mean is decided elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"

namespace trimtab::ingest {

enum class FileKind : std::uint8_t { csv, parquet };
// By the name's ending. Errors: unsupported (a packed file, another format), with what to do.
Result<FileKind> kind_of(const std::filesystem::path& path);

// How messages name a file: its folder and its own name.
std::string short_name(const std::filesystem::path& path);

// A file's first line, understood.
struct CsvHeader {
  char delimiter = ',';            // The one of , ; | and tab that parts the line into most names.
  std::vector<std::string> names;  // A name that is empty becomes "column<i>", counted from 0.

  bool operator==(const CsvHeader&) const = default;
};
// Errors: invalid (empty file, a name twice, no UTF-8), not_found.
Result<CsvHeader> read_header(table::Engine& engine, const std::filesystem::path& path);

// An SQL table of the files' rows, in the order given, all of whose columns are texts and no cell of which is
// null.
std::string csv_table(const CsvHeader& header, const std::vector<std::filesystem::path>& paths);

// The engine's refusal of a file as ours: with file and line, what was expected and what stood there.
Error csv_error(table::Engine& engine, Error error, const std::filesystem::path& path,
                const CsvHeader& header);

// The line on which row `row` (from 0, the header not counted) of the file starts.
Result<std::int64_t> line_of_row(table::Engine& engine, const std::filesystem::path& path, std::int64_t row);

// The same of many rows, which are in order, in one reading; 0 for a row that is not there.
Result<std::vector<std::int64_t>> lines_of_rows(table::Engine& engine, const std::filesystem::path& path,
                                                const std::vector<std::int64_t>& rows);

}  // namespace trimtab::ingest
