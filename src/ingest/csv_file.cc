#include "ingest/csv_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "table/expression.h"
#include "table/parquet.h"
#include "table/schema.h"

namespace trimtab::ingest {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Ending {
  std::string_view text;
  std::string_view hint;  // Empty: it can be read.
};
constexpr std::string_view kUnpack = "unpack it; of packed files Trimtab reads .csv.gz alone";
constexpr std::string_view kExport = "write it as CSV or Parquet";
constexpr std::array kRefusedEndings = {
    Ending{".zip", kUnpack},    Ending{".bz2", kUnpack},   Ending{".xz", kUnpack},
    Ending{".zst", kUnpack},    Ending{".7z", kUnpack},    Ending{".tar", kUnpack},
    Ending{".tgz", kUnpack},    Ending{".json", kExport},  Ending{".jsonl", kExport},
    Ending{".xls", kExport},    Ending{".xlsx", kExport},  Ending{".avro", kExport},
    Ending{".orc", kExport},    Ending{".arrow", kExport}, Ending{".feather", kExport},
    Ending{".ndjson", kExport},
};

// A file is read as one column of lines by means of a delimiter that texts do not have. Quotes mean nothing
// here. An empty line is a null: the engine leaves out the empty lines of a file of one column unless an
// empty text means null.
std::string line_table(const std::filesystem::path& path) {
  return "read_csv(" + table::quote_path(path) +
         ", auto_detect = false, header = false, delim = chr(1), quote = '', escape = '', nullstr = '', "
         "columns = {'line': 'VARCHAR'})";
}

// Whether a line that starts inside (or outside) of quotes ends inside of them.
bool ends_in_quotes(std::string_view line, bool starts_in_quotes) {
  const auto quotes = std::count(line.begin(), line.end(), '"');
  return starts_in_quotes != (quotes % 2 == 1);
}

std::vector<std::string> split_line(std::string_view line, char delimiter) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (c == '"' && (quoted || cells.back().empty())) {
      quoted = !quoted;
    } else if (c == delimiter && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

CsvHeader parse_header(std::string_view line) {
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  CsvHeader header;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    std::vector<std::string> names = split_line(line, delimiter);
    if (names.size() <= header.names.size()) continue;
    header.delimiter = delimiter;
    header.names = std::move(names);
  }
  for (std::size_t i = 0; i < header.names.size(); ++i) {
    if (header.names[i].empty()) header.names[i] = "column" + std::to_string(i);
  }
  return header;
}

tl::unexpected<Error> refuse(const std::filesystem::path& path, std::int64_t line, std::string message,
                             std::string hint) {
  return fail(Error{ErrorCode::invalid, std::move(message), std::move(hint),
                    SourceRange{short_name(path), static_cast<int>(line), 0}, nullptr});
}

// The text between two marks of the engine's message; nothing when one of them is not there.
std::optional<std::string> between(std::string_view message, std::string_view before,
                                   std::string_view after) {
  const std::size_t start = message.find(before);
  if (start == std::string_view::npos) return std::nullopt;
  const std::size_t from = start + before.size();
  const std::size_t end = message.find(after, from);
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(message.substr(from, end - from));
}

// The line on which the `wanted`-th row starts, both counted from 1, the header included; 0 when there are
// fewer. Empty lines count as rows, or not at all.
Result<std::int64_t> line_of(table::Engine& engine, const std::filesystem::path& path, std::int64_t wanted,
                             bool empty_lines_count) {
  std::int64_t line = 0;
  std::int64_t found = 0;
  std::int64_t rows = 0;
  bool in_quotes = false;
  const auto count = [&](const table::Batch& batch) -> Status {
    for (int i = 0; i < batch.rows(); ++i) {
      ++line;
      const std::string_view text = batch.is_null(0, i) ? "" : batch.text(0, i);
      const bool is_empty = !in_quotes && (text.empty() || text == "\r");
      if (is_empty && !empty_lines_count) continue;
      if (!in_quotes && ++rows == wanted) found = line;
      in_quotes = ends_in_quotes(text, in_quotes);
    }
    return {};
  };
  TRY(engine.query("SELECT line FROM " + line_table(path), count));
  return found;
}

int number_of(const std::optional<std::string>& text) {
  int number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

Result<FileKind> kind_of(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (name.ends_with(".parquet") || name.ends_with(".pq")) return FileKind::parquet;
  std::string_view inner = name;
  if (inner.ends_with(".gz")) inner.remove_suffix(3);
  for (const Ending& ending : kRefusedEndings) {
    if (!inner.ends_with(ending.text)) continue;
    return fail(Error{ErrorCode::unsupported,
                      "a file that ends in '" + std::string(ending.text) + "' cannot be read",
                      std::string(ending.hint), SourceRange{short_name(path), 0, 0}, nullptr});
  }
  return FileKind::csv;
}

std::string short_name(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path().filename();
  return folder.empty() ? path.filename().string() : (folder / path.filename()).string();
}

Result<CsvHeader> read_header(table::Engine& engine, const std::filesystem::path& path) {
  std::optional<std::string> line;
  const auto keep_first = [&line](const table::Batch& batch) -> Status {
    if (!line && batch.rows() > 0) line = std::string(batch.text(0, 0));
    return {};
  };
  Status read =
      engine.query("SELECT line FROM " + line_table(path) + " WHERE line IS NOT NULL LIMIT 1", keep_first);
  if (!read) return fail(csv_error(engine, std::move(read).error(), path, {}));
  if (!line)
    return refuse(path, 0, "the file is empty: not even a header",
                  "write the header line, or remove the file");
  if (ends_in_quotes(*line, false)) {
    return refuse(path, 1, "a quote is opened in the header and not closed on its line",
                  "names of columns stand on one line");
  }
  CsvHeader header = parse_header(*line);
  table::Schema seen;  // Compares names as the engine does.
  for (const std::string& name : header.names) {
    if (seen.find(name))
      return refuse(path, 1, "the header has the column '" + name + "' twice", "rename one of them");
    seen.add({name, table::ColumnType::text});
  }
  return header;
}

std::string csv_table(const CsvHeader& header, const std::vector<std::filesystem::path>& paths) {
  std::string list;
  for (const std::filesystem::path& path : paths)
    list += (list.empty() ? "" : ", ") + table::quote_path(path);
  std::string columns;
  for (const std::string& name : header.names) {
    columns += (columns.empty() ? "" : ", ") + table::quote_text(name) + ": 'VARCHAR'";
  }
  // Which tokens are null is decided with the cells at hand: the engine can be told of some tokens, but not
  // of none.
  return "read_csv([" + list + "], auto_detect = false, header = true, delim = " +
         table::quote_text(std::string(1, header.delimiter)) +
         ", quote = '\"', escape = '\"', nullstr = chr(2), columns = {" + columns + "})";
}

Error csv_error(table::Engine& engine, Error error, const std::filesystem::path& path,
                const CsvHeader& header) {
  if (error.code != ErrorCode::invalid)
    return base::wrap(std::move(error), "cannot read " + short_name(path));
  const std::string& text = error.message;
  const std::filesystem::path file = between(text, "\n  file = ", "\n").value_or(path.string());
  Error refusal;
  refusal.code = ErrorCode::invalid;
  // The engine takes a row whose quoted cell holds line breaks for one line.
  const int record = number_of(between(text, "CSV Error on Line: ", "\n"));
  const std::int64_t line = line_of(engine, file, record, true).value_or(record);
  refusal.where = SourceRange{short_name(file), static_cast<int>(line), 0};
  if (const auto found = between(text, "Expected Number of Columns: ", "\n")) {
    const std::string cells = std::to_string(number_of(between(text, " Found: ", "\n")));
    refusal.message =
        "the row has " + cells + " cells, but the header has " + std::to_string(header.names.size());
    refusal.hint =
        std::string("put a cell that holds '") + header.delimiter + "' in quotes, or correct the row";
  } else if (text.find("unterminated quote") != std::string::npos) {
    refusal.message = "a quote is opened here and not closed before the end of the file";
    refusal.hint = "close it; a quote inside of a quoted cell is written twice";
  } else if (text.find("Invalid unicode") != std::string::npos) {
    refusal.message = "the file is not in UTF-8";
    refusal.hint = "convert it, as with `iconv -f latin1 -t utf-8`";
  } else if (text.find("Maximum line size") != std::string::npos) {
    refusal.message = "a row is longer than 2 MB";
    refusal.hint = "is a quote missing, or is this no CSV file?";
  } else {
    refusal.message = "the row cannot be read: " + text.substr(0, text.find("\nPossible"));
    refusal.hint = "correct the row";
  }
  return refusal;
}

Result<std::vector<std::int64_t>> lines_of_rows(table::Engine& engine, const std::filesystem::path& path,
                                                const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> lines;
  std::int64_t line = 0;
  std::int64_t row = -2;  // The header is the first that is counted, and no row.
  bool in_quotes = false;
  const auto count = [&](const table::Batch& batch) -> Status {
    for (int i = 0; i < batch.rows(); ++i) {
      ++line;
      const std::string_view text = batch.is_null(0, i) ? "" : batch.text(0, i);
      if (!in_quotes && (text.empty() || text == "\r")) continue;
      if (!in_quotes && ++row >= 0 && lines.size() < rows.size() && rows[lines.size()] == row) {
        lines.push_back(line);
      }
      in_quotes = ends_in_quotes(text, in_quotes);
    }
    return {};
  };
  TRY(engine.query("SELECT line FROM " + line_table(path), count));
  lines.resize(rows.size(), 0);
  return lines;
}

Result<std::int64_t> line_of_row(table::Engine& engine, const std::filesystem::path& path, std::int64_t row) {
  return line_of(engine, path, row + 2, false);  // The header is the first that is counted.
}

}  // namespace trimtab::ingest
