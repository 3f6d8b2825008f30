#include "registry/metric_batch.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <tuple>
#include <unordered_map>

#include "base/json.h"
#include "registry/packed_bytes.h"

namespace trimtab::registry {
namespace {

constexpr char kVersion = 1;

// Numbers the keys of a batch in the order in which they appear.
class KeyNumbers {
 public:
  explicit KeyNumbers(std::vector<std::string>& keys) : keys_(keys) {}

  std::uint32_t number(std::string_view key) {
    // Points of one metric often follow each other.
    if (!keys_.empty() && keys_[last_] == key) return last_;
    const auto found = numbers_.find(std::string(key));
    if (found != numbers_.end()) return last_ = found->second;
    last_ = static_cast<std::uint32_t>(keys_.size());
    keys_.emplace_back(key);
    numbers_.emplace(key, last_);
    return last_;
  }

 private:
  std::vector<std::string>& keys_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::uint32_t last_ = 0;
};

Error broken() {
  return Error{ErrorCode::storage_broken, "a row of metric points cannot be read",
               "restore meta.db from a backup; `trimtab fsck` says what is damaged", std::nullopt, nullptr};
}

Result<MetricBatch> decode_packed(std::string_view bytes) {
  PackedReader reader(bytes.substr(1));
  MetricBatch batch;
  const std::uint64_t keys = reader.packed();
  if (keys > reader.left()) return fail(broken());
  for (std::uint64_t i = 0; i < keys; ++i) batch.keys.emplace_back(reader.text(reader.packed()));
  const std::uint64_t points = reader.packed();
  if (points > reader.left()) return fail(broken());
  batch.points.resize(points);
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  for (MetricCell& cell : batch.points) {
    const std::uint64_t key = reader.packed();
    if (key >= keys) return fail(broken());
    cell.key = static_cast<std::uint32_t>(key);
    cell.timestamp_ms = timestamp_ms = wrapping_sum(timestamp_ms, from_zigzag(reader.packed()));
    cell.step = step = wrapping_sum(step, from_zigzag(reader.packed()));
    cell.value = std::bit_cast<double>(reader.raw());
  }
  if (!reader.at_end()) return fail(broken());
  return batch;
}

// [[key, timestamp, step, "value"], …], as migrations/0002_runs.sql writes the metrics of older homes.
Result<MetricBatch> decode_json(std::string_view text) {
  const Json rows = TRY(base::parse_json(text));
  MetricBatch batch;
  KeyNumbers numbers(batch.keys);
  if (!rows.is_array()) return fail(broken());
  for (const Json& row : rows.as_array()) {
    if (!row.is_array() || row.as_array().size() != 4) return fail(broken());
    const Json::Array& cells = row.as_array();
    if (!cells[0].is_string() || !cells[1].is_int() || !cells[2].is_int() || !cells[3].is_string()) {
      return fail(broken());
    }
    const std::string& value = cells[3].as_string();
    double number = std::numeric_limits<double>::quiet_NaN();
    if (value != "NaN") {
      const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (code != std::errc() || end != value.data() + value.size()) return fail(broken());
    }
    batch.points.push_back(
        {kept_value(number), cells[1].as_int(), cells[2].as_int(), numbers.number(cells[0].as_string())});
  }
  return batch;
}

// Orders doubles as MLflow's database does, where NaN is kept as 0 beside a mark; here it stands first.
bool is_less(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
  return a < b;
}

}  // namespace

bool same_point(const MetricCell& a, const MetricCell& b) {
  return a.key == b.key && a.timestamp_ms == b.timestamp_ms && a.step == b.step &&
         (a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
}

bool earlier_in_history(const MetricCell& a, const MetricCell& b) {
  if (a.timestamp_ms != b.timestamp_ms) return a.timestamp_ms < b.timestamp_ms;
  if (a.step != b.step) return a.step < b.step;
  return is_less(a.value, b.value);
}

bool is_later(const MetricCell& a, const MetricCell& b) {
  if (a.step != b.step) return a.step > b.step;
  if (a.timestamp_ms != b.timestamp_ms) return a.timestamp_ms > b.timestamp_ms;
  return is_less(b.value, a.value);
}

double kept_value(double value) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  if (std::isnan(value)) return std::numeric_limits<double>::quiet_NaN();
  return std::fmax(-kLargest, std::fmin(kLargest, value));
}

MetricBatch make_batch(const std::vector<MetricPoint>& points) {
  MetricBatch batch;
  batch.points.reserve(points.size());
  KeyNumbers numbers(batch.keys);
  for (const MetricPoint& point : points) {
    batch.points.push_back(
        {kept_value(point.value), point.timestamp_ms, point.step, numbers.number(point.key)});
  }
  return batch;
}

std::string encode_batch(const MetricBatch& batch) {
  std::string out(1, kVersion);
  out.reserve(16 + 16 * batch.points.size());
  append_packed(out, batch.keys.size());
  for (const std::string& key : batch.keys) {
    append_packed(out, key.size());
    out += key;
  }
  append_packed(out, batch.points.size());
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  for (const MetricCell& cell : batch.points) {
    append_packed(out, cell.key);
    append_packed(out, to_zigzag(wrapping_difference(cell.timestamp_ms, timestamp_ms)));
    append_packed(out, to_zigzag(wrapping_difference(cell.step, step)));
    append_raw(out, std::bit_cast<std::uint64_t>(cell.value));
    timestamp_ms = cell.timestamp_ms;
    step = cell.step;
  }
  return out;
}

Result<MetricBatch> decode_batch(std::string_view bytes) {
  if (!bytes.empty() && bytes.front() == kVersion) return decode_packed(bytes);
  if (!bytes.empty() && bytes.front() == '[') return decode_json(bytes);
  return fail(broken());
}

}  // namespace trimtab::registry
