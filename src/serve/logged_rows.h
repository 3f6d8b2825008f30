// Rows as the log keeps them, scored again.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "serve/lookups.h"
#include "table/batch.h"
#include "table/engine.h"

namespace trimtab::serve {

// Row `row` of `rows` from its log form; what is not there, or is of another type, is null.
void fill_logged_row(table::Batch& rows, int row, const std::string& request_json);

// What a version would have said to these rows, whether it runs or not, joins as of now. Errors: those of
// Lookups::for_recipe and Scorer.
Result<std::vector<double>> score_logged_rows(table::Engine& engine, Lookups& lookups,
                                              std::shared_ptr<const model::Artifact> artifact,
                                              std::span<const std::string> rows);

}  // namespace trimtab::serve
