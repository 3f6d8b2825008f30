#include "features/row_set.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "table/parquet.h"

namespace trimtab::features {
namespace {

// A copy of `from` with the columns of `schema`, which begin with those of `from`.
table::Batch copy_into(const table::Batch& from, const table::Schema& schema) {
  table::Batch to(schema);
  to.reset(from.rows());
  for (int column = 0; column < from.schema().size(); ++column) {
    for (int row = 0; row < from.rows(); ++row) table::copy_cell(from, column, row, to, column, row);
  }
  return to;
}

}  // namespace

Result<RowSet> RowSet::read(table::Engine& engine, const std::vector<std::filesystem::path>& parts,
                            const std::function<bool(std::int64_t rows)>& on_progress) {
  RowSet set;
  std::int64_t rows = 0;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    TRY(table::read_parquet(engine, {parts[part]}, {}, [&](const table::Batch& batch) -> Status {
      if (set.batches_.empty()) {
        set.schema_ = batch.schema();
        set.schema_.set({kOriginColumn, table::ColumnType::integer});
      }
      table::Batch kept = copy_into(batch, set.schema_);
      const int origin = set.schema_.size() - 1;
      for (int row = 0; row < kept.rows(); ++row)
        kept.set_integer(origin, row, static_cast<std::int64_t>(part));
      set.batches_.push_back(std::move(kept));
      rows += batch.rows();
      return {};
    }));
    if (!on_progress(rows)) return fail(ErrorCode::cancelled, "stopped on request");
  }
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
    for (const char* kept : {kOriginColumn, kRowNumberColumn}) {
      const bool listed =
          std::find(select->columns.begin(), select->columns.end(), kept) != select->columns.end();
      if (!listed && schema_.find(kept)) select->columns.emplace_back(kept);
    }
  }
  const std::unique_ptr<table::RowProgram> program =
      TRY(table::RowProgram::bind(engine, schema_, std::move(stages), {}, time_zone));
  RowSet set;
  set.schema_ = program->output();
  for (const table::Batch& batch : batches_) {
    const table::Batch& result = *TRY(program->run(batch));
    if (result.rows() > 0) set.batches_.push_back(copy_into(result, set.schema_));
  }
  return set;
}

RowSet RowSet::pick(const std::vector<RowPlace>& places) const {
  RowSet set;
  set.schema_ = schema_;
  for (std::size_t begin = 0; begin < places.size(); begin += table::kBatchRowsMax) {
    const std::size_t count = std::min<std::size_t>(table::kBatchRowsMax, places.size() - begin);
    table::Batch batch(schema_);
    batch.reset(static_cast<int>(count));
    for (int column = 0; column < schema_.size(); ++column) {
      for (std::size_t i = 0; i < count; ++i) {
        const RowPlace place = places[begin + i];
        table::copy_cell(batches_[static_cast<std::size_t>(place.batch)], column, place.row, batch, column,
                         static_cast<int>(i));
      }
    }
    set.batches_.push_back(std::move(batch));
  }
  return set;
}

std::string RowSet::key(RowPlace place, const std::vector<int>& columns) const {
  const table::Batch& batch = batches_[static_cast<std::size_t>(place.batch)];
  std::string key;
  for (const int column : columns) {
    if (batch.is_null(column, place.row)) {
      key += '-';
      continue;
    }
    // The length in front keeps neighbours apart.
    const std::string cell = batch.schema().at(column).type == table::ColumnType::text
                                 ? std::string(batch.text(column, place.row))
                                 : batch.cell_json(column, place.row).dump();
    key += std::to_string(cell.size()) + ':' + cell;
  }
  return key;
}

}  // namespace trimtab::features
