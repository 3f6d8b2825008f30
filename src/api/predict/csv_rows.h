// CSV bodies of prediction requests, rewritten as the JSON that endpoints read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/request_columns.h"

namespace trimtab::api {

struct CsvReading {
  const serve::RequestColumns& columns;
  std::vector<std::string> nulls;  // Cells that mean that a value is not known, as in the source's files.
};

// RFC 4180: commas, quotes doubled within quotes, LF or CRLF; a byte order mark and blank lines are passed
// over. The first line is a header when one of its cells is the name of a column; without one the cells are
// the required columns, in the order of GET …/schema. Returns {"dataframe_split":{…}}. Cells that are no
// value of their column's type are left as texts, for the endpoint to refuse. Errors: malformed (a quote that
// does not end, a line with too many or too few cells; line named).
Result<std::string> csv_as_json(std::string_view csv, const CsvReading& reading);

}  // namespace trimtab::api
