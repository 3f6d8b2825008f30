// A recipe as values: the stages that a row passes on its way to a model, written down as JSON, and asked
// what they depend on.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
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
// Adds the joined table's selected columns. A value that the incoming row already has wins (online callers
// may send what they know); where it is null, the joined one enters.
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

// Equal stages make equal texts, wherever their expressions stood.
Json stages_to_json(const std::vector<Stage>& stages);
Result<std::vector<Stage>> stages_from_json(const Json& json);

// The columns of `input` that `wanted` (columns after the last stage) really depends on, in input order.
// Errors: invalid (a stage that does not bind; the types of joined columns are not known here, so of what
// depends on them only the names are checked).
Result<std::vector<std::string>> columns_needed(Engine& engine, const Schema& input,
                                                const std::vector<Stage>& stages,
                                                const std::vector<std::string>& wanted,
                                                const std::string& time_zone);

// The stages without what `wanted` does not need: expressions, lookups and columns that nobody reads.
Result<std::vector<Stage>> prune_stages(Engine& engine, const Schema& input, const std::vector<Stage>& stages,
                                        const std::vector<std::string>& wanted, const std::string& time_zone);

}  // namespace trimtab::table
