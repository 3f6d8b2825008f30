// The section `models` of the project file.
#pragma once

#include "base/yaml.h"
#include "project/draft.h"

namespace trimtab::project {

void load_model(const base::YamlNode::Entry& entry, Draft& draft);

}  // namespace trimtab::project
