// Brings a table up to date part by part: each new part of the source is cleaned, checked and profiled once.
// A part's result depends only on that part and on those parts of the joined tables that its rows can reach.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "clean/recipe_steps.h"
#include "flow/executor.h"
#include "flow/source_refresh.h"
#include "profile/column_state.h"
#include "project/project.h"
#include "store/home.h"
#include "table/snapshot.h"

namespace trimtab::flow {

struct PreparedTable {
  table::Snapshot source;  // The rows as they came.
  table::Snapshot kept;    // Cleaned and checked, a part for each of the source; quarantined rows left out.
  std::map<std::string, table::Snapshot> joined;  // Source name → its snapshot.
  clean::CompiledRecipe recipe;
  Json checks = Json::array();      // Results of all checks, those of rows summed over the parts.
  std::vector<std::string> states;  // Blob of each part's column state, in order of the parts.
  std::int64_t quarantined = 0;
  bool pending = false;             // Dry run, with steps still to do.
  std::vector<TaskResult> cleaned;  // Of each part of the source, between `clean` and `check`.

  // What could not be read of the source and of the joined ones, a line for each file; files that were set
  // aside are not among the parts.
  std::vector<std::string> left_rows;
  std::int64_t unreadable = 0;  // Rows of the source, of those that are known.
};

// Belongs to one thread.
class TableRefresh {
 public:
  TableRefresh(const project::Project& project, store::Home& home, table::Engine& engine, Executor& executor,
               SourceRefresh& sources, const base::Clock& clock);

  // The recipe over today's schemas. Errors: all diagnostics at once.
  Result<clean::CompiledRecipe> compile(const project::Table& table, ProgressListener& listener);
  // The passes, in this order. Each asks for the steps it needs; finished ones cost nothing.
  // Files and arrived rows of the source and of the joined sources become parts.
  Status enter(const project::Table& table, TimeUs as_of, PreparedTable& prepared,
               ProgressListener& listener);
  // The recipe's row steps and joins.
  Status clean(const project::Table& table, PreparedTable& prepared, ProgressListener& listener);
  // Row checks. Errors: check_failed from one with on_fail: fail.
  Status check(const project::Table& table, PreparedTable& prepared, ProgressListener& listener);
  // The state of each column of each part; makes the kept snapshot the current one.
  Status profile(PreparedTable& prepared, ProgressListener& listener);
  // unique, fresh and rows: needed by whoever consumes the whole table. Adds to `prepared.checks`.
  // Errors: check_failed.
  Status check_whole(const project::Table& table, TimeUs as_of, PreparedTable& prepared,
                     ProgressListener& listener);

 private:
  Result<std::vector<Task>> clean_tasks(const project::Table& table, const PreparedTable& prepared);

  const project::Project& project_;
  store::Home& home_;
  table::Engine& engine_;
  Executor& executor_;
  SourceRefresh& sources_;
  const base::Clock& clock_;
};

// The steps that make the states of a snapshot's columns, a step for each part.
std::vector<Task> profile_tasks(const table::Snapshot& snapshot);
// Those parts of a joined source that rows between `time_min` and `time_max` can reach; all parts when the
// join has no time, or the row's times are not known.
std::vector<table::Part> reachable_parts(const table::Snapshot& joined, const table::LookupSpec& lookup,
                                         std::optional<TimeUs> time_min, std::optional<TimeUs> time_max);

}  // namespace trimtab::flow
