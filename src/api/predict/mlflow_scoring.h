// MLflow's scoring protocol, which SageMaker's containers share and Databricks speaks under another path.
#pragma once

#include "api/predict/inference.h"
#include "http/message.h"

namespace trimtab::api {

// Predicts as `mlflow models serve` does. Unknown columns are passed over; the refusal of a media type that
// is not known is plain text.
http::Reply mlflow_score(const Result<heal::Ward*>& ward, const http::Request& request);
// GET /ping and /health: an empty line; 404 while no version serves.
http::Reply mlflow_ping(const ServerRooms& rooms);

}  // namespace trimtab::api
