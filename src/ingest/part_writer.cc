#include "ingest/part_writer.h"

#include <algorithm>

namespace trimtab::ingest {

Result<PartWriter> PartWriter::create(const table::OperationRun& run, const table::Schema& schema,
                                      const std::string& time) {
  PartWriter part(run, schema);
  if (!time.empty()) part.time_ = schema.find(time);
  part.writer_ = TRY(table::ParquetWriter::create(run.engine, run.output_folder / "part.parquet", schema));
  return part;
}

Status PartWriter::append(const table::Batch& rows) {
  TRY(writer_->append(rows));
  for (int row = 0; time_ && row < rows.rows(); ++row) {
    if (rows.is_null(*time_, row)) continue;
    const TimeUs time = rows.time(*time_, row);
    time_min_ = std::min(time_min_.value_or(time), time);
    time_max_ = std::max(time_max_.value_or(time), time);
  }
  if (!run_->progress(writer_->rows(), 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
  return {};
}

Result<Json> PartWriter::finish() {
  TRY(writer_->finish());
  Json result = Json::object({{"rows", writer_->rows()}, {"schema", schema_.to_json()}});
  if (time_min_) result.set("time_min", *time_min_).set("time_max", *time_max_);
  return result;
}

}  // namespace trimtab::ingest
