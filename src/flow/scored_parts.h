// The output of a scoring while it grows: parts that are whole or not there, so that one that was interrupted
// goes on where it was, and gives the same bytes as one that was not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "flow/scored_rows.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::flow {

// Rows come file by file, in the same batches every time; a part ends with the batch that makes it
// `part_rows` rows long, or with its file. Belongs to one thread. Errors of all: storage_full,
// storage_broken.
class ScoredParts {
 public:
  static constexpr std::int64_t kPartRows = 64 * table::kBatchRowsMax;

  // `folder` holds the parts and nothing else; what is there already was made from the same files by the same
  // model, which whoever names the folder sees to. `ending`: ".csv", ".parquet", ".pq".
  static Result<std::unique_ptr<ScoredParts>> open(table::Engine& engine, std::filesystem::path folder,
                                                   std::string ending, table::Schema schema,
                                                   std::int64_t part_rows = kPartRows);
  ~ScoredParts();

  // Begins the next file. A number: all its rows are there, so many, and it need not be read.
  Result<std::optional<std::int64_t>> begin_file();
  // Whether the next batch stands in a part that is there: it is then passed over instead of appended.
  bool is_there() const;
  Status pass_over(int rows);
  Status append(const table::Batch& rows);
  Status end_file();

  // All rows of all files as one file, which is whole when this returns.
  Status assemble(const std::filesystem::path& output);
  std::int64_t rows_found() const;  // That need not have been scored again.

 private:
  struct State;
  explicit ScoredParts(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::flow
