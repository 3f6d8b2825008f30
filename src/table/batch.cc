#include "table/batch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <duckdb/common/allocator.hpp>
#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/storage/arena_allocator.hpp>
#include <limits>
#include <numeric>
#include <vector>

#include "table/session.h"
#include "table/utf8.h"

namespace trimtab::table {
namespace {

using duckdb::FlatVector;
using duckdb::string_t;

constexpr int kRowsPerWord = 64;

std::size_t cell_bytes(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return sizeof(bool);
    case ColumnType::text:
      return sizeof(string_t);
    case ColumnType::integer:
    case ColumnType::real:
    case ColumnType::time:
      break;
  }
  return sizeof(std::int64_t);
}

// Room for `rows` cells, rounded up so that the next column begins where any type may begin.
std::size_t column_bytes(ColumnType type, int rows) {
  return (cell_bytes(type) * static_cast<std::size_t>(rows) + 15) / 16 * 16;
}

std::size_t words_for(int rows) { return static_cast<std::size_t>((rows + kRowsPerWord - 1) / kRowsPerWord); }

std::uint64_t bit_of(int row) { return std::uint64_t{1} << (row % kRowsPerWord); }

// Where the cells of one column lie: the batch's own memory, or that of what the engine put there.
struct Cells {
  ColumnType type = ColumnType::text;
  std::byte* data = nullptr;
  std::uint64_t* valid = nullptr;  // A bit per row, 0 = null; nullptr: no row is null.
  std::byte* own_data = nullptr;
  std::uint64_t* own_valid = nullptr;

  bool has_value(int row) const { return valid == nullptr || (valid[row / kRowsPerWord] & bit_of(row)) != 0; }
  template <class T>
  T& at(int row) const {
    return reinterpret_cast<T*>(data)[row];
  }
};

}  // namespace

// The vectors of the chunk do not own memory: they point into `memory` and `texts`, which are kept from one
// reset to the next, so that filling a batch again costs no allocation.
struct Batch::State {
  explicit State(Schema its_schema) : schema(std::move(its_schema)), cells(schema.columns().size()) {
    for (int i = 0; i < schema.size(); ++i) cells[static_cast<std::size_t>(i)].type = schema.at(i).type;
    make_chunk();
  }

  void make_chunk() {
    duckdb::vector<duckdb::LogicalType> types;
    for (const Column& column : schema.columns()) types.push_back(engine_type(column.type));
    chunk.Destroy();
    if (!types.empty()) chunk.InitializeEmpty(types);
    chunk.SetCapacity(kBatchRowsMax);
  }

  void make_room(int rows_wanted) {
    capacity = static_cast<int>(std::bit_ceil(static_cast<unsigned>(rows_wanted)));
    std::size_t words = words_for(capacity);
    std::size_t bytes = 0;
    for (const Cells& column : cells) {
      bytes +=
          column_bytes(column.type, capacity) + column_bytes(ColumnType::integer, static_cast<int>(words));
    }
    memory = std::make_unique_for_overwrite<std::byte[]>(bytes);
    std::byte* next = memory.get();
    for (Cells& column : cells) {
      column.own_data = next;
      next += column_bytes(column.type, capacity);
      column.own_valid = reinterpret_cast<std::uint64_t*>(next);
      next += column_bytes(ColumnType::integer, static_cast<int>(words));
    }
  }

  const Cells& cell(int column, int row, ColumnType type) const {
    const Cells& found = cell(column, row);
    CHECK(found.type == type);
    return found;
  }
  const Cells& cell(int column, int row) const {
    CHECK(column >= 0 && static_cast<std::size_t>(column) < cells.size());
    CHECK(row >= 0 && row < rows);
    return cells[static_cast<std::size_t>(column)];
  }
  const Cells& value_of(int column, int row, ColumnType type) const {
    const Cells& found = cell(column, row, type);
    CHECK(found.has_value(row));
    return found;
  }
  // The cell to be written, marked as holding a value.
  const Cells& to_write(int column, int row, ColumnType type) {
    CHECK(!adopted);
    const Cells& found = cell(column, row, type);
    if (found.valid != nullptr) found.valid[row / kRowsPerWord] |= bit_of(row);
    return found;
  }

  // The column's bits, a bit per row. They exist only in a batch that has a null: the engine is faster when
  // it need not look at them.
  std::uint64_t* make_valid(int column) {
    Cells& found = cells[static_cast<std::size_t>(column)];
    if (found.valid != nullptr) return found.valid;
    found.valid = found.own_valid;
    std::fill_n(found.valid, words_for(rows), ~std::uint64_t{0});
    FlatVector::Validity(chunk.data[static_cast<std::size_t>(column)]).Initialize(found.valid, kBatchRowsMax);
    return found.valid;
  }

  // The text with its bytes in this batch's memory, where they do not fit into the cell itself.
  string_t keep(const string_t& text) {
    if (text.IsInlined()) return text;
    const auto size = static_cast<std::uint32_t>(text.GetSize());
    auto* copy = reinterpret_cast<char*>(texts.Allocate(size));
    std::memcpy(copy, text.GetData(), size);
    return {copy, size};
  }

  Schema schema;
  std::vector<Cells> cells;
  duckdb::DataChunk chunk;
  std::unique_ptr<std::byte[]> memory;
  duckdb::ArenaAllocator texts{duckdb::Allocator::DefaultAllocator()};
  int capacity = 0;  // Rows that `memory` has room for.
  int rows = 0;
  bool adopted = false;  // The chunk holds what the engine put there; reset() takes it back.
};

Batch::Batch() : Batch(Schema()) {}
Batch::Batch(Schema schema) : state_(std::make_unique<State>(std::move(schema))) {}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

const Schema& Batch::schema() const { return state_->schema; }
int Batch::rows() const { return state_->rows; }

void Batch::reset(int rows) {
  CHECK(rows >= 0 && rows <= kBatchRowsMax);
  State& state = *state_;
  if (rows > state.capacity) state.make_room(rows);
  if (state.adopted) state.make_chunk();
  state.adopted = false;
  state.texts.Reset();
  for (std::size_t i = 0; i < state.cells.size(); ++i) {
    Cells& column = state.cells[i];
    column.data = column.own_data;
    column.valid = nullptr;
    FlatVector::SetData(state.chunk.data[i], reinterpret_cast<duckdb::data_ptr_t>(column.own_data));
    FlatVector::Validity(state.chunk.data[i]).Initialize(nullptr, kBatchRowsMax);
  }
  state.rows = rows;
  state.chunk.SetCardinality(static_cast<duckdb::idx_t>(rows));
}

void Batch::set_null(int column, int row) {
  State& state = *state_;
  CHECK(!state.adopted);
  state.cell(column, row);
  state.make_valid(column)[row / kRowsPerWord] &= ~bit_of(row);
}

void Batch::set_boolean(int column, int row, bool value) {
  state_->to_write(column, row, ColumnType::boolean).at<bool>(row) = value;
}
void Batch::set_integer(int column, int row, std::int64_t value) {
  state_->to_write(column, row, ColumnType::integer).at<std::int64_t>(row) = value;
}
void Batch::set_real(int column, int row, double value) {
  state_->to_write(column, row, ColumnType::real).at<double>(row) = value;
}
void Batch::set_time(int column, int row, TimeUs value) {
  state_->to_write(column, row, ColumnType::time).at<std::int64_t>(row) = value;
}
void Batch::set_text(int column, int row, std::string_view value) {
  if (!is_utf8(value)) return set_text(column, row, repair_utf8(value));
  CHECK(value.size() <= std::numeric_limits<std::uint32_t>::max());
  const Cells& cells = state_->to_write(column, row, ColumnType::text);
  auto size = static_cast<std::uint32_t>(value.size());
  const char* bytes = value.data();
  if (size > string_t::INLINE_LENGTH) {
    auto* copy = reinterpret_cast<char*>(state_->texts.Allocate(size));
    std::memcpy(copy, bytes, size);
    bytes = copy;
  }
  // An empty view may have no address; the engine wants one.
  cells.at<string_t>(row) = size == 0 ? string_t("", 0) : string_t(bytes, size);
}

namespace {

template <class T>
void copy_values(T* to, const Cells& from, std::span<const int> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) to[i] = from.at<T>(rows[i]);
}

}  // namespace

void Batch::copy_rows(int column, int first, const Batch& from, int from_column, std::span<const int> rows) {
  if (rows.empty()) return;
  State& state = *state_;
  CHECK(!state.adopted && first >= 0 && first + static_cast<int>(rows.size()) <= state.rows);
  const ColumnType type = schema().at(column).type;
  for (const int row : rows) CHECK(row >= 0 && row < from.rows());
  const Cells& source = from.state_->cell(from_column, rows[0], type);
  const Cells& target = state.cell(column, first, type);
  if (source.valid != nullptr || target.valid != nullptr) {
    std::uint64_t* valid = state.make_valid(column);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const int row = first + static_cast<int>(i);
      if (source.has_value(rows[i])) {
        valid[row / kRowsPerWord] |= bit_of(row);
      } else {
        valid[row / kRowsPerWord] &= ~bit_of(row);
      }
    }
  }
  switch (type) {
    case ColumnType::boolean:
      return copy_values(&target.at<bool>(first), source, rows);
    case ColumnType::integer:
    case ColumnType::time:
      return copy_values(&target.at<std::int64_t>(first), source, rows);
    case ColumnType::real:
      return copy_values(&target.at<double>(first), source, rows);
    case ColumnType::text:
      break;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // What stands in a null cell may be anything.
    if (!source.has_value(rows[i])) continue;
    target.at<string_t>(first + static_cast<int>(i)) = state.keep(source.at<string_t>(rows[i]));
  }
}

void Batch::copy_column(int column, const Batch& from, int from_column) {
  static const std::vector<int> kAllRows = [] {
    std::vector<int> rows(kBatchRowsMax);
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }();
  CHECK(rows() == from.rows());
  copy_rows(column, 0, from, from_column, std::span(kAllRows).first(static_cast<std::size_t>(rows())));
}

bool Batch::is_null(int column, int row) const { return !state_->cell(column, row).has_value(row); }
bool Batch::boolean(int column, int row) const {
  return state_->value_of(column, row, ColumnType::boolean).at<bool>(row);
}
std::int64_t Batch::integer(int column, int row) const {
  return state_->value_of(column, row, ColumnType::integer).at<std::int64_t>(row);
}
double Batch::real(int column, int row) const {
  return state_->value_of(column, row, ColumnType::real).at<double>(row);
}
std::string_view Batch::text(int column, int row) const {
  const string_t& value = state_->value_of(column, row, ColumnType::text).at<string_t>(row);
  return {value.GetData(), value.GetSize()};
}
TimeUs Batch::time(int column, int row) const {
  return state_->value_of(column, row, ColumnType::time).at<std::int64_t>(row);
}

duckdb::DataChunk& Batch::chunk() { return state_->chunk; }
const duckdb::DataChunk& Batch::chunk() const { return state_->chunk; }

void Batch::adopt_rows() {
  State& state = *state_;
  state.adopted = true;
  state.rows = static_cast<int>(state.chunk.size());
  CHECK(state.rows <= kBatchRowsMax && state.chunk.ColumnCount() == state.cells.size());
  for (std::size_t i = 0; i < state.cells.size(); ++i) {
    duckdb::Vector& vector = state.chunk.data[i];
    if (vector.GetVectorType() != duckdb::VectorType::FLAT_VECTOR) vector.Flatten(state.chunk.size());
    state.cells[i].data = reinterpret_cast<std::byte*>(FlatVector::GetData(vector));
    state.cells[i].valid = FlatVector::Validity(vector).GetData();
  }
}

namespace {

// The engine's two infinite times have no calendar text.
constexpr TimeUs kTimeInfinite = std::numeric_limits<TimeUs>::max();

Json time_json(TimeUs time) {
  if (time == kTimeInfinite) return "infinity";
  if (time == -kTimeInfinite) return "-infinity";
  return base::format_time(time);
}

// The number that a real column may hold, in one of the forms in which Json writes it.
std::optional<double> real_of(const Json& value) {
  if (value.is_number()) return value.as_double();
  if (value == Json("NaN")) return std::numeric_limits<double>::quiet_NaN();
  if (value == Json("Infinity")) return std::numeric_limits<double>::infinity();
  if (value == Json("-Infinity")) return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

// Clients whose tables turn whole numbers with gaps into fractions send 3.0 for 3; nothing is lost by taking
// it.
std::optional<std::int64_t> integer_of(const Json& value) {
  constexpr double kExactMax = 9007199254740992.0;  // 2^53
  if (value.is_int()) return value.as_int();
  if (!value.is_number()) return std::nullopt;
  double number = value.as_double();
  if (std::trunc(number) != number || std::abs(number) > kExactMax) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<TimeUs> time_of(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  if (value.as_string() == "infinity") return kTimeInfinite;
  if (value.as_string() == "-infinity") return -kTimeInfinite;
  Result<TimeUs> time = base::parse_time(value.as_string());
  return time ? std::optional<TimeUs>(*time) : std::nullopt;
}

}  // namespace

Json Batch::cell_json(int column, int row) const {
  if (is_null(column, row)) return nullptr;
  switch (schema().at(column).type) {
    case ColumnType::boolean:
      return boolean(column, row);
    case ColumnType::integer:
      return integer(column, row);
    case ColumnType::real:
      return real(column, row);
    case ColumnType::text:
      return text(column, row);
    case ColumnType::time:
      return time_json(time(column, row));
  }
  return nullptr;
}

Status Batch::set_cell_json(int column, int row, const Json& value) {
  const Column& wanted = schema().at(column);
  if (value.is_null()) {
    set_null(column, row);
    return {};
  }
  switch (wanted.type) {
    case ColumnType::boolean:
      if (value.is_bool()) return set_boolean(column, row, value.as_bool()), Status();
      break;
    case ColumnType::integer:
      if (auto number = integer_of(value)) return set_integer(column, row, *number), Status();
      break;
    case ColumnType::real:
      if (auto number = real_of(value)) return set_real(column, row, *number), Status();
      break;
    case ColumnType::text:
      if (value.is_string()) return set_text(column, row, value.as_string()), Status();
      break;
    case ColumnType::time:
      if (auto time = time_of(value)) return set_time(column, row, *time), Status();
      break;
  }
  constexpr std::size_t kShownMax = 80;
  std::string shown = value.dump();
  if (shown.size() > kShownMax) shown = shown.substr(0, kShownMax) + "…";
  return fail(ErrorCode::invalid,
              "column '" + wanted.name + "' wants " + std::string(type_name(wanted.type)) + ", not " + shown);
}

void copy_cell(const Batch& from, int from_column, int from_row, Batch& to, int to_column, int to_row) {
  if (from.is_null(from_column, from_row)) return to.set_null(to_column, to_row);
  switch (from.schema().at(from_column).type) {
    case ColumnType::boolean:
      return to.set_boolean(to_column, to_row, from.boolean(from_column, from_row));
    case ColumnType::integer:
      return to.set_integer(to_column, to_row, from.integer(from_column, from_row));
    case ColumnType::real:
      return to.set_real(to_column, to_row, from.real(from_column, from_row));
    case ColumnType::text:
      return to.set_text(to_column, to_row, from.text(from_column, from_row));
    case ColumnType::time:
      return to.set_time(to_column, to_row, from.time(from_column, from_row));
  }
}

}  // namespace trimtab::table
