// The checks of single rows, made on one part: each becomes a condition that a row program evaluates, all of
// them in one pass. A row fails a check when its condition is false; where it is null nothing can be said,
// and the row passes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "table/expression.h"
#include "table/operation.h"
#include "table/schema.h"

namespace trimtab::check {

// The check as an expression over the schema.
std::string row_condition(const project::Check& check, const table::Schema& schema);
// True when a column of this type can hold the value.
bool fits(table::ColumnType type, const Json& value);

struct RowCheck {
  std::string text;  // For people: "between(distance, 17, 5000)".
  std::string condition;
  double mostly = 1;
  std::string on_fail;  // "fail", "quarantine" or "warn"
};

struct RowCheckSpec {
  table::Schema schema;
  std::vector<RowCheck> checks;
  std::string time_zone;
  std::string time;  // The column of the rows' times, or "".

  static Result<RowCheckSpec> from_json(const Json& params);
};

struct RowFindings {
  std::int64_t rows = 0;
  Json checks = Json::array();                  // As in the operation's result.
  std::map<std::int64_t, std::string> refused;  // Row → the checks that it broke, of those that quarantine.
};
Result<RowFindings> find_failing_rows(const table::OperationRun& run, const RowCheckSpec& spec);

// Writes "kept.parquet" and, when rows were refused, "quarantine.parquet". Returns the operation's result.
Result<Json> write_checked_part(const table::OperationRun& run, const RowCheckSpec& spec,
                                const RowFindings& findings);

}  // namespace trimtab::check
