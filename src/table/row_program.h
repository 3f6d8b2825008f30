// A recipe bound once and executed by the same engine code on a training file's thousands of rows and on the
// one row of a request: training and serving cannot differ, because there is nothing that could.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/lookup.h"
#include "table/schema.h"
#include "table/stages.h"

namespace trimtab::table {

// By the LookupStage's position among all stages: "0", …
using LookupTables = std::map<std::string, std::shared_ptr<const LookupIndex>>;

// Belongs to one thread (make one per thread); several may share an Engine and the lookup indexes.
class RowProgram {
 public:
  // `lookups` holds an index for each LookupStage, keyed by its position among the stages as text.
  // Errors: invalid with a place (expression), not_found (a lookup without an index).
  static Result<std::unique_ptr<RowProgram>> bind(Engine& engine, Schema input, std::vector<Stage> stages,
                                                  const LookupTables& lookups, const std::string& time_zone);
  ~RowProgram();

  const Schema& input() const;
  const Schema& output() const;
  // Runs on 0..2048 rows of input(). The result belongs to the program and holds until the next run; columns
  // that pass unchanged are shown and not copied, so `rows` must stay as it is until then, too. A row whose
  // expression fails (a cast, an overflow) fails the run: errors: invalid naming the column and the reason.
  Result<const Batch*> run(const Batch& rows);

 private:
  struct State;
  explicit RowProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::table
