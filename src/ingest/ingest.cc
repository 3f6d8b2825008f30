#include "ingest/ingest.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include "base/diagnostics.h"
#include "base/file.h"
#include "ingest/column_types.h"
#include "ingest/csv_file.h"
#include "ingest/left_rows.h"
#include "ingest/part_writer.h"
#include "ingest/typed_rows.h"
#include "table/row_program.h"

namespace trimtab::ingest {
namespace {

constexpr std::size_t kFilesShown = 3;
// Columns that Trimtab itself adds to rows begin so.
constexpr std::string_view kOwnPrefix = "__";

// A folder's name is no pattern.
std::string literal_pattern(const std::string& folder) {
  std::string pattern;
  for (const char c : folder) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// What is in the folder in which no file matched.
std::string what_is_there(const std::filesystem::path& pattern) {
  const std::filesystem::path folder = pattern.parent_path();
  std::error_code absent;
  if (!std::filesystem::is_directory(folder, absent)) return "there is no folder " + folder.string();
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    names.push_back(entry.path().filename().string());
  }
  if (names.empty()) return folder.string() + " is empty";
  std::sort(names.begin(), names.end());
  std::string shown;
  for (std::size_t i = 0; i < std::min(names.size(), kFilesShown); ++i)
    shown += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kFilesShown) shown += " and " + std::to_string(names.size() - kFilesShown) + " more";
  return folder.string() + " holds " + shown;
}

Json texts_to_json(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

std::set<std::string, std::less<>> nulls_of(const Json& params) {
  std::set<std::string, std::less<>> nulls;
  for (const Json& token : params["nulls"].as_array()) nulls.insert(token.as_string());
  return nulls;
}

// The declared columns, which all see the row as it stands in the file.
std::vector<table::Stage> declared_columns(const project::Source& source) {
  if (source.columns.empty()) return {};
  return {table::DeriveStage{source.columns}};
}

// Adds the declared columns to typed rows. Rows for which that fails leave.
class ColumnAdder {
 public:
  static Result<ColumnAdder> bind(const table::OperationRun& run, const RowSource& source) {
    ColumnAdder adder(source.raw);
    adder.program_ = TRY(table::RowProgram::bind(
        run.engine, source.raw, TRY(table::stages_from_json(run.params["columns"])), {}, source.time_zone));
    return adder;
  }

  const table::Schema& output() const { return program_->output(); }

  // `visit` hears of the rows for which it went well; `refuse` of each of the others.
  Status add(const table::Batch& rows, std::span<const std::int64_t> numbers,
             const std::function<Status(const table::Batch&)>& visit,
             const std::function<void(UnreadableRow)>& refuse) {
    const Result<const table::Batch*> done = program_->run(rows);
    if (done) return visit(**done);
    if (!is_of_file(done.error())) return fail(done.error());
    // The program ran on many rows; each alone tells which one it was.
    for (int row = 0; row < rows.rows(); ++row) {
      single_.reset(1);
      for (int column = 0; column < rows.schema().size(); ++column) {
        single_.copy_rows(column, 0, rows, column, std::span(&row, 1));
      }
      const Result<const table::Batch*> alone = program_->run(single_);
      if (alone) {
        TRY(visit(**alone));
      } else {
        refuse({numbers[static_cast<std::size_t>(row)], {}, {}, alone.error().message, alone.error().hint});
      }
    }
    return {};
  }

 private:
  explicit ColumnAdder(const table::Schema& raw) : single_(raw) {}

  table::Batch single_;
  std::unique_ptr<table::RowProgram> program_;
};

Status check_time(const project::Source& source, const table::Schema& schema) {
  if (source.time.empty()) return {};
  const std::optional<int> found = schema.find(source.time);
  if (!found) {
    return fail(Error{ErrorCode::invalid,
                      "'" + source.time + "' is no column of source '" + source.name + "'",
                      base::did_you_mean(source.time, schema.names()), source.time_where, nullptr});
  }
  const table::Column& column = schema.at(*found);
  if (column.type == table::ColumnType::time) return {};
  return fail(Error{ErrorCode::invalid,
                    "the time column '" + source.time + "' is " + std::string(table::type_name(column.type)) +
                        ", not a time",
                    "make one under `columns:`, as in make_timestamp(year, month, day, 0, 0, 0)",
                    source.time_where, nullptr});
}

}  // namespace

Result<std::vector<SourceFile>> find_files(const project::Source& source,
                                           const std::filesystem::path& folder) {
  std::vector<SourceFile> files;
  const std::string pattern =
      (std::filesystem::path(literal_pattern(folder.string())) / source.read).string();
  for (const std::string& path : base::glob_files(pattern)) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) continue;  // Removed since it was listed.
    SourceFile file;
    file.path = path;
    file.name = file.path.lexically_relative(folder).string();
    file.size = static_cast<std::uint64_t>(found.st_size);
    file.mtime_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec;
    file.inode = found.st_ino;
    files.push_back(std::move(file));
  }
  if (files.empty()) {
    return fail(Error{ErrorCode::not_found, "no file matches '" + source.read + "'",
                      what_is_there(folder / source.read), source.read_where, nullptr});
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.name < b.name; });
  return files;
}

Json sniff_params(const project::Source& source) {
  return Json::object({{"read", source.read}, {"nulls", texts_to_json(source.nulls)}});
}

Result<Json> sniff(const table::OperationRun& run) {
  const table::Schema schema = TRY(find_column_types(run.engine, run.files("file"), nulls_of(run.params)));
  return Json::object({{"schema", schema.to_json()}});
}

Json ingest_params(const project::Source& source, const table::Schema& raw) {
  Json params = Json::object({{"schema", raw.to_json()},
                              {"nulls", texts_to_json(source.nulls)},
                              {"time_zone", source.time_zone},
                              {"columns", table::stages_to_json(declared_columns(source))},
                              {"time", source.time}});
  // Not said when it is the usual one, so that files keep the keys of before there was a choice.
  if (source.bad_rows != project::kBadRows) params.set("bad_rows", source.bad_rows);
  return params;
}

namespace {

// A part without a row stands for a file that is set aside, so that its place in the snapshot says why.
Result<Json> set_aside(const table::OperationRun& run, const table::Schema& schema) {
  return TRY(PartWriter::create(run, schema, run.params.text_or("time"))).finish();
}

}  // namespace

Result<Json> ingest_file(const table::OperationRun& run) {
  RowSource source;
  source.path = run.file("file");
  source.raw = TRY(table::Schema::from_json(run.params["schema"]));
  source.nulls = nulls_of(run.params);
  source.time_zone = run.params.text_or("time_zone");
  ColumnAdder columns = TRY(ColumnAdder::bind(run, source));
  const double share = run.params.double_or("bad_rows", project::kBadRows);
  PartWriter part = TRY(PartWriter::create(run, columns.output(), run.params.text_or("time")));
  LeftRows left;
  std::int64_t kept = 0;
  const auto refuse = [&left](UnreadableRow row) { left.add(std::move(row)); };
  const auto append = [&](const table::Batch& rows) -> Status {
    kept += rows.rows();
    return part.append(rows);
  };
  const Status read = visit_readable_rows(
      run.engine, source,
      [&](const table::Batch& rows, std::span<const std::int64_t> numbers) -> Status {
        return columns.add(rows, numbers, append, refuse);
      },
      refuse);
  std::optional<Error> refusal;
  if (!read) {
    if (!is_of_file(read.error())) return fail(read.error());
    refusal = read.error();
    left = LeftRows();  // What is wrong with the whole says it all.
  } else if (static_cast<double>(left.count()) > share * static_cast<double>(kept + left.count())) {
    refusal = left.too_many(kept + left.count(), share, source.path);
  }
  Json result = refusal ? TRY(set_aside(run, columns.output())) : TRY(part.finish());
  if (!refusal && left.count() == 0) return result;
  const Error* why = refusal ? &*refusal : nullptr;
  return result.set("left", TRY(left.report(run.engine, source.path, why, run.output_folder / "left.jsonl")));
}

Json ingest_rows_params(const table::Schema& schema, const std::string& time) {
  return Json::object({{"schema", schema.to_json()}, {"time", time}});
}

Result<Json> ingest_rows(const table::OperationRun& run) {
  const table::Schema schema = TRY(table::Schema::from_json(run.params["schema"]));
  PartWriter part = TRY(PartWriter::create(run, schema, run.params.text_or("time")));
  const std::string text = TRY(base::read_file(run.file("rows")));
  std::vector<Json> pending;
  table::Batch batch(schema);
  int line = 0;
  const auto flush = [&]() -> Status {
    batch.reset(static_cast<int>(pending.size()));
    for (std::size_t row = 0; row < pending.size(); ++row) {
      for (int column = 0; column < schema.size(); ++column) {
        const Json* cell = pending[row].find(schema.at(column).name);
        Status set = batch.set_cell_json(column, static_cast<int>(row), cell == nullptr ? Json() : *cell);
        if (set) continue;
        Error error = std::move(set).error();
        error.where = SourceRange{"arrived rows", line - static_cast<int>(pending.size() - row) + 1, 0};
        return fail(std::move(error));
      }
    }
    pending.clear();
    return part.append(batch);
  };
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    Result<Json> row = base::parse_json(std::string_view(text).substr(start, end - start));
    start = end + 1;
    ++line;
    if (!row || !row->is_object()) {
      Error error =
          row ? Error{ErrorCode::malformed, "a row is an object", "", std::nullopt, nullptr} : row.error();
      error.where = SourceRange{"arrived rows", line, 0};
      return fail(std::move(error));
    }
    pending.push_back(*std::move(row));
    if (pending.size() == static_cast<std::size_t>(table::kBatchRowsMax)) TRY(flush());
  }
  TRY(flush());
  return part.finish();
}

Result<table::Schema> source_schema(table::Engine& engine, const project::Source& source,
                                    const table::Schema& raw) {
  base::Diagnostics diagnostics;
  table::Schema schema = raw;
  for (const table::Column& column : raw.columns()) {
    if (!column.name.starts_with(kOwnPrefix)) continue;
    diagnostics.add(source.read_where,
                    "a file has a column '" + column.name + "'; names that start with '__' are ours",
                    "rename it in the files");
  }
  bool time_failed = false;
  for (const table::NamedExpression& column : source.columns) {
    Result<table::ExpressionFacts> facts = table::inspect_expression(engine, column, raw, source.time_zone);
    if (facts) {
      schema.set({column.name, facts->type});
    } else {
      diagnostics.add(std::move(facts).error());
      time_failed = time_failed || column.name == source.time;
    }
    if (column.name.starts_with(kOwnPrefix)) {
      diagnostics.add(column.where, "names that start with '__' are ours",
                      "give '" + column.name + "' another one");
    }
  }
  // When the time's own expression is wrong, nothing else about it is worth saying.
  if (Status time = check_time(source, schema); !time && !time_failed)
    diagnostics.add(std::move(time).error());
  if (!diagnostics.empty()) return fail(diagnostics.as_error());
  return schema;
}

}  // namespace trimtab::ingest
