// The rows of a prediction request, read from the JSON dialects that clients speak and checked against the
// columns that the model knows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/batch.h"
#include "table/schema.h"

namespace trimtab::serve {

// What a request may hold: the columns that the recipe needs, and others that are known but ignored or
// optional.
struct RequestColumns {
  table::Schema required;            // Filled into the batch, in this order.
  std::vector<std::string> ignored;  // Known to the source, not needed.
  table::Schema optional;            // Joined columns: who sends one overrides the join.

  std::vector<std::string> names() const;
};

struct RequestRows {
  table::Batch rows;                            // Columns: required, then those optional ones that were sent.
  std::vector<std::optional<std::string>> ids;  // From the column prediction_id.
};

inline constexpr const char* kIdColumn = "prediction_id";

// Bodies: {"dataframe_split":{"columns","data"}}, {"dataframe_records":[{…}]}, {"instances":[{…}]},
// {"inputs":{column:[…]}}. Errors: malformed (no dialect), invalid (unknown field, missing column, wrong
// type; row and column named), too_large (more than 2,048 rows).
Result<RequestRows> read_request(const Json& body, const RequestColumns& columns);

}  // namespace trimtab::serve
