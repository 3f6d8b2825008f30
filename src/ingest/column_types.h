// Names and types of a source's columns, found by reading its files.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::ingest {

// The type of a column is the narrowest that holds every value of every file. Errors: invalid with file and
// line, when a file's header differs from that of the first file, or a row is broken.
Result<table::Schema> find_column_types(table::Engine& engine,
                                        const std::vector<std::filesystem::path>& paths,
                                        const std::set<std::string, std::less<>>& nulls);

}  // namespace trimtab::ingest
