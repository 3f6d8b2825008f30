// Rows of a request as texts: what is logged of each, and what its hash is made of.
#pragma once

#include <span>
#include <string>

#include "serve/deployment.h"
#include "serve/request_rows.h"
#include "table/batch.h"

namespace trimtab::serve {

// Appends the row as one compact object, in the order of the schema, without its nulls.
void append_request_json(std::string& out, const Shape& shape, const table::Batch& rows, int row);
// Cells of a row that were not what the column holds, and what was made of them.
std::span<const MendedCell> mended_of(const RequestRows& request, int row);
// The row as it was sent, cells that were mended included.
std::string json_as_sent(const Shape& shape, const RequestRows& request, int row);

}  // namespace trimtab::serve
