// Artifact files that belong to nothing in the record: clients may put a file anywhere below the artifacts,
// also for a run that never was, and a deleted trace leaves its files. gc frees them, fsck --full names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "registry/artifact_path.h"
#include "store/home.h"

namespace trimtab::registry {

struct OrphanFiles {
  std::vector<std::string> places;  // "run/<id>: a/b.txt", "foo/x"; all of them, in order.
  std::uint64_t bytes = 0;          // As the artifacts count them; a blob may have several names.
};

// Those that were put at least `age_us` ago of the system's time. A file belongs to a run, a logged model, a
// version or a trace that is in the record, deleted or not; or it stands where an experiment keeps its
// artifacts, or where a version or a data set of a run says that it came from.
Result<OrphanFiles> find_orphan_files(store::Home& home, TimeUs age_us);

// Removes their names, each if it is an orphan still. With an audit row. Errors: storage_full,
// storage_broken.
Result<OrphanFiles> remove_orphan_files(store::Home& home, const base::Clock& clock, TimeUs age_us,
                                        const std::string& actor);

}  // namespace trimtab::registry
