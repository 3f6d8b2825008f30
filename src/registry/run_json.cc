#include "registry/run_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "registry/run_columns.h"

namespace trimtab::registry {
namespace {

using base::append_json_string;

// The texts of what RunFacts holds, and of what RunColumns holds as numbers of a pool.
struct OwnTexts {
  static std::string_view key(const MetricPoint& point) { return point.key; }
  static std::string_view key(const KeyValue& pair) { return pair.key; }
  static std::string_view value(const KeyValue& pair) { return pair.value; }
};
struct PoolTexts {
  const StringPool& pool;
  std::string_view key(const MetricCell& cell) const { return pool.text(cell.key); }
  std::string_view key(const TextPair& pair) const { return pool.text(pair.key); }
  std::string_view value(const TextPair& pair) const { return pool.text(pair.value); }
};

const DatasetInput& dataset(const DatasetInput& input) { return input; }
const DatasetInput& dataset(const std::shared_ptr<const DatasetInput>& input) { return *input; }

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"").append(name).append("\":");
  append_json_string(out, value);
}

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_member(std::string& out, std::string_view name, std::int64_t value) {
  out.append(",\"").append(name).append("\":");
  append_number(out, value);
}

// What stands between the key and the end of a point: a MetricPoint or a MetricCell.
template <class Point>
void append_values(std::string& out, const Point& point) {
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

// "name":[…] as a member of the object that `out` ends in, and nothing at all for an empty list, as
// protobuf's JSON does.
template <class Items, class Append>
void append_list(std::string& out, std::string_view name, const Items& items, const Append& append) {
  if (items.empty()) return;
  if (out.back() != '{') out += ',';
  out.append("\"").append(name).append("\":[");
  for (const auto& item : items) {
    append(item);
    out += ',';
  }
  out.back() = ']';
}

template <class Pairs, class Texts>
void append_pairs(std::string& out, std::string_view name, const Pairs& pairs, const Texts& texts) {
  append_list(out, name, pairs, [&](const auto& pair) {
    out += "{\"key\":";
    append_json_string(out, texts.key(pair));
    append_member(out, "value", texts.value(pair));
    out += '}';
  });
}

void append_dataset(std::string& out, const DatasetInput& input) {
  out += '{';
  append_pairs(out, "tags", input.tags, OwnTexts());
  out += out.back() == '{' ? "\"dataset\":{\"name\":" : ",\"dataset\":{\"name\":";
  append_json_string(out, input.name);
  append_member(out, "digest", input.digest);
  append_member(out, "source_type", input.source_type);
  append_member(out, "source", input.source);
  if (!input.schema.empty()) append_member(out, "schema", input.schema);
  if (!input.profile.empty()) append_member(out, "profile", input.profile);
  out += "}}";
}

template <class Metrics, class Pairs, class Texts>
void append_data(std::string& out, const Metrics& metrics, const Pairs& params, const Pairs& tags,
                 const Texts& texts) {
  out += ",\"data\":{";
  append_list(out, "metrics", metrics, [&](const auto& point) {
    out += "{\"key\":";
    append_json_string(out, texts.key(point));
    append_values(out, point);
    out += '}';
  });
  append_pairs(out, "params", params, texts);
  append_pairs(out, "tags", tags, texts);
  out += '}';
}

void append_models(std::string& out, std::string_view name, const std::vector<ModelLink>& links,
                   bool with_step) {
  append_list(out, name, links, [&](const ModelLink& link) {
    out += "{\"model_id\":";
    append_json_string(out, link.model_id);
    if (with_step) append_member(out, "step", link.step);
    out += '}';
  });
}

template <class Datasets>
void append_links(std::string& out, const Datasets& datasets, const std::vector<ModelLink>& model_inputs,
                  const std::vector<ModelLink>& model_outputs, RunParts parts) {
  out += ",\"inputs\":{";
  append_list(out, "dataset_inputs", datasets,
              [&](const auto& input) { append_dataset(out, dataset(input)); });
  if (parts.model_inputs) append_models(out, "model_inputs", model_inputs, false);
  out += '}';
  if (!parts.outputs) return;
  out += ",\"outputs\":{";
  append_models(out, "model_outputs", model_outputs, true);
  out += '}';
}

}  // namespace

void append_run_info(std::string& out, const RunInfo& info) {
  out += "{\"run_uuid\":";
  append_json_string(out, info.id);
  append_member(out, "experiment_id", std::to_string(info.experiment_id));
  append_member(out, "run_name", info.name);
  append_member(out, "user_id", info.user_id);
  append_member(out, "status", status_name(info.status));
  append_member(out, "start_time", info.start_ms);
  if (info.end_ms && *info.end_ms != 0) append_member(out, "end_time", *info.end_ms);
  append_member(out, "artifact_uri", info.artifact_uri);
  append_member(out, "lifecycle_stage", info.is_deleted ? "deleted" : "active");
  append_member(out, "run_id", info.id);
  out += '}';
}

void append_run(std::string& out, const RunFacts& run, RunParts parts) {
  out += "{\"info\":";
  append_run_info(out, run.info);
  append_data(out, run.metrics, run.params, run.tags, OwnTexts());
  append_links(out, run.dataset_inputs, run.model_inputs, run.model_outputs, parts);
  out += '}';
}

std::string RunColumns::json(std::uint32_t place) const {
  static const RunLinks kNone;
  const HeldRun& run = runs_[place];
  const RunLinks& links = run.links ? *run.links : kNone;
  std::string out;
  out.reserve(512 + 96 * (run.latest.size() + run.params.size() + run.tags.size()));
  out += "{\"run\":{\"info\":";
  append_run_info(out, info(run));
  append_data(out, run.latest, run.params, run.tags, PoolTexts{texts_});
  append_links(out, links.datasets, links.model_inputs, links.model_outputs, RunParts());
  out += "}}";
  return out;
}

void append_history(std::string& out, std::span<const MetricPoint> points, const std::string& run_id) {
  if (points.empty()) return;
  // A history can be a million points long: what is the same in each is written once.
  std::string begin = "{\"key\":";
  append_json_string(begin, points.front().key);
  std::string end;
  if (!run_id.empty()) append_member(end, "run_id", run_id);
  end += "},";
  constexpr std::size_t kValuesLength = 72;
  out.reserve(out.size() + points.size() * (begin.size() + end.size() + kValuesLength));
  for (const MetricPoint& point : points) {
    out += begin;
    append_values(out, point);
    out += end;
  }
}

}  // namespace trimtab::registry
