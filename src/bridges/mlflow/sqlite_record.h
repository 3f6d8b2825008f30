// The SQLite file behind an MLflow server (`--backend-store-uri sqlite:///mlflow.db`), read and never
// written.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"
#include "bridges/mlflow/artifact_folder.h"
#include "bridges/mlflow/foreign_record.h"

namespace trimtab::bridges {

// Errors: not_found, invalid (no SQLite file, none of MLflow's), unsupported (another schema than that of
// MLflow 3.17: says what to do).
Result<std::unique_ptr<ForeignRecord>> open_sqlite_record(const std::filesystem::path& file,
                                                          ArtifactFolder artifacts);

}  // namespace trimtab::bridges
