#include "api/mlflow/run_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json.h"

namespace trimtab::api {
namespace {

using base::append_json_string;

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"").append(name).append("\":");
  append_json_string(out, value);
}

void append_member(std::string& out, std::string_view name, std::int64_t value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(value));
}

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

// What stands between the key and the end of a point.
void append_values(std::string& out, const registry::MetricPoint& point) {
  out += ",\"value\":";
  // JSON has no infinity; MLflow keeps the largest double in its place.
  const bool is_infinite = std::isinf(point.value);
  base::append_json_double(
      out, is_infinite ? std::copysign(std::numeric_limits<double>::max(), point.value) : point.value);
  out += ",\"timestamp\":";
  append_number(out, point.timestamp_ms);
  out += ",\"step\":";
  append_number(out, point.step);
}

// "name":[…], and nothing at all for an empty list, as protobuf's JSON does. `is_first` is of the object.
template <class Items, class Append>
void append_list(std::string& out, std::string_view name, const Items& items, bool& is_first, Append append) {
  if (items.empty()) return;
  if (!is_first) out += ',';
  is_first = false;
  out.append("\"").append(name).append("\":[");
  for (const auto& item : items) {
    append(item);
    out += ',';
  }
  out.back() = ']';
}

void append_pair(std::string& out, const registry::KeyValue& pair) {
  out += "{\"key\":";
  append_json_string(out, pair.key);
  append_member(out, "value", pair.value);
  out += '}';
}

void append_dataset(std::string& out, const registry::DatasetInput& input) {
  out += '{';
  bool is_first = true;
  append_list(out, "tags", input.tags, is_first,
              [&](const registry::KeyValue& tag) { append_pair(out, tag); });
  out += is_first ? "\"dataset\":{\"name\":" : ",\"dataset\":{\"name\":";
  append_json_string(out, input.name);
  append_member(out, "digest", input.digest);
  append_member(out, "source_type", input.source_type);
  append_member(out, "source", input.source);
  if (!input.schema.empty()) append_member(out, "schema", input.schema);
  if (!input.profile.empty()) append_member(out, "profile", input.profile);
  out += "}}";
}

void append_data(std::string& out, const registry::RunFacts& run) {
  bool is_first = true;
  out += "\"data\":{";
  append_list(out, "metrics", run.metrics, is_first, [&](const registry::MetricPoint& point) {
    out += "{\"key\":";
    append_json_string(out, point.key);
    append_values(out, point);
    out += '}';
  });
  append_list(out, "params", run.params, is_first,
              [&](const registry::KeyValue& param) { append_pair(out, param); });
  append_list(out, "tags", run.tags, is_first, [&](const registry::KeyValue& tag) { append_pair(out, tag); });
  out += '}';
}

void append_links(std::string& out, std::string_view name, const std::vector<registry::ModelLink>& links,
                  bool with_step, bool& is_first) {
  append_list(out, name, links, is_first, [&](const registry::ModelLink& link) {
    out += "{\"model_id\":";
    append_json_string(out, link.model_id);
    if (with_step) append_member(out, "step", link.step);
    out += '}';
  });
}

}  // namespace

void append_history(std::string& out, std::span<const registry::MetricPoint> points,
                    const std::string& run_id) {
  if (points.empty()) return;
  // A history can be a million points long: what is the same in each is written once.
  std::string begin = "{\"key\":";
  append_json_string(begin, points.front().key);
  std::string end;
  if (!run_id.empty()) append_member(end, "run_id", run_id);
  end += "},";
  constexpr std::size_t kValuesLength = 72;
  out.reserve(out.size() + points.size() * (begin.size() + end.size() + kValuesLength));
  for (const registry::MetricPoint& point : points) {
    out += begin;
    append_values(out, point);
    out += end;
  }
}

void append_run_info(std::string& out, const registry::RunInfo& info) {
  out += "{\"run_uuid\":";
  append_json_string(out, info.id);
  append_member(out, "experiment_id", std::to_string(info.experiment_id));
  append_member(out, "run_name", info.name);
  append_member(out, "user_id", info.user_id);
  append_member(out, "status", registry::status_name(info.status));
  append_member(out, "start_time", info.start_ms);
  if (info.end_ms && *info.end_ms != 0) append_member(out, "end_time", *info.end_ms);
  append_member(out, "artifact_uri", info.artifact_uri);
  append_member(out, "lifecycle_stage", info.is_deleted ? "deleted" : "active");
  append_member(out, "run_id", info.id);
  out += '}';
}

void append_run(std::string& out, const registry::RunFacts& run, RunParts parts) {
  out += "{\"info\":";
  append_run_info(out, run.info);
  out += ',';
  append_data(out, run);
  out += ",\"inputs\":{";
  bool is_first = true;
  append_list(out, "dataset_inputs", run.dataset_inputs, is_first,
              [&](const registry::DatasetInput& input) { append_dataset(out, input); });
  if (parts.model_inputs) append_links(out, "model_inputs", run.model_inputs, false, is_first);
  out += '}';
  if (parts.outputs) {
    out += ",\"outputs\":{";
    is_first = true;
    append_links(out, "model_outputs", run.model_outputs, true, is_first);
    out += '}';
  }
  out += '}';
}

}  // namespace trimtab::api
