// The owner's contract. Row checks run on each part: rows that break one leave into quarantine with their
// reasons. Table checks (unique, fresh, rows) look at the whole table and stop or warn.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "project/project.h"
#include "table/operation.h"
#include "table/snapshot.h"

namespace trimtab::check {

// Refuses checks that do not fit the schema, all at once with places.
// `schema` is that of the parts on which the checks run, `time` the column of the rows' times, or "".
Status validate(table::Engine& engine, const project::Table& table, const table::Schema& schema,
                const std::string& time_zone, const std::string& time);

// Operation "check": input "part" (cleaned). All row checks in one pass. Writes "kept.parquet" and, when rows
// were refused, "quarantine.parquet" (the row's columns plus "__reasons", text). Result:
// {"rows","kept","quarantined","schema","time_min","time_max",
//  "checks":[{"check","failed","verdict":"pass|warn|quarantine|fail","sample":[row objects, at most 5]}]}.
// A check with on_fail: fail that fails makes the step fail: errors: check_failed, naming check, count and a
// sample.
Json check_params(const project::Table& table, const table::Schema& schema, const std::string& time_zone,
                  const std::string& time);
Result<Json> check_part(const table::OperationRun& run);

// Operation "check_table": input "part" (all kept parts). unique checks. Result: {"checks":[…]} as above.
Json check_table_params(const project::Table& table);
Result<Json> check_table(const table::OperationRun& run);

// fresh and rows need only the snapshot and the clock. One result a check, in the shape of "checks" above.
Json check_snapshot(const project::Table& table, const table::Snapshot& snapshot, TimeUs now);

// Errors: check_failed for the first entry whose verdict is "fail", in the words a user needs.
Status demand_pass(const std::string& table, const Json& checks);

}  // namespace trimtab::check
