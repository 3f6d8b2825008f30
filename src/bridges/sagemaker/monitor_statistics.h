// `statistics.json` of SageMaker Model Monitor: what was known of each column of a dataset. Read, so that its
// users need not start from nothing, and written, so that they may leave again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/batch.h"
#include "table/schema.h"

namespace trimtab::bridges {

// A column. inferred_type: Fractional, Integral, String, Unknown.
struct MonitoredColumn {
  struct Bucket {
    double low = 0, high = 0, count = 0;
  };

  std::string name;
  std::string inferred_type = "Unknown";
  std::int64_t present = 0, missing = 0;
  std::optional<double> mean, sum, deviation, min, max;      // Of numbers.
  std::vector<Bucket> buckets;                               // Of numbers: ten of equal width.
  std::optional<std::int64_t> distinct;                      // Of texts.
  std::vector<std::pair<std::string, std::int64_t>> values;  // Of texts, the most frequent first.

  bool is_text() const { return inferred_type == "String"; }
};

struct MonitorStatistics {
  std::int64_t rows = 0;
  std::vector<MonitoredColumn> columns;

  const MonitoredColumn* find(const std::string& name) const;
  Json to_json() const;
  // Errors: invalid (no such file: says what is missing).
  static Result<MonitorStatistics> from_json(const Json& json);
};

// Counts rows of a schema in two passes: `first` sees all of them, then `second` does. Times and truths count
// as texts, as the monitor has it. For one thread.
class StatisticsMaker {
 public:
  static constexpr int kBuckets = 10;
  static constexpr std::size_t kValuesMax = 10'000;  // Different texts of a column that are told apart.

  explicit StatisticsMaker(const table::Schema& schema);
  void first(const table::Batch& rows);
  void second(const table::Batch& rows);
  MonitorStatistics finish();

 private:
  struct Column {
    MonitoredColumn out;
    bool is_number = false;
    double squares = 0;
    std::unordered_map<std::string, std::int64_t> values;
  };

  std::vector<Column> columns_;
  std::int64_t rows_ = 0;
};

}  // namespace trimtab::bridges
