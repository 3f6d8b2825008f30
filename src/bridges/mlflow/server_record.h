// What a running MLflow server holds, by its REST API. Logged models that were deleted there are not told by
// it.
#pragma once

#include <memory>

#include "bridges/mlflow/foreign_record.h"
#include "bridges/mlflow/mlflow_server.h"

namespace trimtab::bridges {

std::unique_ptr<ForeignRecord> make_server_record(MlflowServer server);

}  // namespace trimtab::bridges
