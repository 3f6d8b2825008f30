#include "bridges/sagemaker/monitor_statistics.h"

#include <algorithm>
#include <cmath>

namespace trimtab::bridges {
namespace {

using table::ColumnType;

tl::unexpected<Error> no_statistics(const std::string& what) {
  return fail(ErrorCode::invalid, "this is no statistics.json of Model Monitor: " + what,
              "export it from the baseline job's output, or from its S3 prefix");
}

std::optional<double> number(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  return json.as_double();
}

Json common_json(const MonitoredColumn& column) {
  return Json::object({{"num_present", column.present}, {"num_missing", column.missing}});
}

Json buckets_json(const MonitoredColumn& column) {
  Json list = Json::array();
  for (const MonitoredColumn::Bucket& bucket : column.buckets) {
    Json json = Json::object({{"lower_bound", bucket.low}, {"upper_bound", bucket.high}});
    list.push(json.set("count", bucket.count));
  }
  return list;
}

Json numbers_json(const MonitoredColumn& column) {
  Json json = Json::object({{"common", common_json(column)}});
  const auto set = [&json](const char* name, const std::optional<double>& value) {
    if (value) json.set(name, *value);
  };
  set("mean", column.mean);
  set("sum", column.sum);
  set("std_dev", column.deviation);
  set("min", column.min);
  set("max", column.max);
  return json.set("distribution", Json::object({{"kll", Json::object({{"buckets", buckets_json(column)}})}}));
}

Json texts_json(const MonitoredColumn& column) {
  Json list = Json::array();
  for (const auto& [value, count] : column.values)
    list.push(Json::object({{"value", value}, {"count", count}}));
  Json json = Json::object({{"common", common_json(column)}});
  json.set("distinct_count", column.distinct.value_or(0));
  return json.set("distribution",
                  Json::object({{"categorical", Json::object({{"buckets", std::move(list)}})}}));
}

MonitoredColumn read_column(const Json& json) {
  MonitoredColumn column;
  column.name = json.text_or("name");
  column.inferred_type = json.text_or("inferred_type", "Unknown");
  const Json& body = json[column.is_text() ? "string_statistics" : "numerical_statistics"];
  column.present = body["common"].int_or("num_present");
  column.missing = body["common"].int_or("num_missing");
  column.mean = number(body["mean"]);
  column.sum = number(body["sum"]);
  column.deviation = number(body["std_dev"]);
  column.min = number(body["min"]);
  column.max = number(body["max"]);
  const Json& buckets = body["distribution"]["kll"]["buckets"];
  if (buckets.is_array()) {
    for (const Json& bucket : buckets.as_array())
      column.buckets.push_back(
          {bucket.double_or("lower_bound"), bucket.double_or("upper_bound"), bucket.double_or("count")});
  }
  if (body["distinct_count"].is_number())
    column.distinct = static_cast<std::int64_t>(body["distinct_count"].as_double());
  const Json& values = body["distribution"]["categorical"]["buckets"];
  if (values.is_array()) {
    for (const Json& value : values.as_array())
      column.values.emplace_back(value.text_or("value"), static_cast<std::int64_t>(value.double_or("count")));
  }
  return column;
}

double number_at(const table::Batch& rows, int column, int row) {
  if (rows.schema().at(column).type == ColumnType::integer)
    return static_cast<double>(rows.integer(column, row));
  return rows.real(column, row);
}

std::string text_at(const table::Batch& rows, int column, int row) {
  if (rows.schema().at(column).type == ColumnType::text) return std::string(rows.text(column, row));
  const Json cell = rows.cell_json(column, row);
  return cell.is_string() ? cell.as_string() : cell.dump();
}

}  // namespace

const MonitoredColumn* MonitorStatistics::find(const std::string& name) const {
  for (const MonitoredColumn& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

Json MonitorStatistics::to_json() const {
  Json features = Json::array();
  for (const MonitoredColumn& column : columns) {
    Json json = Json::object({{"name", column.name}, {"inferred_type", column.inferred_type}});
    json.set(column.is_text() ? "string_statistics" : "numerical_statistics",
             column.is_text() ? texts_json(column) : numbers_json(column));
    features.push(std::move(json));
  }
  Json json = Json::object({{"version", 0.0}, {"dataset", Json::object({{"item_count", rows}})}});
  return json.set("features", std::move(features));
}

Result<MonitorStatistics> MonitorStatistics::from_json(const Json& json) {
  if (!json["features"].is_array()) return no_statistics("'features' is missing");
  MonitorStatistics statistics;
  statistics.rows = static_cast<std::int64_t>(json["dataset"].double_or("item_count"));
  for (const Json& feature : json["features"].as_array()) {
    if (feature.text_or("name").empty()) return no_statistics("a feature has no name");
    statistics.columns.push_back(read_column(feature));
  }
  return statistics;
}

StatisticsMaker::StatisticsMaker(const table::Schema& schema) {
  for (const table::Column& column : schema.columns()) {
    Column made;
    made.out.name = column.name;
    made.is_number = column.type == ColumnType::integer || column.type == ColumnType::real;
    made.out.inferred_type = column.type == ColumnType::integer ? "Integral"
                             : column.type == ColumnType::real  ? "Fractional"
                                                                : "String";
    columns_.push_back(std::move(made));
  }
}

void StatisticsMaker::first(const table::Batch& rows) {
  rows_ += rows.rows();
  for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
    Column& column = columns_[static_cast<std::size_t>(i)];
    MonitoredColumn& out = column.out;
    for (int row = 0; row < rows.rows(); ++row) {
      const bool is_missing =
          rows.is_null(i, row) || (column.is_number && !std::isfinite(number_at(rows, i, row)));
      ++(is_missing ? out.missing : out.present);
      if (is_missing) continue;
      if (!column.is_number) {
        const std::string text = text_at(rows, i, row);
        if (column.values.size() < kValuesMax || column.values.contains(text)) ++column.values[text];
        continue;
      }
      const double value = number_at(rows, i, row);
      const double mean = out.mean.value_or(0);
      const double delta = value - mean;
      out.mean = mean + delta / static_cast<double>(out.present);
      column.squares += delta * (value - *out.mean);
      out.sum = out.sum.value_or(0) + value;
      out.min = std::min(out.min.value_or(value), value);
      out.max = std::max(out.max.value_or(value), value);
    }
  }
}

void StatisticsMaker::second(const table::Batch& rows) {
  for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
    Column& column = columns_[static_cast<std::size_t>(i)];
    MonitoredColumn& out = column.out;
    if (!column.is_number || !out.min) continue;
    const double width = (*out.max - *out.min) / kBuckets;
    if (out.buckets.empty()) {
      for (int bucket = 0; bucket < kBuckets; ++bucket)
        out.buckets.push_back({*out.min + bucket * width, *out.min + (bucket + 1) * width, 0});
    }
    for (int row = 0; row < rows.rows(); ++row) {
      if (rows.is_null(i, row) || !std::isfinite(number_at(rows, i, row))) continue;
      const double at = width > 0 ? (number_at(rows, i, row) - *out.min) / width : 0;
      ++out.buckets[static_cast<std::size_t>(std::clamp(static_cast<int>(at), 0, kBuckets - 1))].count;
    }
  }
}

MonitorStatistics StatisticsMaker::finish() {
  MonitorStatistics statistics;
  statistics.rows = rows_;
  for (Column& column : columns_) {
    if (column.is_number && column.out.present > 0)
      column.out.deviation = std::sqrt(column.squares / static_cast<double>(column.out.present));
    if (!column.is_number) {
      column.out.distinct = static_cast<std::int64_t>(column.values.size());
      column.out.values.assign(column.values.begin(), column.values.end());
      std::sort(column.out.values.begin(), column.out.values.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
      });
    }
    statistics.columns.push_back(std::move(column.out));
  }
  return statistics;
}

}  // namespace trimtab::bridges
