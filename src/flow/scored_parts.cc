#include "flow/scored_parts.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/id.h"
#include "table/parquet.h"

namespace trimtab::flow {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnfinished = ".unfinished";

std::string digits(std::size_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%06zu", number);
  return text;
}

Status append_file(const fs::path& from, std::FILE* to) {
  std::FILE* in = std::fopen(from.c_str(), "rbe");
  if (in == nullptr) return fail(base::errno_error(errno, "cannot read '" + from.string() + "'"));
  std::vector<char> buffer(1u << 20);
  std::size_t got = 0;
  bool is_written = true;
  while (is_written && (got = std::fread(buffer.data(), 1, buffer.size(), in)) > 0)
    is_written = std::fwrite(buffer.data(), 1, got, to) == got;
  const bool is_read = std::ferror(in) == 0;
  const int number = errno;
  std::fclose(in);
  if (is_read && is_written) return {};
  return fail(base::errno_error(number, "cannot copy '" + from.string() + "'"));
}

}  // namespace

struct ScoredParts::State {
  table::Engine& engine;
  fs::path folder;
  std::string ending;
  table::Schema schema;
  std::int64_t part_rows = kPartRows;

  std::size_t files = 0;  // Begun.
  std::size_t part = 0;   // Of the last one.
  std::int64_t rows_in_part = 0, rows_in_file = 0, found = 0;
  std::unique_ptr<ScoredRows> writer;  // Of a part that grows.
  fs::path growing;

  fs::path part_path(std::size_t file, std::size_t number) const {
    return folder / (digits(file) + "-" + digits(number) + ending);
  }
  fs::path part_path() const { return part_path(files - 1, part); }
  fs::path mark_path() const { return folder / (digits(files - 1) + ".rows"); }
  bool is_there(const fs::path& path) const {
    std::error_code failed;
    return fs::exists(path, failed);
  }
  Status open_part();
  Status close_part();
  Status count(int rows);
  Status join_csv(const std::vector<fs::path>& parts, const fs::path& output);
  Status join_parquet(const std::vector<fs::path>& parts, const fs::path& output);
};

ScoredParts::ScoredParts(std::unique_ptr<State> state) : state_(std::move(state)) {}
ScoredParts::~ScoredParts() = default;

Result<std::unique_ptr<ScoredParts>> ScoredParts::open(table::Engine& engine, fs::path folder,
                                                       std::string ending, table::Schema schema,
                                                       std::int64_t part_rows) {
  TRY(base::make_folders(folder));
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.find(kUnfinished) != std::string::npos) TRY(base::remove_tree(entry.path()));
  }
  return std::unique_ptr<ScoredParts>(new ScoredParts(std::unique_ptr<State>(
      new State{engine, std::move(folder), std::move(ending), std::move(schema), part_rows})));
}

Result<std::optional<std::int64_t>> ScoredParts::begin_file() {
  State& state = *state_;
  ++state.files;
  state.part = 0;
  state.rows_in_part = state.rows_in_file = 0;
  if (!state.is_there(state.mark_path())) return std::optional<std::int64_t>();
  const std::string text = TRY(base::read_file(state.mark_path(), 64));
  std::int64_t rows = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), rows);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::optional<std::int64_t>();
  state.found += rows;
  return std::optional<std::int64_t>(rows);
}

bool ScoredParts::is_there() const { return !state_->writer && state_->is_there(state_->part_path()); }

Status ScoredParts::pass_over(int rows) {
  state_->found += rows;
  return state_->count(rows);
}

Status ScoredParts::append(const table::Batch& rows) {
  if (!state_->writer) TRY(state_->open_part());
  TRY(state_->writer->append(rows));
  return state_->count(rows.rows());
}

Status ScoredParts::State::count(int rows) {
  rows_in_part += rows;
  rows_in_file += rows;
  return rows_in_part >= part_rows ? close_part() : Status();
}

Status ScoredParts::State::open_part() {
  // The ending stays, for it says how the rows are written.
  growing = folder / (digits(files - 1) + "-" + digits(part) + std::string(kUnfinished) + "-" +
                      base::random_hex(4) + ending);
  writer = TRY(ScoredRows::create(engine, growing, schema, ScoredRows::Header::none));
  return {};
}

Status ScoredParts::State::close_part() {
  if (writer) {
    TRY(writer->finish());
    writer.reset();
    TRY(base::move_file_durably(growing, part_path()));
  }
  ++part;
  rows_in_part = 0;
  return {};
}

Status ScoredParts::end_file() {
  State& state = *state_;
  if (state.rows_in_part > 0) TRY(state.close_part());
  return base::write_file_durably(state.mark_path(), std::to_string(state.rows_in_file));
}

Status ScoredParts::State::join_csv(const std::vector<fs::path>& parts, const fs::path& output) {
  {
    const std::unique_ptr<ScoredRows> header = TRY(ScoredRows::create(engine, output, schema));
    TRY(header->finish());
  }
  std::FILE* out = std::fopen(output.c_str(), "abe");
  if (out == nullptr) return fail(base::errno_error(errno, "cannot write '" + output.string() + "'"));
  Status done;
  for (const fs::path& path : parts) {
    if (done) done = append_file(path, out);
  }
  const bool is_synced = std::fflush(out) == 0 && ::fsync(::fileno(out)) == 0;
  const int number = errno;
  const bool is_closed = std::fclose(out) == 0;
  if (done && !(is_synced && is_closed))
    return fail(base::errno_error(number, "cannot write '" + output.string() + "'"));
  return done;
}

Status ScoredParts::State::join_parquet(const std::vector<fs::path>& parts, const fs::path& output) {
  const std::unique_ptr<ScoredRows> rows = TRY(ScoredRows::create(engine, output, schema));
  if (!parts.empty()) {
    TRY(table::read_parquet(engine, parts, {},
                            [&](const table::Batch& batch) { return rows->append(batch); }));
  }
  return rows->finish();
}

Status ScoredParts::assemble(const fs::path& output) {
  std::vector<fs::path> parts;
  for (std::size_t file = 0; file < state_->files; ++file) {
    for (std::size_t number = 0;; ++number) {
      fs::path path = state_->part_path(file, number);
      if (!state_->is_there(path)) break;
      parts.push_back(std::move(path));
    }
  }
  TRY(base::remove_tree(output));
  return state_->ending == ".csv" ? state_->join_csv(parts, output) : state_->join_parquet(parts, output);
}

std::int64_t ScoredParts::rows_found() const { return state_->found; }

}  // namespace trimtab::flow
