// All rows of a table in memory, on their way to a training frame. Every row keeps where it came from,
// whatever stages it passes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/row_program.h"

namespace trimtab::features {

inline constexpr const char* kOriginColumn = "__origin";  // Index of the row's part.
inline constexpr const char* kRowNumberColumn = "__row";  // Its number in the part.

// The place of a row in a set.
struct RowPlace {
  std::int32_t batch = 0;
  std::int32_t row = 0;
};

// Belongs to one thread.
class RowSet {
 public:
  RowSet() = default;
  // Reads these columns of the parts, in order; adds kOriginColumn.
  static Result<RowSet> read(table::Engine& engine, const std::vector<std::filesystem::path>& parts,
                             const std::vector<std::string>& columns,
                             const std::function<bool(std::int64_t rows)>& on_progress);

  const table::Schema& schema() const { return schema_; }
  const std::vector<table::Batch>& batches() const { return batches_; }
  std::int64_t rows() const;
  std::vector<RowPlace> places() const;  // In order.

  // The same rows after `stages`. Columns of our own, whose names start with "__", pass every stage.
  Result<RowSet> through(table::Engine& engine, std::vector<table::Stage> stages,
                         const std::string& time_zone) const;
  // Only the rows named, in the order named.
  RowSet pick(const std::vector<RowPlace>& places) const;
  // And beside them the column `name` of `beside`, which came of the same rows through stages without a
  // filter.
  RowSet pick(const std::vector<RowPlace>& places, const RowSet& beside, const std::string& name) const;
  // Keeps of the rows that are equal in all `columns` the first one named. Nulls are equal to each other, and
  // so are all NaN.
  void keep_first(std::vector<RowPlace>& places, const std::vector<int>& columns) const;

 private:
  std::uint64_t hash(RowPlace place, const std::vector<int>& columns) const;
  bool is_same(RowPlace a, RowPlace b, const std::vector<int>& columns) const;
  // Makes the column of `to` from that of `from`, row by row of the places.
  static void pick_column(const RowSet& from, int from_column, std::span<const RowPlace> places,
                          table::Batch& to, int to_column);

  table::Schema schema_;
  std::vector<table::Batch> batches_;
};

}  // namespace trimtab::features
