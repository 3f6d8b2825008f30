// What must hold between the rows of the record, for fsck: the rules that no constraint of the database can
// hold.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/home.h"

namespace trimtab::registry {

// One champion at most and the one that the history names, aliases that mirror it and point at READY versions
// whose files are there, serving versions that passed their gates, every version with its run, lineage and
// audit row; metric points that can be read and belong to runs. Adds one sentence a problem. Reads only; what
// a blob holds is verified by store::check_store.
Status check_record(store::Home& home, std::vector<std::string>& problems);

}  // namespace trimtab::registry
