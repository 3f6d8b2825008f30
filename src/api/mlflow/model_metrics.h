// Metrics that a run logs with the id of a logged model: they are the model's, too.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"
#include "registry/logged_models.h"

namespace trimtab::api {

// Those of a request's metrics that name a model. Errors: invalid.
Result<std::vector<registry::LoggedModelMetric>> read_model_metrics(std::span<const MlflowParameters> metrics,
                                                                    const std::string& run_id);

// Answers when the run's metrics are durable, and the models' with them.
registry::RunBook::Done send_with_models(RecordRooms& rooms, std::vector<registry::LoggedModelMetric> metrics,
                                         http::ReplyPromise promise);

}  // namespace trimtab::api
