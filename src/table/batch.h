// 0..2048 rows of a schema, held as the engine holds them, so that a row program runs on them without a copy.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "table/schema.h"

namespace duckdb {
class DataChunk;
}

namespace trimtab::table {

inline constexpr int kBatchRowsMax = 2048;

// Movable; belongs to one thread. Cells are addressed by (column, row). Reading a cell of another type than
// the schema says is a CHECK; so is reading the value of a null cell.
class Batch {
 public:
  Batch();  // No columns, no rows.
  explicit Batch(Schema schema);
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  const Schema& schema() const;
  int rows() const;
  // Forgets all cells and makes `rows` rows whose cells must each be set before they are read.
  void reset(int rows);

  void set_null(int column, int row);
  void set_boolean(int column, int row, bool value);
  void set_integer(int column, int row, std::int64_t value);
  void set_real(int column, int row, double value);
  // Copied into the batch. A byte that is part of no UTF-8 character becomes U+FFFD.
  void set_text(int column, int row, std::string_view value);
  void set_time(int column, int row, TimeUs value);

  bool is_null(int column, int row) const;
  bool boolean(int column, int row) const;
  std::int64_t integer(int column, int row) const;
  double real(int column, int row) const;
  std::string_view text(int column, int row) const;  // Valid until the batch changes.
  TimeUs time(int column, int row) const;

  // Any cell as JSON (times as text), for messages, logs and previews.
  Json cell_json(int column, int row) const;
  // Sets a cell from JSON by the column's type: whole numbers fit real columns, texts that are times fit time
  // columns, null fits all. Errors: invalid, naming the column, the type wanted and the value given.
  Status set_cell_json(int column, int row, const Json& value);

  // Cells of this batch's `column`, from row `first` on, become those of another batch's column of the same
  // type, in its rows `rows`. What copy_cell does for one cell, at the price of moving bytes.
  void copy_rows(int column, int first, const Batch& from, int from_column, std::span<const int> rows);
  // All rows of another batch that has as many.
  void copy_column(int column, const Batch& from, int from_column);

  // For this room only.
  duckdb::DataChunk& chunk();
  const duckdb::DataChunk& chunk() const;
  void adopt_rows();  // After the engine wrote into chunk(): makes it flat and readable.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Sets a cell to another batch's cell of the same type.
void copy_cell(const Batch& from, int from_column, int from_row, Batch& to, int to_column, int to_row);

}  // namespace trimtab::table
