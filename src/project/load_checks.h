// The checks of a table.
#pragma once

#include <vector>

#include "base/diagnostics.h"
#include "base/yaml.h"
#include "project/project.h"

namespace trimtab::project {

std::vector<Check> load_checks(const base::YamlNode& list, base::Diagnostics& diagnostics);

}  // namespace trimtab::project
