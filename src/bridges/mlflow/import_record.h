// `trimtab import mlflow`: another record's experiments, runs, models and files become this home's, under the
// ids that they had. Each thing is written whole or not at all, and what is there is passed over: an import
// that was interrupted is run again.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "bridges/mlflow/foreign_record.h"
#include "bridges/mlflow/transfer_report.h"
#include "store/home.h"

namespace trimtab::bridges {

// "/x/mlflow.db" or "sqlite:////x/mlflow.db", with the folder of its artifacts ("": files stay where they
// are); or "http://…", whose server gives the files out itself. Errors: as open_sqlite_record and
// MlflowServer::connect.
Result<std::unique_ptr<ForeignRecord>> open_record(const std::string& from, const std::string& artifacts);

// The home's book of runs must not be open. `say` hears now and then how far it is. Errors: what the record
// says, storage_full, storage_broken.
Result<TransferReport> import_record(store::Home& home, const base::Clock& clock, ForeignRecord& record,
                                     const std::string& from,
                                     const std::function<void(const std::string&)>& say);

}  // namespace trimtab::bridges
