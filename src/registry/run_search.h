// Finds runs: a filter over the columns, 1,024 runs at a time, then the order and the page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "registry/run_book.h"
#include "registry/run_columns.h"
#include "registry/run_filter.h"

namespace trimtab::registry {

// A search whose texts were read: parse it before the lock, run it within.
struct ParsedSearch {
  Filter filter;
  std::vector<OrderTerm> order;
};

// Errors: invalid, as parse_filter and parse_order.
Result<ParsedSearch> parse_search(const RunSearch& search);
// The places of the runs of the page and one more, when there are more. Errors: deadline (it took more than
// two seconds, in which nothing could be written).
Result<std::vector<std::uint32_t>> find_places(const RunColumns& columns, const RunSearch& search,
                                               const ParsedSearch& parsed);

}  // namespace trimtab::registry
