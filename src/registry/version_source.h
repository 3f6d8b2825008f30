// Where the files of a new version are, and whether its maker may say so. A source is a door: MLflow's had to
// be shut five times (traversal in local, http and artifact URIs, in encodings, behind tags), each time
// because a text was compared. So here nothing that names this machine's files is accepted at all, and a
// source inside of our own artifacts must be the given run's or logged model's own.
#pragma once

#include <string>
#include <string_view>

#include "registry/model_versions.h"
#include "store/connection.h"

namespace trimtab::registry {

struct VersionSource {
  std::string source;    // To be kept: an alias or stage in it has become a version.
  std::string location;  // Where the files are.
  std::optional<std::string> run_id;
  std::optional<std::string> model_id;
};

// Reads the record to follow "models:/…". Errors: invalid, not_found; MLflow's words.
Result<VersionSource> resolve_source(store::Connection& connection, const NewModelVersion& version);

// Refuses "..", NUL and whatever resolves to another path, through any number of percent encodings.
Status check_source_path(std::string_view source);

}  // namespace trimtab::registry
