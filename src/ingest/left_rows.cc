#include "ingest/left_rows.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "base/file.h"
#include "ingest/csv_file.h"

namespace trimtab::ingest {
namespace {

constexpr std::size_t kKeptMax = 10'000;  // Of a file's rows with their reasons; all are counted.
constexpr std::size_t kShownFirst = 5;

}  // namespace

void LeftRows::add(UnreadableRow row) {
  ++count_;
  if (kept_.size() < kKeptMax) kept_.push_back(std::move(row));
}

Error LeftRows::too_many(std::int64_t rows, double share, const std::filesystem::path& path) const {
  char percent[32];
  std::snprintf(percent, sizeof percent, "%g %%", share * 100);
  const std::string words = std::to_string(count_) + " of " + std::to_string(rows) +
                            " rows cannot be read, more than the " + percent + " that may leave";
  return Error{ErrorCode::invalid, words, "", SourceRange{short_name(path), 0, 0}, nullptr};
}

Result<Json> LeftRows::report(table::Engine& engine, const std::filesystem::path& path, const Error* refusal,
                              const std::filesystem::path& file) {
  std::sort(kept_.begin(), kept_.end(),
            [](const UnreadableRow& a, const UnreadableRow& b) { return a.row < b.row; });
  std::vector<std::int64_t> numbers;
  for (const UnreadableRow& row : kept_) numbers.push_back(row.row);
  std::vector<std::int64_t> lines(numbers.size(), 0);
  const bool has_lines = !kept_.empty() && TRY(kind_of(path)) == FileKind::csv;
  if (has_lines) lines = TRY(lines_of_rows(engine, path, numbers));
  std::string all;
  Json first = Json::array();
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const UnreadableRow& left = kept_[i];
    Json row = Json::object({{"row", left.row + 1}, {"line", lines[i]}, {"column", left.column}});
    row.set("value", left.value).set("why", left.message);
    all += row.dump() + "\n";
    if (i < kShownFirst) first.push(std::move(row));
  }
  Json report = Json::object({{"rows", count_}, {"set_aside", refusal != nullptr}});
  std::string message = refusal != nullptr ? refusal->message : "";
  std::int64_t line = refusal != nullptr && refusal->where ? refusal->where->line : 0;
  if (!kept_.empty()) {
    message += (message.empty() ? "" : ": ") + kept_.front().message;
    line = lines.front();
  }
  report.set("message", message).set("line", line);
  report.set("hint", kept_.empty() ? (refusal != nullptr ? refusal->hint : "") : kept_.front().hint);
  if (!all.empty()) TRY(base::write_file_durably(file, all));
  return report.set("first", std::move(first));
}

bool is_of_file(const Error& error) {
  return error.code == ErrorCode::invalid || error.code == ErrorCode::malformed;
}

}  // namespace trimtab::ingest
