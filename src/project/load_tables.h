// The section `tables` of the project file.
#pragma once

#include "base/yaml.h"
#include "project/draft.h"

namespace trimtab::project {

void load_table(const base::YamlNode::Entry& entry, Draft& draft);

}  // namespace trimtab::project
