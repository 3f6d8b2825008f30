// The artifacts of an MLflow server, where they lie as files: the folder that its --artifacts-destination
// names, or mlruns/. Nothing outside of that folder is ever read, whatever a record says.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "bridges/mlflow/foreign_record.h"

namespace trimtab::bridges {

class ArtifactFolder {
 public:
  // "": there is none; every location is then refused. Errors: not_found (no such folder).
  static Result<ArtifactFolder> open(const std::filesystem::path& root);

  // Errors: unsupported (a location that is not below the folder). A location without files is fine.
  Result<std::vector<ForeignFile>> files(const std::string& location) const;
  Status fetch(const std::string& location, const std::string& path, const std::filesystem::path& to) const;

 private:
  explicit ArtifactFolder(std::filesystem::path root) : root_(std::move(root)) {}
  Result<std::filesystem::path> place_of(const std::string& location) const;

  std::filesystem::path root_;  // Without symbolic links; empty: there is none.
};

}  // namespace trimtab::bridges
