// From cells as they stand in a file to cells of the source's types: null tokens become nulls, naive times
// become instants. A cell that does not fit its column is an error that names the place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/csv_file.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::ingest {

struct RowSource {
  std::filesystem::path path;
  table::Schema raw;
  std::set<std::string, std::less<>> nulls;
  std::string time_zone;
};

// Visits the rows of a CSV or Parquet file in file order, as batches of `raw`; `first` is the batch's first
// row. Errors: invalid with file and line (CSV) or file and row.
Status visit_typed_rows(table::Engine& engine, const RowSource& source,
                        const std::function<Status(const table::Batch& rows, std::int64_t first)>& visit);

// A row that cannot be read as its source's others are.
struct UnreadableRow {
  std::int64_t row = 0;  // Of the file, from 0, the header not counted.
  std::string column;    // "" when it is no single cell's doing.
  std::string value;     // Of the cell, cut.
  std::string message;   // "column 'x' wants a number, found 'many'"
  std::string hint;
};

// The same for who goes on without the rows that cannot be read: `refuse` hears of each, and `visit` of the
// others, with their numbers. What is wrong with the file as a whole (its header, a row without its cells,
// its encoding) is an error here, too.
Status visit_readable_rows(
    table::Engine& engine, const RowSource& source,
    const std::function<Status(const table::Batch& rows, std::span<const std::int64_t> numbers)>& visit,
    const std::function<void(UnreadableRow)>& refuse);

}  // namespace trimtab::ingest
