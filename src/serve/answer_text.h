// What the replies of all dialects to a prediction are made of.
#pragma once

#include <span>
#include <string>

namespace trimtab::serve {

void append_number(std::string& reply, double value);  // null when it is not finite.
// [0.25,null] and ["a","b"].
void append_scores(std::string& reply, std::span<const double> scores);
void append_ids(std::string& reply, std::span<const std::string> ids);

}  // namespace trimtab::serve
