#include "api/predict/parquet_rows.h"

#include <cstring>
#include <utility>

#include "api/predict/inference.h"
#include "base/file.h"
#include "table/parquet.h"

namespace trimtab::api {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMemoryMax = 256u << 20;
constexpr std::string_view kMark = "PAR1";
constexpr std::size_t kFooterBytes = 8;  // The length of the metadata (u32), and the mark again.

// Removes the file that a body was written to.
class BodyFile {
 public:
  explicit BodyFile(fs::path path) : path_(std::move(path)) {}
  ~BodyFile() { (void)base::remove_tree(path_); }
  BodyFile(const BodyFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Error malformed(const std::string& what) {
  return {ErrorCode::malformed, "the body is no Parquet file: " + what, {}, std::nullopt, nullptr};
}

// Before an engine sees it: the marks, and metadata that fits between them.
Status check_frame(std::string_view body) {
  if (body.size() < kMark.size() + kFooterBytes || !body.starts_with(kMark) || !body.ends_with(kMark))
    return fail(malformed("it does not begin and end with PAR1"));
  std::uint32_t metadata = 0;
  std::memcpy(&metadata, body.data() + body.size() - kFooterBytes, sizeof metadata);
  if (metadata <= body.size() - kMark.size() - kFooterBytes) return {};
  return fail(malformed("its metadata is longer than the file"));
}

// What the engine said of a file that the caller has never heard of.
Error of_body(const Error& error, const std::string& path) {
  if (table::is_out_of_memory(error) || error.code == ErrorCode::too_large) {
    return {ErrorCode::too_large, "the Parquet file takes more memory to read than a request may",
            "send fewer rows", std::nullopt, nullptr};
  }
  if (error.code == ErrorCode::storage_full) return error;
  std::string what = error.message;
  for (std::size_t at = what.find(path); at != std::string::npos; at = what.find(path))
    what.replace(at, path.size(), "the body");
  return malformed(what);
}

void append_rows(std::string& out, const table::Batch& rows) {
  for (int row = 0; row < rows.rows(); ++row) {
    out += out.back() == '[' ? "[" : ",[";
    for (int column = 0; column < rows.schema().size(); ++column) {
      if (column > 0) out += ',';
      out += rows.is_null(column, row) ? "null" : rows.cell_json(column, row).dump();
    }
    out += ']';
  }
}

Error too_many_rows() {
  return {ErrorCode::too_large, "the request has more than " + std::to_string(table::kBatchRowsMax) + " rows",
          "send fewer at once, or score the file with `trimtab score`", std::nullopt, nullptr};
}

}  // namespace

bool is_parquet_body(const http::Request& request) {
  const std::string_view declared = request.header("Content-Type");
  if (declared.empty() || declared == "application/json") return false;
  const std::string type = media_type_of(declared);
  return type == "application/vnd.apache.parquet" || type == "application/x-parquet";
}

ParquetBodies::ParquetBodies(fs::path folder) : folder_(std::move(folder)) {
  table::EngineOptions options;
  options.folders_allowed = {folder_.string()};
  options.memory_bytes_max = kMemoryMax;
  engine_ = table::Engine::on_first_use(options);
}

Result<std::string> ParquetBodies::as_json(std::string_view body) {
  TRY(check_frame(body));
  TRY(base::make_folders(folder_));
  const BodyFile file(folder_ / (std::to_string(++number_) + ".parquet"));
  TRY(base::write_file_durably(file.path(), body, 0600));
  const std::scoped_lock lock(mutex_);
  std::string out = R"({"dataframe_split":{"columns":[)";
  const Result<table::Schema> schema = table::parquet_schema(*engine_, file.path());
  if (!schema) return fail(of_body(schema.error(), file.path().string()));
  for (const table::Column& column : schema->columns()) {
    if (out.back() != '[') out += ',';
    base::append_json_string(out, column.name);
  }
  out += R"(],"data":[)";
  std::int64_t count = 0;
  const Status read =
      table::read_parquet(*engine_, {file.path()}, {}, [&](const table::Batch& rows) -> Status {
        count += rows.rows();
        if (count > table::kBatchRowsMax) return fail(too_many_rows());
        append_rows(out, rows);
        return {};
      });
  if (count > table::kBatchRowsMax) return fail(too_many_rows());
  if (!read) return fail(of_body(read.error(), file.path().string()));
  return out + "]}}";
}

}  // namespace trimtab::api
