// What a report on columns (watch/column_report.h) says, as text for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"

namespace trimtab::app {

using TableLine = std::vector<std::string>;

std::string number_text(const char* format, double value);
std::string percent_text(double share);
// Columns side by side; those from `first_number` to before `end_number` to the right.
std::string drift_table(const std::vector<TableLine>& lines, std::size_t first_number,
                        std::size_t end_number);
// Every column with its verdict, and what came in that the reference did not know.
std::string columns_text(const Json& report);
// What the rows themselves say (heal/row_view.h); "" of null.
std::string rows_text(const Json& row_by_row);

}  // namespace trimtab::app
