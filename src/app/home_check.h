// Everything that fsck checks in a home, for the verb and for whoever has just made a home from a backup.
#pragma once

#include "base/result.h"
#include "store/fsck.h"
#include "store/home.h"

namespace trimtab::app {

// Problems of the home are in the report; an error is one that kept us from looking.
Result<store::FsckReport> check_home(store::Home& home, bool full);

}  // namespace trimtab::app
