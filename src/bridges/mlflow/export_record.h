// `trimtab export mlflow`: what this home's record holds becomes a running MLflow server's. Runs, logged
// models and versions get new ids there; which became which is kept in the home, and each carries its old id
// as the tag "trimtab.exported_from", so that an export that was interrupted is run again and makes nothing
// twice.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "bridges/mlflow/mlflow_server.h"
#include "bridges/mlflow/transfer_report.h"
#include "registry/run_book.h"
#include "store/home.h"

namespace trimtab::bridges {

inline constexpr const char* kExportedFromTag = "trimtab.exported_from";

// `say` hears now and then how far it is. Errors: what the server says, storage_full, storage_broken.
Result<TransferReport> export_record(store::Home& home, const base::Clock& clock, registry::RunBook& runs,
                                     MlflowServer& server,
                                     const std::function<void(const std::string&)>& say);

}  // namespace trimtab::bridges
