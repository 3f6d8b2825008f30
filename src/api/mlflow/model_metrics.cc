#include "api/mlflow/model_metrics.h"

#include <utility>

namespace trimtab::api {

Result<std::vector<registry::LoggedModelMetric>> read_model_metrics(std::span<const MlflowParameters> metrics,
                                                                    const std::string& run_id) {
  std::vector<registry::LoggedModelMetric> of_models;
  for (const MlflowParameters& parameters : metrics) {
    registry::LoggedModelMetric metric;
    metric.model_id = TRY(parameters.find_text("model_id")).value_or("");
    if (metric.model_id.empty()) continue;
    metric.point.key = TRY(parameters.text("key"));
    metric.point.value = TRY(parameters.number("value"));
    metric.point.timestamp_ms = TRY(parameters.integer("timestamp"));
    metric.point.step = TRY(parameters.find_integer("step")).value_or(0);
    metric.run_id = run_id;
    metric.dataset_name = TRY(parameters.find_text("dataset_name")).value_or("");
    metric.dataset_digest = TRY(parameters.find_text("dataset_digest")).value_or("");
    of_models.push_back(std::move(metric));
  }
  return of_models;
}

registry::RunBook::Done send_with_models(RecordRooms& rooms, std::vector<registry::LoggedModelMetric> metrics,
                                         http::ReplyPromise promise) {
  return [&rooms, metrics = std::move(metrics), promise](const Status& status) mutable {
    if (!status || metrics.empty()) return promise.send(mlflow_reply(status));
    // Only now: what the run refused is not the model's either.
    registry::log_logged_model_metrics(
        rooms.home, std::move(metrics), [promise](const Result<bool>& done) mutable {
          promise.send(done ? mlflow_reply(Status()) : mlflow_error(done.error()));
        });
  };
}

}  // namespace trimtab::api
