#include "features/row_set.h"

#include <algorithm>
#include <cmath>
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

// Appends what is different for different cells, and for no others when it follows the same beginning.
void add_cell(const table::Batch& batch, int column, int row, std::string& key) {
  const auto add_bits = [&key](auto value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  key += batch.is_null(column, row) ? '-' : '+';
  if (batch.is_null(column, row)) return;
  switch (batch.schema().at(column).type) {
    case table::ColumnType::boolean:
      return add_bits(batch.boolean(column, row));
    case table::ColumnType::integer:
      return add_bits(batch.integer(column, row));
    case table::ColumnType::time:
      return add_bits(batch.time(column, row));
    case table::ColumnType::real: {
      const double value = batch.real(column, row);
      return add_bits(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
    }
    case table::ColumnType::text:
      break;
  }
  const std::string_view text = batch.text(column, row);
  add_bits(text.size());
  key += text;
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
    for (int column = 0; column < schema_.size(); ++column)
      pick_column(*this, column, picked, batch, column);
    if (added) pick_column(beside, *added, picked, batch, schema_.size());
    set.batches_.push_back(std::move(batch));
  }
  return set;
}

std::string RowSet::key(RowPlace place, const std::vector<int>& columns) const {
  std::string key;
  for (const int column : columns) {
    add_cell(batches_[static_cast<std::size_t>(place.batch)], column, place.row, key);
  }
  return key;
}

}  // namespace trimtab::features
