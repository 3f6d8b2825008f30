// For the tests of the rooms that a row passes: runs one operation on files of the test's own, and shows what
// it left behind as text.
#pragma once

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "table/engine_fixture_test.h"
#include "table/operation.h"
#include "table/parquet.h"

namespace trimtab::table {

using CellList = std::vector<Json>;

inline Batch batch_of(const Schema& schema, const std::vector<CellList>& rows) {
  Batch batch(schema);
  batch.reset(static_cast<int>(rows.size()));
  for (int row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < schema.size(); ++column) {
      const Json& cell = rows[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
      const Status set = batch.set_cell_json(column, row, cell);
      EXPECT_TRUE(set) << base::render(set.error());
    }
  }
  return batch;
}

// The cells as JSON, a row a line.
inline std::string shown(const Batch& batch) {
  std::string text;
  for (int row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < batch.schema().size(); ++column) {
      text += (column == 0 ? "" : " ") + batch.cell_json(column, row).dump();
    }
    text += "\n";
  }
  return text;
}

// "x: integer, t: time"
inline std::string shown(const Schema& schema) {
  std::string text;
  for (const Column& column : schema.columns()) {
    text += (text.empty() ? "" : ", ") + column.name + ": " + std::string(type_name(column.type));
  }
  return text;
}

class OperationFixture : public EngineFixture {
 protected:
  using Paths = std::vector<std::filesystem::path>;

  std::filesystem::path path(const std::string& name) const { return allowed() / name; }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(path(name).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

  std::filesystem::path write_part(const std::string& name, const Schema& schema,
                                   const std::vector<CellList>& rows) {
    std::filesystem::create_directories(path(name).parent_path());
    auto writer = ParquetWriter::create(engine(), path(name), schema);
    EXPECT_TRUE(writer) << base::render(writer.error());
    for (std::size_t first = 0; first < rows.size(); first += kBatchRowsMax) {
      const std::size_t end = std::min(rows.size(), first + kBatchRowsMax);
      const auto at = [&rows](std::size_t row) { return rows.begin() + static_cast<std::ptrdiff_t>(row); };
      EXPECT_TRUE((*writer)->append(batch_of(schema, {at(first), at(end)})));
    }
    const Status done = (*writer)->finish();
    EXPECT_TRUE(done) << base::render(done.error());
    return path(name);
  }

  // Runs it as a worker does, with an output folder of its own.
  Result<Json> run(const Operation& operation, const Json& params, std::map<std::string, Paths> inputs) {
    output_folder_ = path("out" + std::to_string(++runs_));
    std::filesystem::create_directory(output_folder_);
    const auto go_on = [this](std::int64_t, std::int64_t, std::string_view) { return !stop_; };
    return operation({.engine = engine(),
                      .params = params,
                      .inputs = std::move(inputs),
                      .output_folder = output_folder_,
                      .progress = go_on});
  }

  // A file that the last run left behind.
  std::filesystem::path output(const std::string& name) const { return output_folder_ / name; }

  std::string rows_of(const std::filesystem::path& file, const std::vector<std::string>& columns = {}) {
    std::string text;
    const Status read = read_parquet(engine(), {file}, columns, [&text](const Batch& batch) -> Status {
      text += shown(batch);
      return {};
    });
    return read ? text : base::render(read.error());
  }

  static std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  bool stop_ = false;  // What progress() answers from now on: a stop on request.

 private:
  int runs_ = 0;
  std::filesystem::path output_folder_;
};

}  // namespace trimtab::table
