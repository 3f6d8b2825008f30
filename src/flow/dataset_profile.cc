#include "flow/dataset_profile.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/diagnostics.h"
#include "flow/table_refresh.h"
#include "profile/column_state.h"

namespace trimtab::flow {
namespace {

constexpr std::size_t kTopShown = 5;
constexpr std::pair<const char*, double> kQuantiles[] = {
    {"p5", 0.05}, {"p25", 0.25}, {"p50", 0.5}, {"p75", 0.75}, {"p95", 0.95}};

Result<table::Snapshot> snapshot_of(const project::Project& project, store::Home& home,
                                    const std::string& name, std::string& kind) {
  kind = project.find_table(name) != nullptr ? "table" : "source";
  if (kind == "source" && project.find_source(name) == nullptr) {
    std::vector<std::string> names;
    for (const project::Table& table : project.tables) names.push_back(table.name);
    for (const project::Source& source : project.sources) names.push_back(source.name);
    std::string hint = base::did_you_mean(name, names);
    if (hint.empty()) {
      for (const std::string& known : names) hint += (hint.empty() ? "declared are " : ", ") + known;
    }
    return fail(ErrorCode::not_found, "there is no table and no source '" + name + "'", hint);
  }
  const std::string dataset = kind == "table" ? table_dataset(name) : source_dataset(name);
  std::optional<table::Snapshot> snapshot = TRY(load_snapshot(home, project.name, dataset));
  if (snapshot) return *std::move(snapshot);
  return fail(ErrorCode::not_found, "nothing is known of the " + kind + " '" + name + "' yet",
              "run `trimtab apply`");
}

// Times are kept as seconds, and told to the second.
Json value_json(table::ColumnType type, double value) {
  if (type != table::ColumnType::time) return value;
  return base::format_time(static_cast<TimeUs>(std::llround(value)) * base::kSecondUs);
}

Json top_json(const profile::ColumnState& state) {
  std::vector<std::pair<std::string, std::int64_t>> values(state.heavy.begin(), state.heavy.end());
  std::stable_sort(values.begin(), values.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  // A count may be too low by the error; what does not stand out from it is no more frequent than others.
  std::erase_if(values, [&state](const auto& value) { return value.second <= state.heavy_error; });
  if (values.size() > kTopShown) values.resize(kTopShown);
  Json list = Json::array();
  for (const auto& [value, count] : values) list.push(Json::object({{"value", value}, {"count", count}}));
  return list;
}

Json column_json(const std::string& name, const profile::ColumnState& state) {
  Json json = Json::object({{"name", name}, {"type", table::type_name(state.type)}, {"rows", state.rows}});
  json.set("nulls", state.nulls).set("distinct", std::min(state.distinct(), state.rows - state.nulls));
  if (state.type != table::ColumnType::text && state.finite > 0) {
    json.set("min", value_json(state.type, *state.min)).set("mean", value_json(state.type, state.mean));
    json.set("max", value_json(state.type, *state.max));
    json.set("standard_deviation", state.standard_deviation());
    for (const auto& [name, p] : kQuantiles) {
      // Within 1 % of a true one, and never outside of what there was.
      if (const auto value = state.quantiles.quantile(p)) {
        json.set(name, std::clamp(*value, *state.min, *state.max));
      }
    }
  }
  return json.set("top", top_json(state)).set("top_is_exact", state.heavy_error == 0);
}

// What is not in the rows because it could not be read.
Status add_left_rows(const project::Project& project, store::Home& home, const std::string& source,
                     Json& alerts) {
  if (project.find_source(source) == nullptr) return {};
  const std::optional<table::Snapshot> read = TRY(load_snapshot(home, project.name, source_dataset(source)));
  if (!read) return {};
  for (const std::string& line : left_rows_of(*read)) alerts.push(line);
  return {};
}

}  // namespace

Result<Json> profile_dataset(const project::Project& project, store::Home& home, Executor& executor,
                             ProgressListener& listener, const std::string& name) {
  std::string kind;
  const table::Snapshot snapshot = TRY(snapshot_of(project, home, name, kind));
  profile::TableState state;
  for (const TaskResult& part : TRY(executor.run(profile_tasks(snapshot), listener))) {
    const std::string text = TRY(home.blobs().get(part.file("state.json")));
    TRY(state.merge(TRY(profile::TableState::from_json(TRY(base::parse_json(text))))));
  }
  Json columns = Json::array();
  for (const table::Column& column : snapshot.schema.columns()) {
    const auto known = state.columns.find(column.name);
    if (known != state.columns.end()) columns.push(column_json(column.name, known->second));
  }
  Json alerts = Json::array();
  for (const std::string& alert : profile::alerts(state)) alerts.push(alert);
  TRY(add_left_rows(project, home, kind == "table" ? project.find_table(name)->from : name, alerts));
  Json json = Json::object({{"name", name}, {"kind", kind}, {"rows", state.rows}});
  json.set("parts", static_cast<std::int64_t>(snapshot.parts.size())).set("columns", std::move(columns));
  return json.set("alerts", std::move(alerts));
}

}  // namespace trimtab::flow
