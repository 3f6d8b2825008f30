#include "serve/request_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/clock.h"
#include "base/json.h"

namespace trimtab::serve {
namespace {

// Appends a cell as Batch::cell_json dumps it.
void append_cell(std::string& out, const table::Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case table::ColumnType::boolean:
      out += rows.boolean(column, row) ? "true" : "false";
      return;
    case table::ColumnType::integer: {
      std::array<char, 24> digits{};
      const auto end = std::to_chars(digits.begin(), digits.end(), rows.integer(column, row)).ptr;
      out.append(digits.begin(), end);
      return;
    }
    case table::ColumnType::real:
      return base::append_json_double(out, rows.real(column, row));
    case table::ColumnType::text:
      return base::append_json_string(out, rows.text(column, row));
    case table::ColumnType::time: {
      const TimeUs time = rows.time(column, row);
      // The two infinite times have words of their own.
      if (std::abs(time) == std::numeric_limits<TimeUs>::max()) {
        out += rows.cell_json(column, row).dump();
        return;
      }
      out += '"';
      out += base::format_time(time);
      out += '"';
      return;
    }
  }
}

}  // namespace

void append_request_json(std::string& out, const Shape& shape, const table::Batch& rows, int row) {
  out += '{';
  const std::size_t begin = out.size();
  for (int column = 0; column < rows.schema().size(); ++column) {
    if (rows.is_null(column, row)) continue;
    if (out.size() > begin) out += ',';
    out += shape.keys[static_cast<std::size_t>(column)];
    append_cell(out, rows, column, row);
  }
  out += '}';
}

// They are listed in the order of the rows.
std::span<const MendedCell> mended_of(const RequestRows& request, int row) {
  const auto [begin, end] = std::ranges::equal_range(request.mended, row, {}, &MendedCell::row);
  return {begin, end};
}

std::string json_as_sent(const Shape& shape, const RequestRows& request, int row) {
  const table::Batch& rows = request.rows;
  const std::span<const MendedCell> mended = mended_of(request, row);
  std::string out = "{";
  for (int column = 0; column < rows.schema().size(); ++column) {
    const auto cell = std::find_if(mended.begin(), mended.end(),
                                   [column](const MendedCell& one) { return one.column == column; });
    if (cell == mended.end() && rows.is_null(column, row)) continue;
    if (out.size() > 1) out += ',';
    out += shape.keys[static_cast<std::size_t>(column)];
    if (cell == mended.end()) append_cell(out, rows, column, row);
    if (cell != mended.end()) out += cell->sent;
  }
  return out + '}';
}

}  // namespace trimtab::serve
