// What can be wrong with a model's features, target and label time before a row is read. The worst of it is a
// leak: a feature that knows what only the future knows.
#pragma once

#include <string>

#include "base/result.h"
#include "project/project.h"
#include "table/engine.h"
#include "table/schema.h"

namespace trimtab::features {

// Checks features and target against the schema, all diagnostics at once with places: unknown column, refused
// expression, a feature of type time (hint: hour(…), epoch(…)), a feature that uses the target or a column
// that only the target's expression and label_time read, duplicate names.
Status validate(table::Engine& engine, const project::Model& model, const table::Schema& table,
                const std::string& time_zone);

}  // namespace trimtab::features
