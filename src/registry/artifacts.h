// Files of runs, logged models and everything else that MLflow's artifact proxy keeps. A path is a key of one
// table that maps it to a blob; no path of a caller ever reaches the file system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/artifact_path.h"
#include "registry/model_facts.h"
#include "store/home.h"

namespace trimtab::registry {

struct ArtifactFile {
  std::string sha256;
  std::int64_t size = 0;
};

// What stands directly below a folder.
struct ArtifactEntry {
  std::string name;  // The last step of its path.
  bool is_folder = false;
  std::int64_t size = 0;  // Of a file.
};

// Thread-safe, as store::Database. The blob is in the folder already, so that a row never names what is not
// there. The same key again replaces. Errors: invalid (a root, a folder, a file where a folder is needed),
// forbidden (what Trimtab trained).
void put_artifact(store::Home& home, ArtifactPath key, ArtifactFile file, Written<bool> done);
// A file, or all below a folder; nothing is fine. Tells how many. The blobs stay until gc finds them unused.
void delete_artifacts(store::Home& home, ArtifactPath key, Written<std::int64_t> done);

// Errors: not_found ("No such artifact: '…'", or invalid for a folder), with `shown` as the path.
Result<ArtifactFile> find_artifact(store::Home& home, const ArtifactPath& key, const std::string& shown);
// By name; empty for an unknown folder, and for a file.
Result<std::vector<ArtifactEntry>> list_artifacts(store::Home& home, const ArtifactPath& folder);

}  // namespace trimtab::registry
