#include "features/row_set.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "table/parquet.h"

namespace trimtab::features {
namespace {

constexpr std::string_view kOwnPrefix = "__";

table::Batch copy_of(const table::Batch& from) {
  table::Batch to(from.schema());
  to.reset(from.rows());
  for (int column = 0; column < from.schema().size(); ++column) to.copy_column(column, from, column);
  return to;
}

// 64 bits that are the same for equal cells.
std::uint64_t bits_of(const table::Batch& batch, int column, int row) {
  switch (batch.schema().at(column).type) {
    case table::ColumnType::boolean:
      return batch.boolean(column, row) ? 1 : 0;
    case table::ColumnType::integer:
      return static_cast<std::uint64_t>(batch.integer(column, row));
    case table::ColumnType::time:
      return static_cast<std::uint64_t>(batch.time(column, row));
    case table::ColumnType::real: {
      const double value = batch.real(column, row);
      return std::bit_cast<std::uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN()
                                                            : value);
    }
    case table::ColumnType::text:
      break;
  }
  return std::hash<std::string_view>()(batch.text(column, row));
}

bool is_same_cell(const table::Batch& a, int a_row, const table::Batch& b, int b_row, int column) {
  if (a.is_null(column, a_row) || b.is_null(column, b_row))
    return a.is_null(column, a_row) == b.is_null(column, b_row);
  if (a.schema().at(column).type == table::ColumnType::text)
    return a.text(column, a_row) == b.text(column, b_row);
  return bits_of(a, column, a_row) == bits_of(b, column, b_row);
}

}  // namespace

Result<RowSet> RowSet::read(table::Engine& engine, const std::vector<std::filesystem::path>& parts,
                            const std::vector<std::string>& columns,
                            const std::function<bool(std::int64_t rows)>& on_progress) {
  RowSet set;
  std::int64_t rows = 0;
  TRY(table::read_parts(engine, parts, columns, kOriginColumn, [&](const table::Batch& batch) -> Status {
    set.schema_ = batch.schema();
    rows += batch.rows();
    if (batch.rows() > 0) set.batches_.push_back(copy_of(batch));
    if (!on_progress(rows)) return fail(ErrorCode::cancelled, "stopped on request");
    return {};
  }));
  return set;
}

std::int64_t RowSet::rows() const {
  std::int64_t rows = 0;
  for (const table::Batch& batch : batches_) rows += batch.rows();
  return rows;
}

std::vector<RowPlace> RowSet::places() const {
  std::vector<RowPlace> places;
  places.reserve(static_cast<std::size_t>(rows()));
  for (std::size_t batch = 0; batch < batches_.size(); ++batch) {
    for (int row = 0; row < batches_[batch].rows(); ++row) {
      places.push_back({static_cast<std::int32_t>(batch), row});
    }
  }
  return places;
}

Result<RowSet> RowSet::through(table::Engine& engine, std::vector<table::Stage> stages,
                               const std::string& time_zone) const {
  for (table::Stage& stage : stages) {
    auto* select = std::get_if<table::SelectStage>(&stage);
    if (select == nullptr) continue;
    std::vector<std::string> own = {kOriginColumn, kRowNumberColumn};
    for (const table::Column& column : schema_.columns()) {
      if (column.name.starts_with(kOwnPrefix)) own.push_back(column.name);
    }
    for (const std::string& kept : own) {
      const bool listed =
          std::find(select->columns.begin(), select->columns.end(), kept) != select->columns.end();
      if (!listed && schema_.find(kept)) select->columns.push_back(kept);
    }
  }
  const std::unique_ptr<table::RowProgram> program =
      TRY(table::RowProgram::bind(engine, schema_, std::move(stages), {}, time_zone));
  RowSet set;
  set.schema_ = program->output();
  for (const table::Batch& batch : batches_) {
    const table::Batch& result = *TRY(program->run(batch));
    if (result.rows() > 0) set.batches_.push_back(copy_of(result));
  }
  return set;
}

void RowSet::pick_column(const RowSet& from, int from_column, std::span<const RowPlace> places,
                         table::Batch& to, int to_column) {
  std::vector<int> rows;
  for (std::size_t begin = 0; begin < places.size(); begin += rows.size()) {
    // Rows that stand together come from one batch, mostly.
    rows.clear();
    for (std::size_t i = begin; i < places.size() && places[i].batch == places[begin].batch; ++i) {
      rows.push_back(places[i].row);
    }
    const table::Batch& batch = from.batches_[static_cast<std::size_t>(places[begin].batch)];
    to.copy_rows(to_column, static_cast<int>(begin), batch, from_column, rows);
  }
}

RowSet RowSet::pick(const std::vector<RowPlace>& places) const { return pick(places, RowSet(), {}); }

RowSet RowSet::pick(const std::vector<RowPlace>& places, const RowSet& beside,
                    const std::string& name) const {
  RowSet set;
  set.schema_ = schema_;
  const std::optional<int> added = name.empty() ? std::nullopt : beside.schema_.find(name);
  if (added) set.schema_.add(beside.schema_.at(*added));
  for (std::size_t begin = 0; begin < places.size(); begin += table::kBatchRowsMax) {
    const std::size_t count = std::min<std::size_t>(table::kBatchRowsMax, places.size() - begin);
    const std::span<const RowPlace> picked = std::span(places).subspan(begin, count);
    table::Batch batch(set.schema_);
    batch.reset(static_cast<int>(count));
    for (int column = 0; column < schema_.size(); ++column) pick_column(*this, column, picked, batch, column);
    if (added) pick_column(beside, *added, picked, batch, schema_.size());
    set.batches_.push_back(std::move(batch));
  }
  return set;
}

std::uint64_t RowSet::hash(RowPlace place, const std::vector<int>& columns) const {
  const table::Batch& batch = batches_[static_cast<std::size_t>(place.batch)];
  std::uint64_t hash = 0;
  for (const int column : columns) {
    constexpr std::uint64_t kNull = 0x9E3779B97F4A7C15ull;
    hash ^= batch.is_null(column, place.row) ? kNull : bits_of(batch, column, place.row);
    // The finaliser of splitmix64: every bit of the input changes half of the bits of the result.
    hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ull;
    hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBull;
    hash ^= hash >> 31;
  }
  return hash;
}

bool RowSet::is_same(RowPlace a, RowPlace b, const std::vector<int>& columns) const {
  const table::Batch& one = batches_[static_cast<std::size_t>(a.batch)];
  const table::Batch& other = batches_[static_cast<std::size_t>(b.batch)];
  return std::all_of(columns.begin(), columns.end(),
                     [&](int column) { return is_same_cell(one, a.row, other, b.row, column); });
}

void RowSet::keep_first(std::vector<RowPlace>& places, const std::vector<int>& columns) const {
  struct Seen {
    std::uint64_t hash = 0;
    std::int64_t at = -1;  // Among the rows that were kept; -1: nobody sits here.
  };
  // At least half of the seats stay free. A row looks for its like from the seat of its hash on.
  std::vector<Seen> seats(std::bit_ceil(2 * places.size() + 1));
  std::size_t kept = 0;
  for (const RowPlace place : places) {
    const std::uint64_t hash = this->hash(place, columns);
    std::size_t seat = hash & (seats.size() - 1);
    bool is_known = false;
    for (; seats[seat].at >= 0 && !is_known; seat = (seat + 1) & (seats.size() - 1)) {
      is_known = seats[seat].hash == hash &&
                 is_same(places[static_cast<std::size_t>(seats[seat].at)], place, columns);
    }
    if (is_known) continue;
    seats[seat] = {hash, static_cast<std::int64_t>(kept)};
    places[kept++] = place;
  }
  places.resize(kept);
}

}  // namespace trimtab::features
