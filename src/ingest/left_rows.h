// The rows of a file that could not be read as the source's others are, and what becomes of the file: up to a
// share they leave alone, above it the file is set aside as a whole. Nothing leaves without its reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "ingest/typed_rows.h"
#include "table/engine.h"

namespace trimtab::ingest {

// Belongs to one thread.
class LeftRows {
 public:
  // Rows arrive in order of batches; within a batch in any order.
  void add(UnreadableRow row);
  std::int64_t count() const { return count_; }

  // {"rows","set_aside","message","line","hint","first":[{"row","line","column","value","why"}]}, the first
  // few of them; all that were kept go to `file` as JSON lines. Lines are those of the CSV file, rows count
  // from 1. Without a `refusal` the message is that of the first row. Errors: those of reading and writing.
  Result<Json> report(table::Engine& engine, const std::filesystem::path& path, const Error* refusal,
                      const std::filesystem::path& file);
  // That more than `share` of the `rows` left.
  Error too_many(std::int64_t rows, double share, const std::filesystem::path& path) const;

 private:
  std::int64_t count_ = 0;
  std::vector<UnreadableRow> kept_;  // At most kKeptMax.
};

// Whether an error is the file's own doing, so that the rest of the source can go on without it.
bool is_of_file(const Error& error);

}  // namespace trimtab::ingest
