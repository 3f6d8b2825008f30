#include "api/predict/csv_rows.h"

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "ingest/cell.h"
#include "table/utf8.h"

namespace trimtab::api {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Takes the text apart, a line at a time.
class CsvLines {
 public:
  explicit CsvLines(std::string_view text) : rest_(text) {
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }

  // The cells of the next line that is not blank; false at the end. Errors: malformed.
  Result<bool> next(std::vector<std::string>& cells) {
    cells.clear();
    while (skip_line_end()) {
    }
    if (rest_.empty()) return false;
    first_line_ = line_;
    const std::string_view all = rest_;
    do {
      cells.push_back(TRY(read_cell()));
    } while (skip(','));
    if (!table::is_utf8(all.substr(0, all.size() - rest_.size())))
      return fail(malformed("it is not in UTF-8"));
    if (rest_.empty() || skip_line_end()) return true;
    return fail(malformed("there is text behind a closing quote"));
  }
  Error malformed(const std::string& what) const {
    return {ErrorCode::malformed,
            "line " + std::to_string(first_line_) + " of the CSV: " + what,
            {},
            std::nullopt,
            nullptr};
  }

 private:
  bool skip(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool skip_line_end() {
    if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
    if (!skip('\n')) return false;
    ++line_;
    return true;
  }
  Result<std::string> read_cell() {
    if (skip('"')) return read_quoted();
    std::string_view cell = rest_.substr(0, rest_.find_first_of(",\n"));
    rest_.remove_prefix(cell.size());
    const bool ends_line = rest_.empty() || rest_.front() == '\n';
    if (!ends_line || !cell.ends_with('\r')) return std::string(cell);
    cell.remove_suffix(1);
    return std::string(cell);
  }
  Result<std::string> read_quoted() {
    std::string cell;
    while (true) {
      const std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) return fail(malformed("a quote is never closed"));
      cell += rest_.substr(0, quote);
      line_ += std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
      rest_.remove_prefix(quote + 1);
      if (!skip('"')) return cell;
      cell += '"';
    }
  }

  std::string_view rest_;
  std::ptrdiff_t line_ = 1;
  std::ptrdiff_t first_line_ = 1;  // Of the cells read last.
};

std::optional<table::ColumnType> type_of(const serve::RequestColumns& columns, const std::string& name) {
  if (const auto at = columns.required.find(name)) return columns.required.at(*at).type;
  if (const auto at = columns.optional.find(name)) return columns.optional.at(*at).type;
  return std::nullopt;
}

bool is_header(const std::vector<std::string>& cells, const serve::RequestColumns& columns) {
  const std::vector<std::string> known = columns.names();
  return std::any_of(cells.begin(), cells.end(), [&known](const std::string& cell) {
    return cell == serve::kIdColumn || std::find(known.begin(), known.end(), cell) != known.end();
  });
}

// What stands in a cell, in JSON, by the type of its column.
void append_cell(std::string& out, const std::string& cell, std::optional<table::ColumnType> type,
                 const std::vector<std::string>& nulls) {
  const bool is_text = !type || *type == table::ColumnType::text;
  const bool is_null =
      std::find(nulls.begin(), nulls.end(), cell) != nulls.end() || (cell.empty() && !is_text);
  if (is_null) {
    out += "null";
    return;
  }
  if (type == table::ColumnType::integer) {
    if (const auto value = ingest::integer_of_cell(cell)) {
      out += std::to_string(*value);
      return;
    }
  }
  if (type == table::ColumnType::real) {
    if (const auto value = ingest::real_of_cell(cell)) return base::append_json_double(out, *value);
  }
  if (type == table::ColumnType::boolean) {
    if (const auto value = ingest::boolean_of_cell(cell)) {
      out += *value ? "true" : "false";
      return;
    }
  }
  base::append_json_string(out, cell);
}

Error wrong_width(const CsvLines& lines, std::size_t cells, const std::vector<std::string>& names,
                  bool has_header) {
  Error error = lines.malformed("it has " + std::to_string(cells) + " cells for " +
                                std::to_string(names.size()) + " columns");
  if (has_header) return error;
  std::string order;
  for (const std::string& name : names) order += (order.empty() ? "" : ",") + name;
  error.hint = "without a header the columns are " + order;
  return error;
}

}  // namespace

Result<std::string> csv_as_json(std::string_view csv, const CsvReading& reading) {
  CsvLines lines(csv);
  std::vector<std::string> cells;
  bool is_line = TRY(lines.next(cells));
  const bool has_header = is_line && is_header(cells, reading.columns);
  const std::vector<std::string> names = has_header ? cells : reading.columns.required.names();
  if (has_header) is_line = TRY(lines.next(cells));
  std::vector<std::optional<table::ColumnType>> types;
  std::string out = R"({"dataframe_split":{"columns":[)";
  for (const std::string& name : names) {
    if (!types.empty()) out += ',';
    base::append_json_string(out, name);
    types.push_back(type_of(reading.columns, name));
  }
  out += R"(],"data":[)";
  for (bool is_first = true; is_line; is_first = false) {
    if (cells.size() != names.size()) return fail(wrong_width(lines, cells.size(), names, has_header));
    out += is_first ? "[" : ",[";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) out += ',';
      append_cell(out, cells[i], types[i], reading.nulls);
    }
    out += ']';
    is_line = TRY(lines.next(cells));
  }
  return out + "]}}";
}

}  // namespace trimtab::api
