// For the tests of this room: rows of every type with the values at which code breaks.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <rapidcheck.h>
#include <string>
#include <variant>
#include <vector>

#include "table/batch.h"

namespace trimtab::table {

// One column of each type.
inline Schema all_types() {
  return Schema({{"b", ColumnType::boolean},
                 {"i", ColumnType::integer},
                 {"r", ColumnType::real},
                 {"s", ColumnType::text},
                 {"t", ColumnType::time}});
}

// A cell as a value; monostate is null. Reals are held by their bits, so that NaN equals itself and 0 is not
// -0.
struct Cell {
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, std::string> value;
  bool operator==(const Cell&) const = default;
};
using Row = std::vector<Cell>;

inline Cell read_cell(const Batch& batch, int column, int row) {
  if (batch.is_null(column, row)) return {};
  switch (batch.schema().at(column).type) {
    case ColumnType::boolean:
      return {batch.boolean(column, row)};
    case ColumnType::integer:
      return {batch.integer(column, row)};
    case ColumnType::real:
      return {std::bit_cast<std::uint64_t>(batch.real(column, row))};
    case ColumnType::text:
      return {std::string(batch.text(column, row))};
    case ColumnType::time:
      return {batch.time(column, row)};
  }
  return {};
}

inline Row read_row(const Batch& batch, int row) {
  Row cells;
  for (int column = 0; column < batch.schema().size(); ++column)
    cells.push_back(read_cell(batch, column, row));
  return cells;
}

inline void write_cell(Batch& batch, int column, int row, const Cell& cell) {
  if (cell.value.index() == 0) return batch.set_null(column, row);
  switch (batch.schema().at(column).type) {
    case ColumnType::boolean:
      return batch.set_boolean(column, row, std::get<bool>(cell.value));
    case ColumnType::integer:
      return batch.set_integer(column, row, std::get<std::int64_t>(cell.value));
    case ColumnType::real:
      return batch.set_real(column, row, std::bit_cast<double>(std::get<std::uint64_t>(cell.value)));
    case ColumnType::text:
      return batch.set_text(column, row, std::get<std::string>(cell.value));
    case ColumnType::time:
      return batch.set_time(column, row, std::get<std::int64_t>(cell.value));
  }
}

// Fills `batch` with rows [first, first + count).
inline void write_rows(Batch& batch, const std::vector<Row>& rows, std::size_t first, std::size_t count) {
  batch.reset(static_cast<int>(count));
  for (std::size_t row = 0; row < count; ++row) {
    for (int column = 0; column < batch.schema().size(); ++column) {
      write_cell(batch, column, static_cast<int>(row), rows[first + row][static_cast<std::size_t>(column)]);
    }
  }
}

inline rc::Gen<std::int64_t> any_integer() {
  using Limits = std::numeric_limits<std::int64_t>;
  return rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-20, 20), rc::gen::arbitrary<std::int64_t>(),
                        rc::gen::element(Limits::min(), Limits::min() + 1, Limits::max(), std::int64_t{0},
                                         std::int64_t{1} << 53));
}

inline rc::Gen<double> any_real() {
  using Limits = std::numeric_limits<double>;
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange(-1000, 1000), [](int i) { return i / 8.0; }),
      rc::gen::arbitrary<double>(),
      rc::gen::element(0.0, -0.0, Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), Limits::max(),
                       Limits::denorm_min(), 0.1, 1e300));
}

// Short and long ones, empty ones, numbers, signs of several bytes, a sign that joins with its neighbour.
inline rc::Gen<std::string> any_text() {
  auto piece = rc::gen::element<std::string>("", "a", "B", " ", "N14228", "42", "-7", "ß", "é", "e\u0301",
                                             "日本", "😀", "\t", "'", "\"", "%", std::string(1, '\0'), "true",
                                             "abcdefghijkl", "a text that is longer than a short one");
  return rc::gen::map(rc::gen::resize(4, rc::gen::container<std::vector<std::string>>(piece)),
                      [](const std::vector<std::string>& pieces) {
                        std::string text;
                        for (const std::string& part : pieces) text += part;
                        return text;
                      });
}

// Days of this age, both edges of New York's summer of 2013, the ends of what the engine can hold.
inline rc::Gen<std::int64_t> any_time() {
  constexpr std::int64_t kSpring = 1362898800'000'000;  // 2013-03-10T07:00:00Z
  constexpr std::int64_t kAutumn = 1383458400'000'000;  // 2013-11-03T06:00:00Z
  auto near = [](std::int64_t middle) {
    return rc::gen::map(rc::gen::inRange<std::int64_t>(-7'300'000'000, 7'300'000'000),
                        [middle](std::int64_t by) { return middle + by; });
  };
  return rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-2'000'000'000'000'000, 4'000'000'000'000'000),
                        near(kSpring), near(kAutumn),
                        rc::gen::element<std::int64_t>(0, -1, std::numeric_limits<std::int64_t>::max(),
                                                       -std::numeric_limits<std::int64_t>::max()));
}

inline rc::Gen<Row> any_row() {
  return rc::gen::exec([] {
    Row row(5);
    auto is_null = [] { return *rc::gen::inRange(0, 6) == 0; };
    if (!is_null()) row[0].value = *rc::gen::arbitrary<bool>();
    if (!is_null()) row[1].value = *any_integer();
    if (!is_null()) row[2].value = std::bit_cast<std::uint64_t>(*any_real());
    if (!is_null()) row[3].value = *any_text();
    if (!is_null()) row[4].value = *any_time();
    return row;
  });
}

inline std::vector<Row> any_rows(int rows_max) {
  auto count = static_cast<std::size_t>(*rc::gen::inRange(0, rows_max + 1));
  return *rc::gen::container<std::vector<Row>>(count, any_row());
}

// The same rows each time, where a test needs many and not their variety.
inline std::vector<Row> random_rows(std::size_t count, std::uint64_t seed) {
  return rc::gen::container<std::vector<Row>>(count, any_row())(rc::Random(seed), 50).value();
}

// For messages, of GoogleTest and of rapidcheck.
inline void PrintTo(const Cell& cell, std::ostream* out) {
  if (const auto* flag = std::get_if<bool>(&cell.value)) {
    *out << *flag;
  } else if (const auto* number = std::get_if<std::int64_t>(&cell.value)) {
    *out << *number;
  } else if (const auto* bits = std::get_if<std::uint64_t>(&cell.value)) {
    *out << std::bit_cast<double>(*bits);
  } else if (const auto* text = std::get_if<std::string>(&cell.value)) {
    *out << '"' << *text << '"';
  } else {
    *out << "null";
  }
}
inline void showValue(const Cell& cell, std::ostream& out) { PrintTo(cell, &out); }

}  // namespace trimtab::table
