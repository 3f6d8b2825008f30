#include "flow/scored_rows.h"

#include <cerrno>
#include <cstdio>
#include <string>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "table/parquet.h"

namespace trimtab::flow {
namespace {

bool is_parquet(const std::filesystem::path& path) {
  return path.extension() == ".parquet" || path.extension() == ".pq";
}

class ParquetRows final : public ScoredRows {
 public:
  explicit ParquetRows(std::unique_ptr<table::ParquetWriter> writer) : writer_(std::move(writer)) {}
  Status append(const table::Batch& rows) override { return writer_->append(rows); }
  Status finish() override { return writer_->finish(); }

 private:
  std::unique_ptr<table::ParquetWriter> writer_;
};

void append_text(std::string& line, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(",\"\n\r") == std::string_view::npos &&
                     text.front() != ' ' && text.back() != ' ';
  if (plain) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

void append_cell(std::string& line, const table::Batch& rows, int column, int row) {
  if (rows.is_null(column, row)) return;
  switch (rows.schema().at(column).type) {
    case table::ColumnType::boolean:
      line += rows.boolean(column, row) ? "true" : "false";
      return;
    case table::ColumnType::integer:
      line += std::to_string(rows.integer(column, row));
      return;
    case table::ColumnType::text:
      append_text(line, rows.text(column, row));
      return;
    case table::ColumnType::time:
      line += base::format_time(rows.time(column, row));
      return;
    case table::ColumnType::real:
      break;
  }
  const std::string number = Json(rows.real(column, row)).dump();
  // JSON puts what is no number between quotes.
  line += number.front() == '"' ? number.substr(1, number.size() - 2) : number;
}

class CsvRows final : public ScoredRows {
 public:
  CsvRows(std::filesystem::path path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  ~CsvRows() override {
    if (file_ != nullptr) std::fclose(file_);
  }

  Status header(const table::Schema& schema) {
    for (int column = 0; column < schema.size(); ++column) {
      if (column > 0) text_ += ',';
      append_text(text_, schema.at(column).name);
    }
    text_ += '\n';
    return put();
  }

  Status append(const table::Batch& rows) override {
    for (int row = 0; row < rows.rows(); ++row) {
      for (int column = 0; column < rows.schema().size(); ++column) {
        if (column > 0) text_ += ',';
        append_cell(text_, rows, column, row);
      }
      text_ += '\n';
    }
    return put();
  }

  Status finish() override {
    const bool synced = std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
    if (!synced) return fail(base::errno_error(errno, "cannot write " + path_.string()));
    std::fclose(std::exchange(file_, nullptr));
    return {};
  }

 private:
  Status put() {
    const std::size_t written = std::fwrite(text_.data(), 1, text_.size(), file_);
    if (written != text_.size()) return fail(base::errno_error(errno, "cannot write " + path_.string()));
    text_.clear();
    return {};
  }

  std::filesystem::path path_;
  std::FILE* file_;
  std::string text_;
};

}  // namespace

Status check_scored_name(const std::filesystem::path& path) {
  if (is_parquet(path) || path.extension() == ".csv") return {};
  return fail(ErrorCode::unsupported, "a file '" + path.filename().string() + "' cannot be written",
              "name it .csv or .parquet");
}

Result<std::unique_ptr<ScoredRows>> ScoredRows::create(table::Engine& engine,
                                                       const std::filesystem::path& path,
                                                       const table::Schema& schema, Header header) {
  TRY(check_scored_name(path));
  if (is_parquet(path)) {
    std::unique_ptr<table::ParquetWriter> writer = TRY(table::ParquetWriter::create(engine, path, schema));
    return std::unique_ptr<ScoredRows>(new ParquetRows(std::move(writer)));
  }
  std::FILE* file = std::fopen(path.c_str(), "wbxe");
  if (file == nullptr) return fail(base::errno_error(errno, "cannot write " + path.string()));
  auto rows = std::make_unique<CsvRows>(path, file);
  if (header == Header::first) TRY(rows->header(schema));
  return std::unique_ptr<ScoredRows>(std::move(rows));
}

}  // namespace trimtab::flow
