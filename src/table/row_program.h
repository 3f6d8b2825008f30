// A recipe bound once and executed by the same engine code on a training file's thousands of rows and on the
// one row of a request: training and serving cannot differ, because there is nothing that could.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/batch.h"
#include "table/engine.h"
#include "table/expression.h"
#include "table/lookup.h"
#include "table/schema.h"

namespace trimtab::table {

// Adds columns, or replaces those of the same name; the others pass. All see the row as it was before the
// stage.
struct DeriveStage {
  std::vector<NamedExpression> columns;
  bool operator==(const DeriveStage&) const = default;
};
// Keeps these columns, in this order.
struct SelectStage {
  std::vector<std::string> columns;
  bool operator==(const SelectStage&) const = default;
};
// Adds the joined table's selected columns. A column that the incoming row already has wins (online callers
// may send what they know).
struct LookupStage {
  LookupSpec lookup;
  bool operator==(const LookupStage&) const = default;
};
// Drops the rows for which the condition is not true. Batch only: a program made for serving refuses it.
struct FilterStage {
  NamedExpression condition;
  bool operator==(const FilterStage&) const = default;
};
using Stage = std::variant<DeriveStage, SelectStage, LookupStage, FilterStage>;

Json stages_to_json(const std::vector<Stage>& stages);
Result<std::vector<Stage>> stages_from_json(const Json& json);

// The columns of `input` that `wanted` (columns after the last stage) really depends on, in input order.
// Errors: invalid (a stage that does not bind).
Result<std::vector<std::string>> columns_needed(Engine& engine, const Schema& input,
                                                const std::vector<Stage>& stages,
                                                const std::vector<std::string>& wanted,
                                                const std::string& time_zone);

// The stages without what `wanted` does not need: expressions, lookups and columns that nobody reads.
Result<std::vector<Stage>> prune_stages(Engine& engine, const Schema& input, const std::vector<Stage>& stages,
                                        const std::vector<std::string>& wanted, const std::string& time_zone);

using LookupTables =
    std::map<std::string, std::shared_ptr<const LookupIndex>>;  // By LookupStage position: "0", …

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
  // Runs on 0..2048 rows. The result belongs to the program and holds until the next run. A row whose
  // expression fails (a cast, an overflow) fails the run: errors: invalid naming the column and the reason.
  Result<const Batch*> run(const Batch& rows);

 private:
  struct State;
  explicit RowProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trimtab::table
