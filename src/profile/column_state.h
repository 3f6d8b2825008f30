// What is known of a column, in a form that merges: windows are merges of minutes, a table is the merge of
// its parts. The same state serves profile, checks, drift and "what changed".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "profile/quantile_sketch.h"
#include "table/batch.h"
#include "table/operation.h"
#include "table/schema.h"

namespace trimtab::profile {

// Exact: counts, nulls, zeros, infinities, min, max, moments (Welford; merged by Chan et al. 1979), text
// lengths, counts on the baseline's edges. Approximate: heavy hitters (Misra-Gries, 64 counters), distinct
// count (HyperLogLog, 2^10 registers, standard error 3 %), quantiles (DDSketch, within 1 %).
struct ColumnState {
  table::ColumnType type = table::ColumnType::real;
  std::int64_t rows = 0, nulls = 0, zeros = 0, infinities = 0, not_a_number = 0;
  double mean = 0, sum_of_squares = 0;  // Of finite numbers; booleans as 0/1, times as seconds.
  std::int64_t finite = 0;
  std::optional<double> min, max;
  std::int64_t length_min = 0, length_max = 0, length_sum = 0;  // Of texts, in bytes.
  std::map<std::string, std::int64_t> heavy;  // Texts (numbers: as text) → at least so often.
  std::int64_t heavy_error = 0;               // A count may be too low by this much.
  std::vector<std::uint8_t> distinct_registers;
  QuantileSketch quantiles;        // Of finite numbers; of times 1 % would be months.
  std::vector<double> edges;       // Rising inner edges of the histogram; empty: none.
  std::vector<std::int64_t> bins;  // edges + 1

  void add(const table::Batch& rows, int column);
  // Errors: invalid (other type or edges).
  Status merge(const ColumnState& other);
  double standard_deviation() const;
  std::int64_t distinct() const;
  Json to_json() const;
  static Result<ColumnState> from_json(const Json& json);
};

struct TableState {
  std::int64_t rows = 0;
  std::map<std::string, ColumnState> columns;
  Status merge(const TableState& other);
  Json to_json() const;
  static Result<TableState> from_json(const Json& json);
};

// Operation "profile": input "part". Writes "state.json" (TableState). Result: {"rows"}.
Json profile_params(const table::Schema& schema);
Result<Json> profile_part(const table::OperationRun& run);

// What a person should look at: constant, mostly null, high cardinality, skewed, infinite; one line each.
std::vector<std::string> alerts(const TableState& state);

}  // namespace trimtab::profile
