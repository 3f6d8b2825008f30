// What RunColumns answers about one run: facts for the rooms above, JSON for the hottest route.
#include <string>
#include <utility>

#include "base/json.h"
#include "registry/run_columns.h"

namespace trimtab::registry {
namespace {

using base::append_json_double;
using base::append_json_string;

void append_pair(std::string& out, std::string_view key, std::string_view value) {
  out += R"({"key":)";
  append_json_string(out, key);
  out += R"(,"value":)";
  append_json_string(out, value);
  out += '}';
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(out, text);
}

// `[a,b]`, where `append` writes one item.
template <class Items, class Append>
void append_list(std::string& out, const Items& items, const Append& append) {
  out += '[';
  bool is_first = true;
  for (const auto& item : items) {
    if (!is_first) out += ',';
    is_first = false;
    append(item);
  }
  out += ']';
}

// A member whose list is left out when it is empty, as proto JSON leaves it out.
template <class Items, class Append>
void append_listed(std::string& out, std::string_view name, const Items& items, const Append& append) {
  if (items.empty()) return;
  if (out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_list(out, items, append);
}

void append_info(std::string& out, const RunInfo& info) {
  const std::string experiment = std::to_string(info.experiment_id);
  out += R"({"run_uuid":)";
  append_json_string(out, info.id);
  append_member(out, "experiment_id", experiment);
  append_member(out, "run_name", info.name);
  append_member(out, "user_id", info.user_id);
  append_member(out, "status", status_name(info.status));
  out += R"(,"start_time":)" + std::to_string(info.start_ms);
  if (info.end_ms.value_or(0) != 0) out += R"(,"end_time":)" + std::to_string(*info.end_ms);
  append_member(out, "artifact_uri", info.artifact_uri);
  append_member(out, "lifecycle_stage", info.is_deleted ? "deleted" : "active");
  append_member(out, "run_id", info.id);
  out += '}';
}

void append_dataset(std::string& out, const DatasetInput& input) {
  out += '{';
  append_listed(out, "tags", input.tags, [&](const KeyValue& tag) { append_pair(out, tag.key, tag.value); });
  out += out.back() == '{' ? R"("dataset":{"name":)" : R"(,"dataset":{"name":)";
  append_json_string(out, input.name);
  append_member(out, "digest", input.digest);
  append_member(out, "source_type", input.source_type);
  append_member(out, "source", input.source);
  if (!input.schema.empty()) append_member(out, "schema", input.schema);
  if (!input.profile.empty()) append_member(out, "profile", input.profile);
  out += "}}";
}

void append_links(std::string& out, const RunLinks& links) {
  out += R"(,"inputs":{)";
  append_listed(out, "dataset_inputs", links.datasets,
                [&](const auto& input) { append_dataset(out, *input); });
  append_listed(out, "model_inputs", links.model_inputs, [&](const ModelLink& link) {
    out += R"({"model_id":)";
    append_json_string(out, link.model_id);
    out += '}';
  });
  out += R"(},"outputs":{)";
  append_listed(out, "model_outputs", links.model_outputs, [&](const ModelLink& link) {
    out += R"({"model_id":)";
    append_json_string(out, link.model_id);
    out += R"(,"step":)" + std::to_string(link.step) + '}';
  });
  out += '}';
}

std::vector<KeyValue> pairs_of(const StringPool& texts, const std::vector<TextPair>& held) {
  std::vector<KeyValue> pairs;
  pairs.reserve(held.size());
  for (const TextPair& pair : held) {
    pairs.push_back({std::string(texts.text(pair.key)), std::string(texts.text(pair.value))});
  }
  return pairs;
}

}  // namespace

std::string RunColumns::artifact_uri(const HeldRun& run) const {
  const auto location = locations_.find(run.experiment_id);
  const std::string root = location == locations_.end()
                               ? "mlflow-artifacts:/" + std::to_string(run.experiment_id)
                               : location->second;
  return root + "/" + std::string(run.id) + "/artifacts";
}

RunInfo RunColumns::info(const HeldRun& run) const {
  RunInfo info;
  info.id = run.id;
  info.experiment_id = run.experiment_id;
  info.name = texts_.text(run.name);
  info.user_id = texts_.text(run.user_id);
  info.status = run.status;
  info.is_deleted = run.is_deleted;
  info.start_ms = run.start_ms;
  if (run.end_ms != HeldRun::kNoEnd) info.end_ms = run.end_ms;
  info.artifact_uri = artifact_uri(run);
  return info;
}

RunFacts RunColumns::facts(std::uint32_t place) const {
  const HeldRun& run = runs_[place];
  RunFacts facts;
  facts.info = info(run);
  facts.metrics.reserve(run.latest.size());
  for (const MetricCell& cell : run.latest) {
    facts.metrics.push_back({std::string(texts_.text(cell.key)), cell.value, cell.timestamp_ms, cell.step});
  }
  facts.params = pairs_of(texts_, run.params);
  facts.tags = pairs_of(texts_, run.tags);
  if (run.links) {
    for (const auto& input : run.links->datasets) facts.dataset_inputs.push_back(*input);
    facts.model_inputs = run.links->model_inputs;
    facts.model_outputs = run.links->model_outputs;
  }
  return facts;
}

std::string RunColumns::json(std::uint32_t place) const {
  const HeldRun& run = runs_[place];
  std::string out;
  out.reserve(512 + 96 * (run.latest.size() + run.params.size() + run.tags.size()));
  out += R"({"run":{"info":)";
  append_info(out, info(run));
  out += R"(,"data":{)";
  append_listed(out, "metrics", run.latest, [&](const MetricCell& cell) {
    out += R"({"key":)";
    append_json_string(out, texts_.text(cell.key));
    out += R"(,"value":)";
    append_json_double(out, cell.value);
    out += R"(,"timestamp":)" + std::to_string(cell.timestamp_ms);
    out += R"(,"step":)" + std::to_string(cell.step) + '}';
  });
  const auto append_text_pair = [&](const TextPair& pair) {
    append_pair(out, texts_.text(pair.key), texts_.text(pair.value));
  };
  append_listed(out, "params", run.params, append_text_pair);
  append_listed(out, "tags", run.tags, append_text_pair);
  out += '}';
  static const RunLinks kNone;
  append_links(out, run.links ? *run.links : kNone);
  out += "}}";
  return out;
}

}  // namespace trimtab::registry
