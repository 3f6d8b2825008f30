// All runs of a home in memory: what search, get-run and the latest values are answered from. Holds what the
// database has committed and nothing else; knows no SQL and no lock.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "registry/metric_batch.h"
#include "registry/run_facts.h"
#include "registry/run_orders.h"
#include "registry/string_pool.h"
#include "registry/value_column.h"

namespace trimtab::registry {

// A row of the table run.
struct RunRow {
  std::int64_t number = 0;
  RunInfo info;
};

// Two texts of the pool.
struct TextPair {
  std::uint32_t key = 0;
  std::uint32_t value = 0;
};

// Points that are journaled and not sealed yet, of all metrics of one run, in the order they came.
struct MetricTail {
  std::vector<MetricCell> points;       // Keys are texts of the pool.
  std::vector<std::int64_t> sequences;  // Their rows in the journal.
  TimeUs last_us = 0;                   // When the last of them came.
};

// Datasets and models of a run; most runs have none.
struct RunLinks {
  std::vector<std::shared_ptr<const DatasetInput>> datasets;
  std::vector<ModelLink> model_inputs;
  std::vector<ModelLink> model_outputs;
};

struct HeldRun {
  static constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::min();

  std::string_view id;  // In the pool; empty: the run has been removed, and only its place is left.
  std::int64_t number = 0;
  std::int64_t experiment_id = 0;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = kNoEnd;
  std::uint32_t name = 0;
  std::uint32_t user_id = 0;
  RunStatus status = RunStatus::running;
  bool is_deleted = false;
  bool has_blocks = false;
  bool is_tailed = false;  // Whether tailed() lists it.
  // By key as text: the order of MLflow's replies.
  std::vector<MetricCell> latest;
  std::vector<TextPair> params;
  std::vector<TextPair> tags;
  std::unique_ptr<RunLinks> links;
  std::unique_ptr<MetricTail> tail;
};

// What every search looks at in every run, packed.
struct ScanRow {
  std::int64_t experiment_id = 0;
  std::int64_t start_ms = 0;
  bool is_deleted = false;
};

// Runs are found by a place: 0, 1, 2, … in the order in which they were added. Many may read, or one may
// write.
class RunColumns {
 public:
  // The place of the run; nothing when there is none.
  std::optional<std::uint32_t> find(std::string_view run_id) const;
  std::optional<std::uint32_t> find_number(std::int64_t number) const;
  std::uint32_t size() const { return static_cast<std::uint32_t>(runs_.size()); }
  std::int64_t greatest_number() const { return greatest_number_; }
  const HeldRun& run(std::uint32_t place) const { return runs_[place]; }
  const ScanRow& scan_row(std::uint32_t place) const { return scan_rows_[place]; }
  const StringPool& texts() const { return texts_; }
  // Null: no run has ever logged that metric.
  const ValueColumn* column(std::uint32_t key) const;
  // What searches remember of the runs; every change below is noted there.
  RunOrders& orders() const { return orders_; }

  std::uint32_t add(const RunRow& row);
  // Nobody finds the run any longer. Its place stays, empty: places that others hold mean the same.
  void remove(std::uint32_t place);
  void set_location(std::int64_t experiment_id, std::string location);
  void set_status(std::uint32_t place, RunStatus status);
  void set_end(std::uint32_t place, std::int64_t end_ms);
  void set_name(std::uint32_t place, std::string_view name);
  void set_deleted(std::uint32_t place, bool deleted) {
    runs_[place].is_deleted = scan_rows_[place].is_deleted = deleted;
  }
  void set_param(std::uint32_t place, std::string_view key, std::string_view value);
  void set_tag(std::uint32_t place, std::string_view key, std::string_view value);
  void delete_tag(std::uint32_t place, std::string_view key);
  RunLinks& links(std::uint32_t place);
  // Takes the points into the latest values. The keys of `batch` are its own.
  void add_points(std::uint32_t place, const MetricBatch& batch);
  // The same, and keeps the points in the run's tail as row `sequence` of the journal.
  void add_journaled(std::uint32_t place, const MetricBatch& batch, std::int64_t sequence, TimeUs now);
  // Forgets the first `points` points and `sequences` rows of the tail: they are sealed.
  void drop_sealed(std::uint32_t place, std::size_t points, std::size_t sequences);
  void set_has_blocks(std::uint32_t place) { runs_[place].has_blocks = true; }
  const std::vector<std::uint32_t>& tailed() const { return tailed_; }  // May have a tail; each once.
  void forget_empty_tails();

  std::string artifact_uri(const HeldRun& run) const;
  RunInfo info(const HeldRun& run) const;
  RunFacts facts(std::uint32_t place) const;
  // {"run":{"info":…,"data":…,"inputs":…,"outputs":…}} as MLflow's runs/get writes it, without blanks.
  std::string json(std::uint32_t place) const;

 private:
  void set_pair(std::vector<TextPair>& pairs, std::string_view key, std::string_view value);
  // The place of `key` in a list that is ordered by the text of its keys.
  template <class Item>
  auto lower(std::vector<Item>& items, std::string_view key);
  void take_latest(std::uint32_t place, const MetricCell& cell);

  StringPool texts_;
  std::deque<HeldRun> runs_;
  std::vector<ScanRow> scan_rows_;
  std::unordered_map<std::string_view, std::uint32_t> places_;
  std::vector<std::uint32_t> places_by_number_;  // Place + 1; 0: none.
  std::int64_t greatest_number_ = 0;
  std::map<std::int64_t, std::string> locations_;
  std::unordered_map<std::uint32_t, ValueColumn> columns_;
  std::vector<std::uint32_t> tailed_;
  mutable RunOrders orders_;
};

}  // namespace trimtab::registry
