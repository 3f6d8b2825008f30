// Keeps the joined tables that were loaded last: a worker cleans many parts that join the same table.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/result.h"
#include "table/engine.h"
#include "table/lookup.h"
#include "table/schema.h"

namespace trimtab::clean {

// The rows of `parts`, in that order, as an index. Parts are taken to be the same when their paths, sizes and
// times of change are. Thread-safe.
Result<std::shared_ptr<const table::LookupIndex>> load_lookup(
    table::Engine& engine, const table::LookupSpec& spec, const table::Schema& schema,
    const std::vector<std::filesystem::path>& parts);

}  // namespace trimtab::clean
