#include "registry/run_columns.h"

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace trimtab::registry {
namespace {

std::vector<KeyValue> pairs_of(const StringPool& texts, const std::vector<TextPair>& held) {
  std::vector<KeyValue> pairs;
  pairs.reserve(held.size());
  for (const TextPair& pair : held) {
    pairs.push_back({std::string(texts.text(pair.key)), std::string(texts.text(pair.value))});
  }
  return pairs;
}

}  // namespace

std::optional<std::uint32_t> RunColumns::find(std::string_view run_id) const {
  const auto found = places_.find(run_id);
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::uint32_t> RunColumns::find_number(std::int64_t number) const {
  if (number < 0 || static_cast<std::size_t>(number) >= places_by_number_.size()) return std::nullopt;
  const std::uint32_t held = places_by_number_[static_cast<std::size_t>(number)];
  return held == 0 ? std::nullopt : std::optional(held - 1);
}

const ValueColumn* RunColumns::column(std::uint32_t key) const {
  const auto found = columns_.find(key);
  return found == columns_.end() ? nullptr : &found->second;
}

std::uint32_t RunColumns::add(const RunRow& row) {
  CHECK(row.number > 0 && !find_number(row.number));
  const std::uint32_t place = size();
  HeldRun& run = runs_.emplace_back();
  run.id = texts_.text(texts_.intern(row.info.id));
  run.number = row.number;
  run.experiment_id = row.info.experiment_id;
  run.start_ms = row.info.start_ms;
  run.end_ms = row.info.end_ms.value_or(HeldRun::kNoEnd);
  run.name = texts_.intern(row.info.name);
  run.user_id = texts_.intern(row.info.user_id);
  run.status = row.info.status;
  run.is_deleted = row.info.is_deleted;
  scan_rows_.push_back({run.experiment_id, run.start_ms, run.is_deleted});
  places_.emplace(run.id, place);
  const auto number = static_cast<std::size_t>(row.number);
  if (number >= places_by_number_.size()) places_by_number_.resize(number + 1);
  places_by_number_[number] = place + 1;
  greatest_number_ = std::max(greatest_number_, row.number);
  orders_.note_run(place);
  return place;
}

void RunColumns::remove(std::uint32_t place) {
  HeldRun& run = runs_[place];
  places_.erase(run.id);
  places_by_number_[static_cast<std::size_t>(run.number)] = 0;
  const bool is_tailed = run.is_tailed;
  run = HeldRun();
  run.is_tailed = is_tailed;
  run.is_deleted = true;
  // No search asks for runs of no experiment.
  run.experiment_id = HeldRun::kNoEnd;
  scan_rows_[place] = {run.experiment_id, 0, true};
  orders_.note_run(place);
}

void RunColumns::set_location(std::int64_t experiment_id, std::string location) {
  locations_[experiment_id] = std::move(location);
}

void RunColumns::set_status(std::uint32_t place, RunStatus status) {
  runs_[place].status = status;
  orders_.note(FilterField::text_attribute, "status", place);
}

void RunColumns::set_end(std::uint32_t place, std::int64_t end_ms) {
  runs_[place].end_ms = end_ms;
  orders_.note(FilterField::number_attribute, "end_time", place);
}

void RunColumns::set_name(std::uint32_t place, std::string_view name) {
  runs_[place].name = texts_.intern(name);
  orders_.note(FilterField::text_attribute, "run_name", place);
}

template <class Item>
auto RunColumns::lower(std::vector<Item>& items, std::string_view key) {
  // What is loaded comes in order.
  if (items.empty() || texts_.text(items.back().key) < key) return items.end();
  return std::lower_bound(items.begin(), items.end(), key, [this](const Item& item, std::string_view wanted) {
    return texts_.text(item.key) < wanted;
  });
}

void RunColumns::set_pair(std::vector<TextPair>& pairs, std::string_view key, std::string_view value) {
  const TextPair pair{texts_.intern(key), texts_.intern(value)};
  const auto at = lower(pairs, key);
  if (at != pairs.end() && at->key == pair.key) {
    at->value = pair.value;
  } else {
    pairs.insert(at, pair);
  }
}

void RunColumns::set_param(std::uint32_t place, std::string_view key, std::string_view value) {
  set_pair(runs_[place].params, key, value);
  orders_.note(FilterField::param, key, place);
}

void RunColumns::set_tag(std::uint32_t place, std::string_view key, std::string_view value) {
  set_pair(runs_[place].tags, key, value);
  orders_.note(FilterField::tag, key, place);
}

void RunColumns::delete_tag(std::uint32_t place, std::string_view key) {
  std::vector<TextPair>& tags = runs_[place].tags;
  const auto at = lower(tags, key);
  if (at == tags.end() || texts_.text(at->key) != key) return;
  tags.erase(at);
  orders_.note(FilterField::tag, key, place);
}

RunLinks& RunColumns::links(std::uint32_t place) {
  std::unique_ptr<RunLinks>& links = runs_[place].links;
  if (!links) links = std::make_unique<RunLinks>();
  return *links;
}

void RunColumns::take_latest(std::uint32_t place, const MetricCell& cell) {
  std::vector<MetricCell>& latest = runs_[place].latest;
  const auto at = lower(latest, texts_.text(cell.key));
  if (at == latest.end() || at->key != cell.key) {
    latest.insert(at, cell);
  } else if (is_later(cell, *at)) {
    *at = cell;
  } else {
    return;
  }
  columns_[cell.key].set(place, cell.value);
  orders_.note(FilterField::metric, texts_.text(cell.key), place);
}

void RunColumns::add_points(std::uint32_t place, const MetricBatch& batch) {
  // Only the latest point of each key of the batch can become the run's.
  std::vector<const MetricCell*> last(batch.keys.size(), nullptr);
  for (const MetricCell& cell : batch.points) {
    const MetricCell*& held = last[cell.key];
    if (held == nullptr || is_later(cell, *held)) held = &cell;
  }
  for (std::size_t key = 0; key < last.size(); ++key) {
    if (last[key] == nullptr) continue;
    MetricCell cell = *last[key];
    cell.key = texts_.intern(batch.keys[key]);
    take_latest(place, cell);
  }
}

void RunColumns::add_journaled(std::uint32_t place, const MetricBatch& batch, std::int64_t sequence,
                               TimeUs now) {
  add_points(place, batch);
  HeldRun& run = runs_[place];
  if (!run.tail) run.tail = std::make_unique<MetricTail>();
  if (!std::exchange(run.is_tailed, true)) tailed_.push_back(place);
  std::vector<std::uint32_t> ids;
  ids.reserve(batch.keys.size());
  for (const std::string& key : batch.keys) ids.push_back(texts_.intern(key));
  for (MetricCell cell : batch.points) {
    cell.key = ids[cell.key];
    run.tail->points.push_back(cell);
  }
  run.tail->sequences.push_back(sequence);
  run.tail->last_us = now;
}

void RunColumns::drop_sealed(std::uint32_t place, std::size_t points, std::size_t sequences) {
  std::unique_ptr<MetricTail>& tail = runs_[place].tail;
  CHECK(tail && points <= tail->points.size() && sequences <= tail->sequences.size());
  if (points == tail->points.size() && sequences == tail->sequences.size()) {
    tail.reset();
    return;
  }
  tail->points.erase(tail->points.begin(), tail->points.begin() + static_cast<std::ptrdiff_t>(points));
  tail->sequences.erase(tail->sequences.begin(),
                        tail->sequences.begin() + static_cast<std::ptrdiff_t>(sequences));
}

void RunColumns::forget_empty_tails() {
  std::erase_if(tailed_, [this](std::uint32_t place) {
    if (runs_[place].tail == nullptr) runs_[place].is_tailed = false;
    return runs_[place].tail == nullptr;
  });
}

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

}  // namespace trimtab::registry
