// Metric points on their way: what one request logs, as values and as the bytes of one journal row. The same
// bytes keep the latest point of each metric of a run (metric_summary).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/run_facts.h"

namespace trimtab::registry {

// A point whose metric is a number: an index into the keys of its batch, or an id of the book's strings.
struct MetricCell {
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  std::uint32_t key = 0;
};

// The same observation, bit for bit apart from NaN: every NaN is one value.
bool same_point(const MetricCell& a, const MetricCell& b);
// MLflow's order of a history: (timestamp, step, value), NaN before the numbers.
bool earlier_in_history(const MetricCell& a, const MetricCell& b);
// Whether `a` is later than `b` as MLflow says it: greater in (step, timestamp, value).
bool is_later(const MetricCell& a, const MetricCell& b);
// As MLflow keeps values: infinities are the largest finite double of their sign.
double kept_value(double value);

struct MetricBatch {
  std::vector<std::string> keys;   // Each once.
  std::vector<MetricCell> points;  // `key` is an index into `keys`; in the order of the request.
};

MetricBatch make_batch(const std::vector<MetricPoint>& points);

// Never empty. Reads back to the same batch.
std::string encode_batch(const MetricBatch& batch);
// Takes what encode_batch wrote, or the JSON text of a migration. Errors: storage_broken (the bytes are
// neither).
Result<MetricBatch> decode_batch(std::string_view bytes);

}  // namespace trimtab::registry
