// MLflow's scoring protocol, which SageMaker's containers share and Databricks speaks under another path.
#pragma once

#include "api/predict/inference.h"
#include "http/message.h"

namespace trimtab::api {

// Predicts as `mlflow models serve` does. Unknown columns are passed over.
http::Reply mlflow_score(const Result<heal::Ward*>& ward, const http::Request& request);
// {"error_code","message"} with the code and status that MLflow gives, in the words by which its clients know
// a refusal. The reply of a media type that is not known is plain text.
http::Reply mlflow_scoring_refusal(const Error& error);
// GET /ping and /health: an empty line; 404 while no version serves.
http::Reply mlflow_ping(const ServerRooms& rooms);

}  // namespace trimtab::api
