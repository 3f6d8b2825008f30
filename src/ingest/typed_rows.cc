#include "ingest/typed_rows.h"

#include <map>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "base/diagnostics.h"
#include "ingest/cell.h"
#include "table/expression.h"
#include "table/parquet.h"

namespace trimtab::ingest {
namespace {

using table::ColumnType;
using RowVisitor = std::function<Status(const table::Batch&, std::span<const std::int64_t>)>;

constexpr std::size_t kShownMax = 80;

std::string_view wanted(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "true or false";
    case ColumnType::integer:
      return "a whole number";
    case ColumnType::real:
      return "a number";
    case ColumnType::text:
      return "a text";
    case ColumnType::time:
      break;
  }
  return "a time like 2013-01-05 06:00";
}

// Where a cell comes from: its column of the query, and for a time the column in which the engine read it.
struct CellOrigin {
  int text = 0;
  int time = 0;
};

struct BadCell {
  std::int64_t row = 0;
  std::string column;
  ColumnType type = ColumnType::text;
  std::string text;
};

// Puts the meaning of `text` into the cell; false when it has none that fits.
bool set_cell(table::Batch& typed, int column, int row, std::string_view text) {
  switch (typed.schema().at(column).type) {
    case ColumnType::boolean:
      if (const auto value = boolean_of_cell(text)) return typed.set_boolean(column, row, *value), true;
      return false;
    case ColumnType::integer:
      if (const auto value = integer_of_cell(text)) return typed.set_integer(column, row, *value), true;
      return false;
    case ColumnType::real:
      if (const auto value = real_of_cell(text)) return typed.set_real(column, row, *value), true;
      return false;
    case ColumnType::text:
      return typed.set_text(column, row, text), true;
    case ColumnType::time:
      break;
  }
  CHECK(false);
  return false;
}

class CsvRows {
 public:
  CsvRows(table::Engine& engine, const RowSource& source)
      : engine_(engine), source_(source), typed_(source.raw), good_(source.raw) {}

  // Without `refuse` the first row that cannot be read is the error.
  Status visit(const RowVisitor& visit, const std::function<void(UnreadableRow)>& refuse) {
    header_ = TRY(read_header(engine_, source_.path));
    TRY(expect_columns());
    const std::string sql = query();
    std::optional<Error> refusal;
    const Status read = engine_.query(
        sql,
        [&](const table::Batch& texts) -> Status {
          convert(texts);
          Status done;
          if (!bad_.empty() && !refuse) {
            done = fail(bad_cell_error(bad_.begin()->second));
          } else {
            for (const auto& [row, cell] : bad_) refuse(unreadable(cell));
            const table::Batch& rows = readable();
            done = visit(rows, numbers_);
          }
          if (!done) refusal = done.error();
          first_ += texts.rows();
          return done;
        },
        source_.time_zone);
    if (refusal) return fail(*refusal);
    if (!read) return fail(csv_error(engine_, read.error(), source_.path, header_));
    return {};
  }

 private:
  // The file has each column of the source and no other, in any order.
  Status expect_columns() {
    const std::vector<std::string> known = source_.raw.names();
    table::Schema found;
    for (const std::string& name : header_.names) found.add({name, ColumnType::text});
    std::string missing;
    for (const std::string& name : known) {
      if (!found.find(name)) missing += (missing.empty() ? "'" : ", '") + name + "'";
    }
    std::string extra;
    for (const std::string& name : header_.names) {
      if (!source_.raw.find(name)) extra += (extra.empty() ? "'" : ", '") + name + "'";
    }
    if (missing.empty() && extra.empty()) return {};
    std::string message = "the header";
    if (!missing.empty()) message += " lacks " + missing;
    if (!missing.empty() && !extra.empty()) message += " and";
    if (!extra.empty()) message += " has " + extra + ", which the source's other files do not have";
    return fail(Error{ErrorCode::invalid, message,
                      "all files of a source have the same columns, in any order",
                      SourceRange{short_name(source_.path), 1, 0}, nullptr});
  }

  std::string query() {
    std::string list;
    int next = 0;
    for (const table::Column& column : source_.raw.columns()) {
      const std::string name = table::quote_name(column.name);
      list += (list.empty() ? "" : ", ") + name;
      CellOrigin origin{next++, 0};
      if (column.type == ColumnType::time) {
        // Names of columns have no such character, for a header stands on one line.
        list += ", TRY_CAST(" + name + " AS TIMESTAMPTZ) AS " + table::quote_name(column.name + "\n");
        origin.time = next++;
      }
      origins_.push_back(origin);
    }
    return "SELECT " + list + " FROM " + csv_table(header_, {source_.path});
  }

  void convert(const table::Batch& texts) {
    typed_.reset(texts.rows());
    bad_.clear();
    for (int column = 0; column < source_.raw.size(); ++column) {
      const ColumnType type = source_.raw.at(column).type;
      const CellOrigin origin = origins_[static_cast<std::size_t>(column)];
      for (int row = 0; row < texts.rows(); ++row) {
        const std::string_view text = texts.text(origin.text, row);
        if (source_.nulls.contains(text)) {
          typed_.set_null(column, row);
        } else if (type != ColumnType::time) {
          if (!set_cell(typed_, column, row, text)) note_bad(column, row, text);
        } else if (starts_as_date(text) && !texts.is_null(origin.time, row)) {
          typed_.set_time(column, row, texts.time(origin.time, row));
        } else if (const auto instant = instant_of_cell(text)) {
          typed_.set_time(column, row, *instant);
        } else {
          note_bad(column, row, text);
        }
      }
    }
  }

  // Cells are read column by column; of several bad ones in a row the first is named.
  void note_bad(int column, int row, std::string_view text) {
    bad_.try_emplace(row, BadCell{first_ + row, source_.raw.at(column).name, source_.raw.at(column).type,
                                  std::string(text)});
  }

  // What convert() made, without the rows that it could not make; their numbers are in numbers_.
  const table::Batch& readable() {
    std::vector<int> rows;
    numbers_.clear();
    for (int row = 0; row < typed_.rows(); ++row) {
      if (bad_.contains(row)) continue;
      rows.push_back(row);
      numbers_.push_back(first_ + row);
    }
    if (bad_.empty()) return typed_;
    good_.reset(static_cast<int>(rows.size()));
    for (int column = 0; column < source_.raw.size(); ++column) {
      good_.copy_rows(column, 0, typed_, column, rows);
    }
    return good_;
  }

  UnreadableRow unreadable(const BadCell& bad) const {
    UnreadableRow row{bad.row, bad.column, bad.text.substr(0, kShownMax), {}, {}};
    if (row.value.size() < bad.text.size()) row.value += "…";
    // Types are found once, in the files that are there when a source is first read.
    const bool is_fraction = bad.type == ColumnType::integer && real_of_cell(bad.text);
    const char* hint = is_fraction
                           ? "the files held whole numbers only when the source was first read; a new word "
                             "under `nulls:` has all of them looked at again"
                           : "list the token under `nulls:`, or correct the row";
    row.hint = hint;
    row.message =
        "column '" + bad.column + "' wants " + std::string(wanted(bad.type)) + ", found '" + row.value + "'";
    return row;
  }

  Error bad_cell_error(const BadCell& bad) {
    const UnreadableRow row = unreadable(bad);
    const Result<std::int64_t> line = line_of_row(engine_, source_.path, bad.row);
    return Error{ErrorCode::invalid, row.message, row.hint,
                 SourceRange{short_name(source_.path), static_cast<int>(line.value_or(0)), 0}, nullptr};
  }

  table::Engine& engine_;
  const RowSource& source_;
  CsvHeader header_;
  std::vector<CellOrigin> origins_;
  table::Batch typed_;
  table::Batch good_;                  // Of typed_, when some rows had to leave.
  std::vector<std::int64_t> numbers_;  // Of the rows that are visited.
  std::int64_t first_ = 0;
  std::map<int, BadCell> bad_;  // By row of typed_.
};

std::string_view engine_type_name(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return "BOOLEAN";
    case ColumnType::integer:
      return "BIGINT";
    case ColumnType::real:
      return "DOUBLE";
    case ColumnType::text:
      return "VARCHAR";
    case ColumnType::time:
      break;
  }
  return "TIMESTAMPTZ";
}

Status visit_parquet(table::Engine& engine, const RowSource& source,
                     const std::function<Status(const table::Batch&, std::int64_t)>& visit) {
  const table::Schema found = TRY(table::parquet_schema(engine, source.path));
  const SourceRange where{short_name(source.path), 0, 0};
  std::string list;
  for (const table::Column& column : source.raw.columns()) {
    const std::string name = table::quote_name(column.name);
    if (!found.find(column.name)) {
      return fail(Error{ErrorCode::invalid, "the file lacks the column '" + column.name + "'",
                        base::did_you_mean(column.name, found.names()), where, nullptr});
    }
    list += (list.empty() ? "CAST(" : ", CAST(") + name + " AS " +
            std::string(engine_type_name(column.type)) + ") AS " + name;
  }
  std::int64_t first = 0;
  std::optional<Error> refusal;
  const Status read = engine.query(
      "SELECT " + list + " FROM read_parquet(" + table::quote_path(source.path) + ")",
      [&](const table::Batch& rows) -> Status {
        Status done = visit(rows, first);
        if (!done) refusal = done.error();
        first += rows.rows();
        return done;
      },
      source.time_zone);
  if (refusal) return fail(*refusal);
  if (read) return {};
  Error error = base::wrap(read.error(), "the file cannot be read as the source's other files are");
  error.where = where;
  return fail(error);
}

}  // namespace

Status visit_typed_rows(table::Engine& engine, const RowSource& source,
                        const std::function<Status(const table::Batch&, std::int64_t)>& visit) {
  if (TRY(kind_of(source.path)) == FileKind::parquet) return visit_parquet(engine, source, visit);
  return CsvRows(engine, source)
      .visit(
          [&](const table::Batch& rows, std::span<const std::int64_t> numbers) -> Status {
            return visit(rows, numbers.empty() ? 0 : numbers.front());
          },
          {});
}

Status visit_readable_rows(table::Engine& engine, const RowSource& source, const RowVisitor& visit,
                           const std::function<void(UnreadableRow)>& refuse) {
  if (TRY(kind_of(source.path)) == FileKind::csv) return CsvRows(engine, source).visit(visit, refuse);
  std::vector<std::int64_t> numbers;
  return visit_parquet(engine, source, [&](const table::Batch& rows, std::int64_t first) -> Status {
    numbers.resize(static_cast<std::size_t>(rows.rows()));
    std::iota(numbers.begin(), numbers.end(), first);
    return visit(rows, numbers);
  });
}

}  // namespace trimtab::ingest
