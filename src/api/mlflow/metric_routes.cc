// The course of metrics: whole, by pages, sampled over many runs, and thinned out for a screen.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "api/mlflow/mlflow_routes.h"
#include "api/mlflow/wire.h"
#include "registry/run_json.h"

namespace trimtab::api {
namespace {

using registry::MetricPoint;

constexpr std::int64_t kBulkPointsMax = 25'000;
constexpr std::size_t kRunsMax = 100;
constexpr std::int64_t kSampleMax = 2500;
constexpr std::int64_t kScreenPoints = 2000;  // Unless the caller says how wide the screen is.
constexpr std::int64_t kScreenPointsMax = 100'000;

http::Reply json_text(std::string text) { return {200, "application/json", std::move(text), {}}; }

// {"metrics":[…]}; without the member when there are none, as protobuf's JSON has it.
std::string close_list(std::string text) {
  if (text.empty()) return "{";
  text.back() = ']';
  return text.insert(0, "{\"metrics\":[");
}

// MLflow knows no history of a run that it does not know, and says so with an empty list.
Result<registry::HistoryPage> history_or_none(RecordRooms& rooms, const std::string& run_id,
                                              const std::string& key, std::int64_t max_results,
                                              std::int64_t offset) {
  Result<registry::HistoryPage> page = rooms.runs.history(run_id, key, max_results, offset);
  if (!page && page.error().code == ErrorCode::not_found) return registry::HistoryPage{};
  return page;
}

Result<http::Answer> get_history(RecordRooms& rooms, const MlflowParameters& parameters) {
  const std::string run_id = TRY(parameters.run_id());
  const std::string key = TRY(parameters.text("metric_key"));
  const std::optional<std::string> token = TRY(parameters.find_text("page_token"));
  const std::optional<std::int64_t> max_results = TRY(parameters.find_integer("max_results"));
  if (max_results && *max_results <= 0) {
    return fail(ErrorCode::invalid,
                "Invalid value " + std::to_string(*max_results) +
                    " for parameter 'max_results' supplied. It must be a positive integer.");
  }
  const std::int64_t offset = TRY(page_offset(token));
  const registry::HistoryPage page =
      TRY(history_or_none(rooms, run_id, key, max_results.value_or(0), offset));
  std::string points;
  append_history(points, page.points, "");
  std::string text = close_list(std::move(points));
  if (page.has_more && max_results) {
    text += ",\"next_page_token\":\"" + page_token(offset + *max_results) + '"';
  }
  return json_text(text + "}");
}

// NaN stands where 0 would, as in MLflow's tables.
std::tuple<std::int64_t, std::int64_t, double, bool> by_step(const MetricPoint& point) {
  const bool is_nan = std::isnan(point.value);
  return {point.step, point.timestamp_ms, is_nan ? 0 : point.value, is_nan};
}

// The first of each of `count` stretches of nearly equal length, the longer ones first (SQL's NTILE), and the
// last point in any case.
std::vector<MetricPoint> sample_evenly(std::vector<MetricPoint> points, std::size_t count) {
  if (points.size() <= count) return points;
  std::vector<MetricPoint> sample;
  const std::size_t length = points.size() / count;
  const std::size_t longer = points.size() % count;
  for (std::size_t i = 0, at = 0; i < count; ++i) {
    sample.push_back(points[at]);
    at += length + (i < longer ? 1 : 0);
  }
  sample.back() = std::move(points.back());
  return sample;
}

struct Interval {
  std::optional<std::int64_t> first, last;
};

Result<Interval> read_interval(const MlflowParameters& parameters) {
  const Interval steps{TRY(parameters.find_integer("start_step")), TRY(parameters.find_integer("end_step"))};
  if (steps.first.has_value() != steps.last.has_value()) {
    return fail(ErrorCode::invalid,
                "If either start step or end step are specified, both must be specified.");
  }
  if (steps.first && *steps.first > *steps.last) {
    return fail(ErrorCode::invalid,
                "end_step must be greater than start_step. Found start_step=" + std::to_string(*steps.first) +
                    " and end_step=" + std::to_string(*steps.last) + ".");
  }
  return steps;
}

Status check_range(const std::vector<std::string>& run_ids, std::int64_t max_results) {
  constexpr std::string_view kSeeDocs = " See the API docs for more information about request parameters.";
  if (run_ids.size() > kRunsMax) {
    return fail(ErrorCode::invalid, "GetMetricHistoryBulkInterval request must specify at most " +
                                        std::to_string(kRunsMax) + " run_ids. Received " +
                                        std::to_string(run_ids.size()) + " run_ids." + std::string(kSeeDocs));
  }
  if (max_results >= 1 && max_results <= kSampleMax) return {};
  return fail(ErrorCode::invalid, "max_results must be between 1 and " + std::to_string(kSampleMax) + "." +
                                      std::string(kSeeDocs));
}

Result<http::Answer> get_bulk_interval(RecordRooms& rooms, const MlflowParameters& parameters) {
  const std::vector<std::string> run_ids = TRY(parameters.texts("run_ids"));
  if (run_ids.empty()) TRY(parameters.require("run_ids"));
  const std::string key = TRY(parameters.text("metric_key"));
  const std::int64_t max_results = TRY(parameters.find_integer("max_results")).value_or(kSampleMax);
  TRY(check_range(run_ids, max_results));
  const Interval steps = TRY(read_interval(parameters));
  std::string text;
  for (const std::string& run_id : run_ids) {
    std::vector<MetricPoint> points = TRY(history_or_none(rooms, run_id, key, 0, 0)).points;
    std::erase_if(points, [&](const MetricPoint& point) {
      return steps.first && (point.step < *steps.first || point.step > *steps.last);
    });
    std::sort(points.begin(), points.end(),
              [](const MetricPoint& a, const MetricPoint& b) { return by_step(a) < by_step(b); });
    append_history(text, sample_evenly(std::move(points), static_cast<std::size_t>(max_results)), run_id);
  }
  return json_text(close_list(std::move(text)) + "}");
}

// The web page's own request, without protobuf: its words differ.
Result<http::Answer> get_bulk(RecordRooms& rooms, const MlflowParameters& parameters) {
  std::vector<std::string> run_ids = TRY(parameters.texts("run_id"));
  if (run_ids.empty()) {
    return fail(ErrorCode::invalid, "GetMetricHistoryBulk request must specify at least one run_id.");
  }
  if (run_ids.size() > kRunsMax) {
    return fail(ErrorCode::invalid, "GetMetricHistoryBulk request cannot specify more than " +
                                        std::to_string(kRunsMax) + " run_ids. Received " +
                                        std::to_string(run_ids.size()) + " run_ids.");
  }
  const std::optional<std::string> key = TRY(parameters.find_text("metric_key"));
  if (!key) return fail(ErrorCode::invalid, "GetMetricHistoryBulk request must specify a metric_key.");
  std::int64_t wanted = TRY(parameters.find_integer("max_results")).value_or(kBulkPointsMax);
  wanted = std::clamp<std::int64_t>(wanted, 0, kBulkPointsMax);
  std::sort(run_ids.begin(), run_ids.end());
  run_ids.erase(std::unique(run_ids.begin(), run_ids.end()), run_ids.end());
  std::string text;
  for (const std::string& run_id : run_ids) {
    if (wanted == 0) break;
    const registry::HistoryPage page = TRY(history_or_none(rooms, run_id, *key, wanted, 0));
    append_history(text, page.points, run_id);
    wanted -= static_cast<std::int64_t>(page.points.size());
  }
  return json_text(text.empty() ? "{\"metrics\":[]}" : close_list(std::move(text)) + "}");
}

// Our own: what a chart of that many pixels can show of a metric, however long it is.
Result<std::string> sampled(RecordRooms& rooms, const http::Request& request) {
  const std::optional<std::string> given = TRY(request.query_value("max_points"));
  std::int64_t max_points = kScreenPoints;
  if (given) {
    const bool is_number =
        !given->empty() && given->size() <= 6 &&
        std::all_of(given->begin(), given->end(), [](char c) { return c >= '0' && c <= '9'; });
    max_points = is_number ? std::stoll(*given) : 0;
  }
  if (max_points < 2 || max_points > kScreenPointsMax) {
    return fail(ErrorCode::invalid, "max_points is no whole number from 2 to 100000",
                "leave it out for " + std::to_string(kScreenPoints));
  }
  std::string text;
  append_history(
      text, TRY(rooms.runs.sampled_history(request.path_values[0], request.path_values[1], max_points)), "");
  return text.empty() ? "{\"metrics\":[]}" : close_list(std::move(text)) + "}";
}

http::Route sampled_route(RecordRooms& rooms) {
  return {.method = "GET",
          .path = "/api/v1/runs/{id}/metrics/{key*}",
          .summary = "A metric's course, thinned out to ?max_points=N: the extremes of each stretch of steps",
          .permission = http::Permission::open,
          .handler = [&rooms](const http::Request& request, const http::ReplyPromise&) -> http::Answer {
            Result<std::string> text = sampled(rooms, request);
            return text ? json_text(*std::move(text)) : http::error_reply(text.error());
          }};
}

}  // namespace

std::vector<http::Route> metric_routes(RecordRooms& rooms) {
  using Parameters = const MlflowParameters&;
  using Request = const http::Request&;
  using Promise = const http::ReplyPromise&;
  RouteList routes;
  routes.get("/mlflow/metrics/get-history", "All points of a run's metric",
             [&rooms](Parameters p, Request, Promise) { return get_history(rooms, p); });
  routes.get("/mlflow/metrics/get-history-bulk-interval", "Points of many runs' metric, evenly sampled",
             [&rooms](Parameters p, Request, Promise) { return get_bulk_interval(rooms, p); });
  routes.get("/mlflow/metrics/get-history-bulk", "Points of many runs' metric",
             [&rooms](Parameters p, Request, Promise) { return get_bulk(rooms, p); });
  routes.add({sampled_route(rooms)});
  return routes.take();
}

}  // namespace trimtab::api
