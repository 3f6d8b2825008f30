// From cells as they stand in a file to cells of the source's types: null tokens become nulls, naive times
// become instants. A cell that does not fit its column is an error that names the place.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
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

}  // namespace trimtab::ingest
