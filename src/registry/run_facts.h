// What the record knows of a run, in MLflow's terms, free of JSON and of the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trimtab::registry {

enum class RunStatus : std::uint8_t { running, scheduled, finished, failed, killed };
// "RUNNING", "SCHEDULED", …, and back; nothing for any other word.
std::string_view status_name(RunStatus status);
std::optional<RunStatus> find_status(std::string_view name);

struct KeyValue {
  std::string key;
  std::string value;
  bool operator==(const KeyValue&) const = default;
};

// One observation of a metric. Its identity is all of it: the same point again changes nothing. NaN is kept
// as NaN; infinities are kept as the largest finite double of their sign, as MLflow does.
struct MetricPoint {
  std::string key;
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
};

// A dataset that a run read.
struct DatasetInput {
  std::string name, digest, source_type, source, schema, profile;
  std::vector<KeyValue> tags;
};

// A logged model that a run read or made.
struct ModelLink {
  std::string model_id;
  std::int64_t step = 0;  // Of an output.
};

struct RunInfo {
  std::string id;  // 32 hexadecimal digits.
  std::int64_t experiment_id = 0;
  std::string name;
  std::string user_id;
  RunStatus status = RunStatus::running;
  bool is_deleted = false;
  std::int64_t start_ms = 0;
  std::optional<std::int64_t> end_ms;
  std::string artifact_uri;  // The experiment's artifact location, "/", the id, "/artifacts".
};

struct RunFacts {
  RunInfo info;
  std::vector<MetricPoint> metrics;  // The latest of each key: greatest (step, timestamp, value). By key.
  std::vector<KeyValue> params;      // By key.
  std::vector<KeyValue> tags;        // By key.
  std::vector<DatasetInput> dataset_inputs;
  std::vector<ModelLink> model_inputs;
  std::vector<ModelLink> model_outputs;
};

// What one request adds to a run.
struct RunBatch {
  std::vector<MetricPoint> metrics;
  std::vector<KeyValue> params;
  std::vector<KeyValue> tags;
  // The request was log-metric, log-parameter or set-tag: MLflow's messages then name no place in a list.
  bool is_single = false;
};

}  // namespace trimtab::registry
