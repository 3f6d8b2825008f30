// The steps under `clean` of a table.
#pragma once

#include <vector>

#include "base/yaml.h"
#include "project/draft.h"

namespace trimtab::project {

std::vector<CleanStep> load_steps(const base::YamlNode& list, Draft& draft);

}  // namespace trimtab::project
