#include "profile/column_state.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "profile/distinct_count.h"
#include "profile/heavy_hitters.h"
#include "table/parquet.h"

namespace trimtab::profile {
namespace {

using table::Batch;
using table::ColumnType;

// A register holds at most 55, so one letter of the usual 64 does.
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The cell as a number; only of columns that are none of text.
double number_at(const Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case ColumnType::boolean:
      return rows.boolean(column, row) ? 1 : 0;
    case ColumnType::integer:
      return static_cast<double>(rows.integer(column, row));
    case ColumnType::real:
      return rows.real(column, row);
    case ColumnType::time:
      return static_cast<double>(rows.time(column, row)) / static_cast<double>(base::kSecondUs);
    case ColumnType::text:
      break;
  }
  CHECK(false);
  return 0;
}

// 64 bits that are the same for equal cells, also of the two zeros and the many NaNs.
std::uint64_t bits_at(const Batch& rows, int column, int row) {
  switch (rows.schema().at(column).type) {
    case ColumnType::boolean:
      return rows.boolean(column, row) ? 1 : 0;
    case ColumnType::integer:
      return static_cast<std::uint64_t>(rows.integer(column, row));
    case ColumnType::time:
      return static_cast<std::uint64_t>(rows.time(column, row));
    case ColumnType::real:
      break;
    case ColumnType::text:
      CHECK(false);
  }
  const double value = rows.real(column, row);
  if (std::isnan(value)) return std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN());
  return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
}

std::string text_at(const Batch& rows, int column, int row) {
  const Json cell = rows.cell_json(column, row);
  if (cell.is_number() && cell.as_double() == 0) return "0";
  return cell.is_string() ? cell.as_string() : cell.dump();
}

// The different values of one batch with their counts, in order of appearance: what follows is done once for
// each value, not for each row, and in an order that does not depend on a hash table.
template <class Key>
class BatchCounts {
 public:
  struct Entry {
    Key key;
    int row = 0;  // Of the first appearance.
    std::int64_t times = 0;
  };

  void add(const Key& key, int row) {
    const auto [found, is_new] = places_.emplace(key, entries_.size());
    if (is_new) entries_.push_back({key, row, 0});
    ++entries_[found->second].times;
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::unordered_map<Key, std::size_t> places_;
  std::vector<Entry> entries_;
};

std::string registers_to_text(const std::vector<std::uint8_t>& registers) {
  std::string text;
  for (const std::uint8_t value : registers) text += kLetters[value];
  return text;
}

Json counts_to_json(const std::map<std::string, std::int64_t>& counts) {
  Json object = Json::object();
  for (const auto& [value, count] : counts) object.set(value, count);
  return object;
}

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

tl::unexpected<Error> broken(const std::string& what) {
  return fail(ErrorCode::invalid, "a column's state is broken: " + what);
}

// A number in one of the forms in which Json writes it.
std::optional<double> read_number(const Json& json) {
  if (json.is_number()) return json.as_double();
  if (json == Json("Infinity")) return std::numeric_limits<double>::infinity();
  if (json == Json("-Infinity")) return -std::numeric_limits<double>::infinity();
  if (json == Json("NaN")) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

Result<std::vector<std::uint8_t>> read_registers(const std::string& text) {
  if (!text.empty() && text.size() != kRegisters) return broken("it has not all registers");
  std::vector<std::uint8_t> registers;
  for (const char letter : text) {
    const std::size_t value = kLetters.find(letter);
    if (value == std::string_view::npos) return broken("a register is no letter");
    registers.push_back(static_cast<std::uint8_t>(value));
  }
  return registers;
}

void add_number(ColumnState& state, double value) {
  if (std::isnan(value)) {
    ++state.not_a_number;
    return;
  }
  if (!state.edges.empty()) {
    const auto bin = std::upper_bound(state.edges.begin(), state.edges.end(), value) - state.edges.begin();
    ++state.bins[static_cast<std::size_t>(bin)];
  }
  if (std::isinf(value)) {
    ++state.infinities;
    return;
  }
  if (value == 0) ++state.zeros;
  ++state.finite;
  const double delta = value - state.mean;
  state.mean += delta / static_cast<double>(state.finite);
  state.sum_of_squares += delta * (value - state.mean);
  state.min = std::min(state.min.value_or(value), value);
  state.max = std::max(state.max.value_or(value), value);
}

void add_length(ColumnState& state, std::int64_t length) {
  const bool is_first = state.rows == state.nulls;
  state.length_min = is_first ? length : std::min(state.length_min, length);
  state.length_max = std::max(state.length_max, length);
  state.length_sum += length;
}

void add_texts(ColumnState& state, const Batch& rows, int column) {
  BatchCounts<std::string_view> counts;
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.is_null(column, row)) {
      ++state.nulls;
    } else {
      const std::string_view text = rows.text(column, row);
      add_length(state, static_cast<std::int64_t>(text.size()));
      counts.add(text, row);
    }
    ++state.rows;
  }
  for (const auto& entry : counts.entries()) {
    add_hash(state.distinct_registers, hash_text(entry.key));
    add_heavy(state.heavy, state.heavy_error, std::string(entry.key), entry.times);
  }
}

void add_numbers(ColumnState& state, const Batch& rows, int column) {
  BatchCounts<std::uint64_t> counts;
  const bool is_measured = state.type == ColumnType::integer || state.type == ColumnType::real;
  for (int row = 0; row < rows.rows(); ++row) {
    ++state.rows;
    if (rows.is_null(column, row)) {
      ++state.nulls;
      continue;
    }
    add_number(state, number_at(rows, column, row));
    counts.add(bits_at(rows, column, row), row);
  }
  for (const auto& entry : counts.entries()) {
    if (is_measured) {
      const double value = number_at(rows, column, entry.row);
      if (std::isfinite(value)) state.quantiles.add(value, entry.times);
    }
    add_hash(state.distinct_registers, hash_number(entry.key));
    add_heavy(state.heavy, state.heavy_error, text_at(rows, column, entry.row), entry.times);
  }
}

void merge_moments(ColumnState& state, const ColumnState& other) {
  if (other.finite == 0) return;
  const auto own = static_cast<double>(state.finite);
  const auto added = static_cast<double>(other.finite);
  const double delta = other.mean - state.mean;
  state.mean += delta * added / (own + added);
  state.sum_of_squares += other.sum_of_squares + delta * delta * own * added / (own + added);
  state.finite += other.finite;
  state.min = std::min(state.min.value_or(*other.min), *other.min);
  state.max = std::max(state.max.value_or(*other.max), *other.max);
}

void merge_lengths(ColumnState& state, const ColumnState& other) {
  if (other.rows == other.nulls) return;
  const bool is_first = state.rows == state.nulls;
  state.length_min = is_first ? other.length_min : std::min(state.length_min, other.length_min);
  state.length_max = std::max(state.length_max, other.length_max);
  state.length_sum += other.length_sum;
}

}  // namespace

void ColumnState::add(const Batch& batch, int column) {
  CHECK(batch.schema().at(column).type == type);
  if (!edges.empty()) bins.resize(edges.size() + 1);
  if (type == ColumnType::text) {
    add_texts(*this, batch, column);
  } else {
    add_numbers(*this, batch, column);
  }
}

Status ColumnState::merge(const ColumnState& other) {
  if (other.rows == 0) return {};
  if (rows == 0 && edges.empty()) {
    *this = other;
    return {};
  }
  if (type != other.type) {
    return fail(ErrorCode::invalid, "a column that is " + std::string(table::type_name(type)) +
                                        " cannot be merged with one that is " +
                                        std::string(table::type_name(other.type)));
  }
  if (edges != other.edges)
    return fail(ErrorCode::invalid, "columns counted on other edges cannot be merged");
  merge_lengths(*this, other);
  merge_moments(*this, other);
  rows += other.rows;
  nulls += other.nulls;
  zeros += other.zeros;
  infinities += other.infinities;
  not_a_number += other.not_a_number;
  merge_heavy(heavy, heavy_error, other.heavy, other.heavy_error);
  merge_registers(distinct_registers, other.distinct_registers);
  quantiles.merge(other.quantiles);
  if (!edges.empty()) bins.resize(edges.size() + 1);
  for (std::size_t i = 0; i < other.bins.size(); ++i) bins[i] += other.bins[i];
  return {};
}

double ColumnState::standard_deviation() const {
  return finite < 2 ? 0 : std::sqrt(sum_of_squares / static_cast<double>(finite - 1));
}

std::int64_t ColumnState::distinct() const {
  // Few values are all counted, which is exact.
  if (heavy_error == 0 && heavy.size() < kHeavyCounters) return static_cast<std::int64_t>(heavy.size());
  return estimate_distinct(distinct_registers);
}

Json ColumnState::to_json() const {
  Json json = Json::object({{"type", table::type_name(type)}, {"rows", rows}, {"nulls", nulls}});
  json.set("zeros", zeros).set("infinities", infinities).set("not_a_number", not_a_number);
  json.set("mean", mean).set("sum_of_squares", sum_of_squares).set("finite", finite);
  json.set("min", number_or_null(min)).set("max", number_or_null(max));
  json.set("length_min", length_min).set("length_max", length_max).set("length_sum", length_sum);
  json.set("heavy", counts_to_json(heavy)).set("heavy_error", heavy_error);
  json.set("distinct", registers_to_text(distinct_registers)).set("quantiles", quantiles.to_text());
  Json edge_list = Json::array();
  for (const double edge : edges) edge_list.push(edge);
  Json bin_list = Json::array();
  for (const std::int64_t bin : bins) bin_list.push(bin);
  return json.set("edges", std::move(edge_list)).set("bins", std::move(bin_list));
}

Result<ColumnState> ColumnState::from_json(const Json& json) {
  ColumnState state;
  const auto type = table::type_of_name(json.text_or("type"));
  if (!type) return broken("it has no type");
  state.type = *type;
  const std::pair<const char*, std::int64_t*> counts[] = {
      {"rows", &state.rows},
      {"nulls", &state.nulls},
      {"zeros", &state.zeros},
      {"infinities", &state.infinities},
      {"not_a_number", &state.not_a_number},
      {"finite", &state.finite},
      {"length_min", &state.length_min},
      {"length_max", &state.length_max},
      {"length_sum", &state.length_sum},
      {"heavy_error", &state.heavy_error},
  };
  for (const auto& [name, count] : counts) *count = json.int_or(name);
  state.mean = read_number(json["mean"]).value_or(0);
  state.sum_of_squares = read_number(json["sum_of_squares"]).value_or(0);
  state.min = read_number(json["min"]);
  state.max = read_number(json["max"]);
  if (state.finite > 0 && (!state.min || !state.max))
    return broken("it has numbers, but no least or greatest");
  if (!json["heavy"].is_object() || !json["edges"].is_array() || !json["bins"].is_array()) {
    return broken("'heavy', 'edges' or 'bins' is missing");
  }
  for (const auto& [value, count] : json["heavy"].as_object()) {
    if (!count.is_int()) return broken("a count is no whole number");
    state.heavy[value] = count.as_int();
  }
  state.distinct_registers = TRY(read_registers(json.text_or("distinct")));
  state.quantiles = TRY(QuantileSketch::from_text(json.text_or("quantiles")));
  for (const Json& edge : json["edges"].as_array()) state.edges.push_back(read_number(edge).value_or(0));
  for (const Json& bin : json["bins"].as_array()) state.bins.push_back(bin.is_int() ? bin.as_int() : 0);
  if (!state.bins.empty() && state.bins.size() != state.edges.size() + 1)
    return broken("bins and edges differ");
  return state;
}

Status TableState::merge(const TableState& other) {
  rows += other.rows;
  for (const auto& [name, column] : other.columns) {
    Status merged = columns[name].merge(column);
    if (!merged) return fail(base::wrap(std::move(merged).error(), "column '" + name + "'"));
  }
  return {};
}

Json TableState::to_json() const {
  Json list = Json::object();
  for (const auto& [name, column] : columns) list.set(name, column.to_json());
  return Json::object({{"rows", rows}, {"columns", std::move(list)}});
}

Result<TableState> TableState::from_json(const Json& json) {
  TableState state;
  state.rows = json.int_or("rows");
  if (!json["columns"].is_object()) return fail(ErrorCode::invalid, "a table's state has no columns");
  for (const auto& [name, column] : json["columns"].as_object()) {
    state.columns[name] = TRY(ColumnState::from_json(column));
  }
  return state;
}

Json profile_params(const table::Schema& schema) { return Json::object({{"schema", schema.to_json()}}); }

Result<Json> profile_part(const table::OperationRun& run) {
  const table::Schema schema = TRY(table::Schema::from_json(run.params["schema"]));
  std::vector<std::string> names;
  TableState state;
  for (const table::Column& column : schema.columns()) {
    // Columns of our own, like the row's number, are nobody's business.
    if (column.name.starts_with("__")) continue;
    names.push_back(column.name);
    state.columns[column.name].type = column.type;
  }
  std::vector<ColumnState*> states;
  for (const std::string& name : names) states.push_back(&state.columns[name]);
  const auto visit = [&](const Batch& rows) -> Status {
    for (std::size_t i = 0; i < states.size(); ++i) states[i]->add(rows, static_cast<int>(i));
    state.rows += rows.rows();
    if (!run.progress(state.rows, 0, "rows")) return fail(ErrorCode::cancelled, "stopped on request");
    return {};
  };
  TRY(table::read_parquet(run.engine, run.files("part"), names, visit));
  TRY(base::write_file_durably(run.output_folder / "state.json", state.to_json().dump()));
  return Json::object({{"rows", state.rows}});
}

}  // namespace trimtab::profile
