// Writes the rows of a source to a part and notes the span of their times.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "table/operation.h"
#include "table/parquet.h"
#include "table/schema.h"

namespace trimtab::ingest {

class PartWriter {
 public:
  // `time`: the column of the rows' times, or "".
  static Result<PartWriter> create(const table::OperationRun& run, const table::Schema& schema,
                                   const std::string& time);

  // Errors: cancelled, and those of writing.
  Status append(const table::Batch& rows);
  // {"rows","schema","time_min","time_max"}
  Result<Json> finish();

 private:
  PartWriter(const table::OperationRun& run, const table::Schema& schema) : run_(&run), schema_(schema) {}

  const table::OperationRun* run_;
  table::Schema schema_;
  std::optional<int> time_;
  std::unique_ptr<table::ParquetWriter> writer_;
  std::optional<TimeUs> time_min_;
  std::optional<TimeUs> time_max_;
};

}  // namespace trimtab::ingest
