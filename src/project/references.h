// What can only be judged when the whole file has been read: names that other parts declare, circles of
// tables, and settings of one part that need something of another.
#pragma once

#include "project/draft.h"

namespace trimtab::project {

void check_references(Draft& draft);

}  // namespace trimtab::project
