// The names by which a prediction request may call its cells: all that its readers know of a model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "table/schema.h"

namespace trimtab::serve {

inline constexpr const char* kIdColumn = "prediction_id";

struct CellMending;

// What a request may hold: the columns that the recipe needs, and others that are known but ignored or
// optional.
struct RequestColumns {
  table::Schema required;            // Filled into the batch, in this order.
  std::vector<std::string> ignored;  // Known to the source, not needed.
  table::Schema optional;            // Joined columns: who sends one overrides the join.
  std::string key;                   // By whose values rows keep to a version; "": none is asked for.
  std::shared_ptr<const CellMending> mending;  // Null: what cannot be read is refused.

  std::vector<std::string> names() const;
};

}  // namespace trimtab::serve
