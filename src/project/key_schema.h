// The table of keys as JSON Schema, for editors and for people who write project files with programs.
#pragma once

#include "base/json.h"
#include "project/key_table.h"

namespace trimtab::project {

// Of a mapping with these keys.
Json schema_of(const KeyTable& table);

}  // namespace trimtab::project
