#include "app/garbage.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <future>
#include <utility>

#include "serve/prediction_log.h"

namespace trimtab::app {
namespace {

std::string counted(std::int64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string counted(std::int64_t count, const std::string& one) { return counted(count, one, one + "s"); }

// "2 experiments, 130 runs with 41000 metric points, 3 logged models and 1 version of a model"
std::string purged_text(const registry::PurgeReport& purged) {
  std::vector<std::string> parts;
  if (purged.experiments > 0) parts.push_back(counted(purged.experiments, "experiment"));
  if (purged.runs > 0) {
    parts.push_back(counted(purged.runs, "run") + " with " + counted(purged.metric_points, "metric point"));
  }
  if (purged.logged_models > 0) parts.push_back(counted(purged.logged_models, "logged model"));
  if (purged.versions > 0)
    parts.push_back(counted(purged.versions, "version of a model", "versions of models"));
  if (parts.empty()) return "nothing that was deleted is old enough";
  std::string text = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) text += (i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return text;
}

Result<TimeUs> duration_of(const Json& json, const char* name, TimeUs fallback) {
  const std::string text = json.text_or(name);
  if (text.empty()) return fallback;
  const Result<TimeUs> duration = base::parse_duration(text);
  if (duration) return duration;
  return fail(ErrorCode::invalid, std::string("'") + name + "' is no duration: '" + text + "'",
              "write 0s, 12h, 30d or 4w");
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"bytes", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

Json GarbageWish::to_json() const {
  return Json::object({{"older_than", base::format_duration(deleted_for)},
                       {"cache", base::format_duration(results_unused_for)},
                       {"dry_run", dry_run}});
}

Result<GarbageWish> GarbageWish::from_json(const Json& json,
                                           const std::optional<project::Retention>& retention) {
  GarbageWish wish;
  if (retention) {
    wish.deleted_for = retention->deleted.value_or(wish.deleted_for);
    wish.results_unused_for = retention->cache.value_or(wish.results_unused_for);
    wish.runs_kept_for = retention->runs;
    wish.predictions_kept_for = retention->predictions;
  }
  wish.deleted_for = TRY(duration_of(json, "older_than", wish.deleted_for));
  wish.results_unused_for = TRY(duration_of(json, "cache", wish.results_unused_for));
  wish.dry_run = json.bool_or("dry_run");
  return wish;
}

std::string GarbageReport::to_text() const {
  std::string text;
  if (runs_expired > 0) {
    text += (dry_run ? "Retention would delete " : "Retention deleted ") + counted(runs_expired, "run") +
            "; they can be restored until they are removed for good.\n";
  }
  if (log_bytes > 0) text += "Prediction log: " + bytes_text(log_bytes) + " given back.\n";
  text += (dry_run ? "Would remove for good: " : "Removed for good: ") + purged_text(purged) + ".\n";
  if (!orphans.places.empty()) {
    text += "Artifacts of no run, model, trace or experiment: " +
            counted(static_cast<std::int64_t>(orphans.places.size()), "file") + ", " +
            bytes_text(orphans.bytes) + (dry_run ? " would go, as '" : " gone, as '") +
            orphans.places.front() + "'.\n";
  }
  text += "Files that nothing refers to: " + counted(swept.blobs_removed, "file") + ", " +
          bytes_text(swept.bytes_removed) + (dry_run ? " would be given back" : " given back") + "; " +
          counted(swept.blobs_kept, "file") + ", " + bytes_text(swept.bytes_kept) + " stay.\n";
  if (swept.results_removed > 0) {
    text += "Results of steps forgotten: " + std::to_string(swept.results_removed) +
            "; they are made again when they are asked for.\n";
  }
  if (!dry_run) {
    text += "Database: " + bytes_text(database_bytes_before) + " before, " +
            bytes_text(database_bytes_after) + " after.\n";
  }
  for (const std::string& sentence : purged.kept) text += "Kept: " + sentence + ".\n";
  if (swept.blobs_young > 0) {
    text += "Kept until the next gc: " + counted(swept.blobs_young, "file") +
            " put a moment ago, whose use may be on its way.\n";
  }
  return text;
}

Json GarbageReport::to_json() const {
  Json kept = Json::array();
  for (const std::string& sentence : purged.kept) kept.push(sentence);
  const std::uint64_t database_bytes =
      database_bytes_before > database_bytes_after ? database_bytes_before - database_bytes_after : 0;
  Json json =
      Json::object({{"dry_run", dry_run}, {"experiments", purged.experiments}, {"runs", purged.runs}});
  json.set("logged_models", purged.logged_models).set("versions", purged.versions);
  json.set("metric_points", purged.metric_points).set("artifacts", purged.files);
  json.set("orphans", static_cast<std::int64_t>(orphans.places.size())).set("orphan_bytes", orphans.bytes);
  json.set("step_results", swept.results_removed).set("blobs", swept.blobs_removed);
  json.set("blob_bytes", swept.bytes_removed).set("blobs_kept", swept.blobs_kept);
  json.set("blobs_waiting", swept.blobs_young).set("database_bytes", database_bytes);
  json.set("runs_expired", runs_expired).set("log_bytes", log_bytes);
  return json.set("kept", std::move(kept)).set("text", to_text());
}

namespace {

Status expire_runs(store::Home& home, registry::RunBook& runs, TimeUs ended_before, GarbageReport& report) {
  const std::vector<std::string> ids = TRY(registry::ended_runs(home, ended_before));
  report.runs_expired = static_cast<std::int64_t>(ids.size());
  if (report.dry_run) return {};
  for (const std::string& id : ids) {
    std::promise<Status> deleted;
    runs.set_deleted(id, true, [&deleted](Status status) { deleted.set_value(std::move(status)); });
    TRY(deleted.get_future().get());
  }
  return {};
}

Status forget_predictions(store::Home& home, TimeUs before, GarbageReport& report) {
  std::error_code absent;
  for (const auto& endpoint : std::filesystem::directory_iterator(home.log_folder(), absent)) {
    if (!endpoint.is_directory()) continue;
    report.log_bytes += TRY(serve::PredictionLog::forget_before(endpoint.path(), before));
  }
  return {};
}

}  // namespace

Result<GarbageReport> collect_garbage(store::Home& home, registry::RunBook& runs, const base::Clock& clock,
                                      const GarbageWish& wish, const std::string& actor, TimeUs young_us,
                                      const BetweenSteps& between_steps) {
  GarbageReport report;
  report.dry_run = wish.dry_run;
  const TimeUs now = clock.now();
  if (wish.runs_kept_for) TRY(expire_runs(home, runs, now - *wish.runs_kept_for, report));
  if (wish.predictions_kept_for && !wish.dry_run) {
    TRY(forget_predictions(home, now - *wish.predictions_kept_for, report));
  }
  report.purged = TRY(registry::purge_deleted(home, clock, now - wish.deleted_for, actor, wish.dry_run));
  const TimeUs orphan_age = std::max(young_us, wish.deleted_for);
  report.orphans = TRY(wish.dry_run ? registry::find_orphan_files(home, orphan_age)
                                    : registry::remove_orphan_files(home, clock, orphan_age, actor));
  store::SweepOptions options;
  options.young_us = young_us;
  options.results_before = now - wish.results_unused_for;
  options.dry_run = wish.dry_run;
  if (wish.dry_run) options.roots_going = report.purged.roots;
  TRY(between_steps([&]() -> Status {
    report.swept = TRY(store::sweep_blobs(home, options));
    return {};
  }));
  if (wish.dry_run) return report;
  const store::Database::Compaction compacted = TRY(home.database().compact());
  report.database_bytes_before = compacted.bytes_before;
  report.database_bytes_after = compacted.bytes_after;
  return report;
}

}  // namespace trimtab::app
