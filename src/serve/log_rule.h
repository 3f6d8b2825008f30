// Which predictions are kept, and how much of each: what an owner declares under `log:`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trimtab::serve {

// Whether the prediction of this id belongs to a sample of this share. The same answer for the same id
// always.
bool is_sampled(std::string_view id, double share);
// A request as it is logged, with these columns alone.
std::string only_columns(const std::string& request_json, const std::vector<std::string>& columns);

}  // namespace trimtab::serve
