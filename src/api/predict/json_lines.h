// Bodies of one JSON value a line, rewritten as the JSON that endpoints read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/request_rows.h"

namespace trimtab::api {

// Lines are objects, or lists of the required columns' values in the order of GET …/schema, which may stand
// in {"features":[…]}; all lines are of one kind. Blank lines are passed over. Errors: malformed (line
// named).
Result<std::string> json_lines_as_json(std::string_view text, const serve::RequestColumns& columns);

// {"dataframe_split":{"columns":[the required ones],"data":[ — to which rows and "]}}" are to be added.
std::string begin_unnamed_rows(const serve::RequestColumns& columns);

}  // namespace trimtab::api
