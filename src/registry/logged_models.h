// Logged models: what a run made, before (or without) anybody registering it. MLflow 3 logs a model by making
// one of these, putting its files, and saying that it is ready.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_facts.h"

namespace trimtab::registry {

// MLflow's numbers.
enum class LoggedModelStatus : std::uint8_t { unspecified = 0, pending = 1, ready = 2, upload_failed = 3 };
// "LOGGED_MODEL_READY"
std::string_view status_name(LoggedModelStatus status);
// A number or a name; anything unknown is `unspecified`.
LoggedModelStatus read_logged_model_status(std::string_view text);

// A metric that was logged with the model's id, on a dataset or on none.
struct LoggedModelMetric {
  std::string model_id;
  MetricPoint point;
  std::string run_id;
  std::string dataset_name;
  std::string dataset_digest;
};

struct LoggedModel {
  std::string id;  // "m-" and 32 hexadecimal digits.
  std::int64_t experiment_id = 0;
  std::string name;
  std::string model_type;
  std::string source_run_id;
  std::string location;  // "mlflow-artifacts:/0/models/m-…/artifacts"
  LoggedModelStatus status = LoggedModelStatus::pending;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::vector<KeyValue> params, tags;  // By key.
  std::vector<LoggedModelMetric> metrics;
};

struct NewLoggedModel {
  std::int64_t experiment_id = 0;
  std::string experiment_location;  // Its artifact location: "mlflow-artifacts:/0".
  std::string name;                 // Empty: one is made from the id.
  std::string model_type;
  std::string source_run_id;
  std::vector<KeyValue> params, tags;
};

// Thread-safe, as store::Database. Errors of all that name a model: not_found ("Logged model with ID '…' not
// found.").
// Errors: invalid (the name).
void create_logged_model(const RegistryWriter& by, NewLoggedModel model, Written<LoggedModel> done);
void finalize_logged_model(const RegistryWriter& by, std::string id, LoggedModelStatus status,
                           Written<LoggedModel> done);
// Its files stay until gc; a deleted one is found only by who asks for deleted ones.
void delete_logged_model(const RegistryWriter& by, std::string id, Written<bool> done);
void set_logged_model_tags(const RegistryWriter& by, std::string id, std::vector<KeyValue> tags,
                           Written<bool> done);
// Errors: not_found (the tag as well).
void delete_logged_model_tag(const RegistryWriter& by, std::string id, std::string key, Written<bool> done);
// Errors: malformed (a key that has another value already).
void log_logged_model_params(const RegistryWriter& by, std::string id, std::vector<KeyValue> params,
                             Written<bool> done);
// Metrics that a run logged with a model's id; the same point again changes nothing. Unknown models are
// passed over: the run's own metric is logged all the same.
void log_logged_model_metrics(store::Home& home, std::vector<LoggedModelMetric> metrics, Written<bool> done);

Result<LoggedModel> find_logged_model(store::Home& home, const std::string& id, bool also_deleted = false);

struct LoggedModelOrder {
  std::string field;  // "name", "creation_timestamp", "metrics.auc", …
  bool is_ascending = true;
  std::string dataset_name, dataset_digest;  // Of a metric; "": any.
};
struct LoggedModelDataset {
  std::string name, digest;  // Digest "": any.
};
struct LoggedModelSearch {
  std::vector<std::int64_t> experiment_ids;
  std::string filter;  // "name = 'x' AND params.depth = '3' AND metrics.auc > 0.7"
  std::vector<LoggedModelDataset> datasets;
  std::vector<LoggedModelOrder> order_by;
  std::int64_t max_results = 100;
  std::int64_t offset = 0;
};
struct LoggedModelPage {
  std::vector<LoggedModel> models;
  bool has_more = false;
};
// Errors: invalid (filter, order), with MLflow's words.
Result<LoggedModelPage> search_logged_models(store::Home& home, const LoggedModelSearch& search);

}  // namespace trimtab::registry
