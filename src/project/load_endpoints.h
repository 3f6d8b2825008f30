// The section `endpoints` of the project file.
#pragma once

#include "base/yaml.h"
#include "project/draft.h"

namespace trimtab::project {

void load_endpoint(const base::YamlNode::Entry& entry, Draft& draft);

}  // namespace trimtab::project
