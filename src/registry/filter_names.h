// What a name in a search may be: which entity it belongs to, which attributes there are, and what may be
// asked of each. The texts of refusals are MLflow's.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "registry/run_filter.h"

namespace trimtab::registry {

struct FilterName {
  FilterField field = FilterField::metric;
  std::string key;
};

// "metrics.`a b`", "start_time". An order takes fewer spellings than a filter. Errors: invalid.
Result<FilterName> read_name(std::string_view text, SearchSubject subject, bool is_order);
// `comparison` in upper case. Errors: invalid (not for this field, or none at all).
Result<FilterOperator> read_operator(const FilterName& name, std::string_view comparison);
// Whether an attribute may be compared with a list. Errors: invalid.
Status check_takes_list(const FilterName& name, SearchSubject subject);

}  // namespace trimtab::registry
