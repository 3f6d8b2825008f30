#include "registry/run_rows.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "registry/metric_block.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

// A last block below this is made anew with what comes next, so that a slow run is not kept in crumbs.
constexpr std::int64_t kSmallBlockPoints = 512;

}  // namespace

Result<RunKey> find_run(Connection& connection, std::string_view run_id) {
  Statement row =
      connection.prepare("SELECT number, experiment_id, status, lifecycle_stage FROM run WHERE id = ?");
  if (!TRY(row.with(run_id).step())) {
    return fail(ErrorCode::not_found, "Run with id=" + std::string(run_id) + " not found");
  }
  const std::optional<RunStatus> status = find_status(row.text(2));
  CHECK(status);
  return RunKey{row.integer(0), row.integer(1), *status, row.text(3) == "deleted"};
}

Result<RunKey> find_active_run(Connection& connection, std::string_view run_id) {
  const RunKey run = TRY(find_run(connection, run_id));
  if (!run.is_deleted) return run;
  return fail(ErrorCode::invalid,
              "The run " + std::string(run_id) + " must be in the 'active' state. Current state is deleted.");
}

Result<std::string> active_experiment_location(Connection& connection, std::int64_t experiment_id) {
  Statement row =
      connection.prepare("SELECT artifact_location, lifecycle_stage FROM experiment WHERE id = ?");
  const std::string id = std::to_string(experiment_id);
  if (!TRY(row.with(experiment_id).step())) {
    return fail(ErrorCode::not_found, "No Experiment with id=" + id + " exists");
  }
  if (row.text(1) == "active") return row.text(0);
  return fail(ErrorCode::invalid,
              "The experiment " + id + " must be in the 'active' state. Current state is deleted.");
}

Result<std::int64_t> next_experiment_id(Connection& connection) {
  Statement next = connection.prepare(
      "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM experiment), coalesce((SELECT CAST(value AS INTEGER) "
      "FROM setting WHERE name = 'last_experiment'), 0))");
  TRY(next.step());
  return next.integer(0);
}

Result<std::int64_t> insert_run(Connection& connection, const RunInfo& info) {
  Statement insert = connection.prepare(
      "INSERT INTO run (number, id, experiment_id, name, user_id, status, start_ms, end_ms) VALUES (1 + max("
      "(SELECT coalesce(max(number), 0) FROM run), coalesce((SELECT CAST(value AS INTEGER) FROM setting "
      "WHERE name = 'last_run'), 0)), ?, ?, ?, ?, ?, ?, ?)");
  insert.with(info.id, info.experiment_id, info.name, info.user_id, status_name(info.status), info.start_ms);
  if (info.end_ms) {
    insert.bind(6, *info.end_ms);
  } else {
    insert.bind_null(6);
  }
  TRY(insert.run());
  return connection.last_insert_id();
}

Status put_tag(Connection& connection, std::int64_t run, const KeyValue& tag) {
  return connection
      .prepare(
          "INSERT INTO run_tag (run, key, value) VALUES (?, ?, ?) "
          "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value")
      .with(run, tag.key, tag.value)
      .run();
}

Result<std::optional<std::string>> put_param(Connection& connection, std::int64_t run,
                                             const KeyValue& param) {
  TRY(connection
          .prepare(
              "INSERT INTO run_param (run, key, value) VALUES (?, ?, ?) ON CONFLICT (run, key) DO NOTHING")
          .with(run, param.key, param.value)
          .run());
  if (connection.changes() > 0) return std::optional<std::string>();
  Statement held = connection.prepare("SELECT value FROM run_param WHERE run = ? AND key = ?");
  const bool found = TRY(held.with(run, param.key).step());
  CHECK(found);
  std::string value = held.text(0);
  if (value == param.value) return std::optional<std::string>();
  return std::optional(std::move(value));
}

Result<bool> add_dataset(Connection& connection, std::int64_t experiment_id, std::int64_t run,
                         const DatasetInput& input) {
  TRY(connection
          .prepare("INSERT INTO logged_dataset (experiment_id, name, digest, source_type, source, schema, "
                   "profile) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
          .with(experiment_id, input.name, input.digest, input.source_type, input.source, input.schema,
                input.profile)
          .run());
  Json tags = Json::array();
  for (const KeyValue& tag : input.tags) tags.push(Json(Json::Array{tag.key, tag.value}));
  TRY(connection
          .prepare(
              "INSERT INTO run_dataset (run, dataset, tags_json) SELECT ?, number, ? FROM "
              "logged_dataset WHERE experiment_id = ? AND name = ? AND digest = ? ON CONFLICT DO NOTHING")
          .with(run, tags.dump(), experiment_id, input.name, input.digest)
          .run());
  return connection.changes() > 0;
}

Result<bool> add_model_link(Connection& connection, std::int64_t run, const char* direction,
                            const ModelLink& link) {
  TRY(connection
          .prepare("INSERT INTO run_model (run, direction, model_id, step) VALUES (?, ?, ?, ?) "
                   "ON CONFLICT DO NOTHING")
          .with(run, direction, link.model_id, link.step)
          .run());
  return connection.changes() > 0;
}

Status append_journal(Connection& connection, std::int64_t sequence, std::int64_t run,
                      std::string_view body) {
  Statement insert = connection.prepare("INSERT INTO metric_journal (sequence, run, body) VALUES (?, ?, ?)");
  insert.bind(0, sequence).bind(1, run).bind_blob(2, body);
  return insert.run();
}

Result<std::int64_t> last_journal_sequence(Connection& connection) {
  Statement row = connection.prepare("SELECT coalesce(max(sequence), 0) FROM metric_journal");
  TRY(row.step());
  return row.integer(0);
}

Status put_block(Connection& connection, std::int64_t run, const BlockRow& block) {
  Statement put = connection.prepare(
      "INSERT INTO metric_block (run, key, ordinal, points, body) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT (run, key, ordinal) DO UPDATE SET points = excluded.points, body = excluded.body");
  put.bind(0, run).bind(1, block.key).bind(2, block.ordinal).bind(3, block.points).bind_blob(4, block.body);
  return put.run();
}

Result<std::vector<BlockRow>> make_blocks(Connection& connection, std::int64_t run, const std::string& key,
                                          std::vector<MetricCell> points, bool has_blocks) {
  std::int64_t ordinal = 1;
  if (has_blocks) {
    Statement last = connection.prepare(
        "SELECT ordinal, points, body FROM metric_block WHERE run = ? AND key = ? ORDER BY ordinal DESC "
        "LIMIT 1");
    if (TRY(last.with(run, key).step())) {
      // A block that cannot be read stays as it is, for fsck to tell.
      const bool is_joined = last.integer(1) < kSmallBlockPoints && decode_block(last.blob(2), 0, points);
      ordinal = last.integer(0) + (is_joined ? 0 : 1);
    }
  }
  for (MetricCell& cell : points) cell.key = 0;
  std::sort(points.begin(), points.end(), earlier_in_history);
  points.erase(std::unique(points.begin(), points.end(), same_point), points.end());
  std::vector<BlockRow> blocks;
  for (std::size_t start = 0; start < points.size(); start += kBlockPointsMax) {
    const auto part = std::span(points).subspan(start, std::min(kBlockPointsMax, points.size() - start));
    blocks.push_back({key, ordinal++, static_cast<std::int64_t>(part.size()), encode_block(part)});
  }
  return blocks;
}

Status put_summary(Connection& connection, std::int64_t run, const MetricBatch& latest) {
  Statement put = connection.prepare(
      "INSERT INTO metric_summary (run, body) VALUES (?, ?) "
      "ON CONFLICT (run) DO UPDATE SET body = excluded.body");
  put.bind(0, run).bind_blob(1, encode_batch(latest));
  return put.run();
}

Status write_sealed(Connection& connection, std::int64_t run, const MetricBatch& batch) {
  if (batch.points.empty()) return {};
  std::vector<std::vector<MetricCell>> by_key(batch.keys.size());
  for (const MetricCell& cell : batch.points) by_key[cell.key].push_back(cell);
  MetricBatch latest{batch.keys, {}};
  for (std::size_t key = 0; key < by_key.size(); ++key) {
    MetricCell last = by_key[key].front();
    for (const MetricCell& cell : by_key[key]) {
      if (is_later(cell, last)) last = cell;
    }
    latest.points.push_back(last);
    const std::vector<BlockRow> blocks =
        TRY(make_blocks(connection, run, batch.keys[key], std::move(by_key[key]), false));
    for (const BlockRow& block : blocks) TRY(put_block(connection, run, block));
  }
  return put_summary(connection, run, latest);
}

Status load_blocks(Connection& connection, std::int64_t run, std::string_view key, std::uint32_t key_id,
                   std::vector<MetricCell>& points) {
  Statement row =
      connection.prepare("SELECT body FROM metric_block WHERE run = ? AND key = ? ORDER BY ordinal");
  row.with(run, key);
  while (TRY(row.step())) TRY(decode_block(row.blob(0), key_id, points));
  return {};
}

namespace {

// Loads the runs whose numbers are greater than `after` and at most `last`; the rows of other tables follow
// their runs.
class RunLoader {
 public:
  RunLoader(Connection& connection, std::int64_t after, std::int64_t last, RunColumns& columns)
      : connection_(connection), after_(after), last_(last), first_(columns.size()), columns_(columns) {}

  Result<std::int64_t> load(TimeUs now) {
    TRY(load_experiments());
    TRY(load_infos());
    TRY(load_texts());
    TRY(load_datasets());
    TRY(load_models());
    TRY(load_summaries());
    TRY(load_journal(now));
    return greatest_;
  }

 private:
  Status load_experiments() {
    Statement row = connection_.prepare("SELECT id, artifact_location FROM experiment");
    while (TRY(row.step())) columns_.set_location(row.integer(0), row.text(1));
    return {};
  }

  Status load_infos() {
    Statement row = connection_.prepare(
        "SELECT number, id, experiment_id, name, user_id, status, lifecycle_stage, start_ms, end_ms "
        "FROM run WHERE number > ? AND number <= ? ORDER BY number");
    row.with(after_, last_);
    while (TRY(row.step())) {
      greatest_ = std::max(greatest_, row.integer(0));
      if (columns_.find_number(row.integer(0))) continue;
      RunRow run{row.integer(0), {}};
      run.info.id = row.text(1);
      run.info.experiment_id = row.integer(2);
      run.info.name = row.text(3);
      run.info.user_id = row.text(4);
      const std::optional<RunStatus> status = find_status(row.text(5));
      CHECK(status);
      run.info.status = *status;
      run.info.is_deleted = row.text(6) == "deleted";
      run.info.start_ms = row.integer(7);
      if (!row.is_null(8)) run.info.end_ms = row.integer(8);
      columns_.add(run);
    }
    return {};
  }

  Status load_texts() {
    Statement param =
        connection_.prepare("SELECT run, key, value FROM run_param WHERE run > ? AND run <= ? ORDER BY run");
    param.with(after_, last_);
    while (TRY(param.step())) {
      if (const auto place = fresh_place(param)) columns_.set_param(*place, param.text(1), param.text(2));
    }
    Statement tag =
        connection_.prepare("SELECT run, key, value FROM run_tag WHERE run > ? AND run <= ? ORDER BY run");
    tag.with(after_, last_);
    while (TRY(tag.step())) {
      if (const auto place = fresh_place(tag)) columns_.set_tag(*place, tag.text(1), tag.text(2));
    }
    return {};
  }

  // Runs that read the same dataset with the same tags share one value.
  Status load_datasets() {
    std::map<std::pair<std::int64_t, std::string>, std::shared_ptr<const DatasetInput>> shared;
    Statement row = connection_.prepare(
        "SELECT l.run, l.dataset, l.tags_json, d.name, d.digest, d.source_type, d.source, d.schema, "
        "d.profile "
        "FROM run_dataset l JOIN logged_dataset d ON d.number = l.dataset WHERE l.run > ? AND "
        "l.run <= ? ORDER BY l.run, l.dataset");
    row.with(after_, last_);
    while (TRY(row.step())) {
      const std::optional<std::uint32_t> place = fresh_place(row);
      if (!place) continue;
      auto& input = shared[{row.integer(1), row.text(2)}];
      if (!input) {
        DatasetInput made{row.text(3), row.text(4), row.text(5), row.text(6), row.text(7), row.text(8), {}};
        const Json tags = TRY(base::parse_json(row.text(2)));
        for (const Json& tag : tags.as_array()) {
          made.tags.push_back({tag.as_array()[0].as_string(), tag.as_array()[1].as_string()});
        }
        input = std::make_shared<const DatasetInput>(std::move(made));
      }
      columns_.links(*place).datasets.push_back(input);
    }
    return {};
  }

  Status load_models() {
    Statement row = connection_.prepare(
        "SELECT run, direction, model_id, step FROM run_model WHERE run > ? AND run <= ? "
        "ORDER BY run, direction, model_id");
    row.with(after_, last_);
    while (TRY(row.step())) {
      const std::optional<std::uint32_t> place = fresh_place(row);
      if (!place) continue;
      RunLinks& links = columns_.links(*place);
      auto& list = row.text(1) == "input" ? links.model_inputs : links.model_outputs;
      list.push_back({row.text(2), row.integer(3)});
    }
    return {};
  }

  Status load_summaries() {
    Statement row =
        connection_.prepare("SELECT run, body FROM metric_summary WHERE run > ? AND run <= ? ORDER BY run");
    row.with(after_, last_);
    while (TRY(row.step())) {
      const std::optional<std::uint32_t> place = fresh_place(row);
      if (!place) continue;
      columns_.set_has_blocks(*place);
      if (const auto latest = read_points(row, 1)) columns_.add_points(*place, *latest);
    }
    return {};
  }

  Status load_journal(TimeUs now) {
    Statement row = connection_.prepare(
        "SELECT run, sequence, body FROM metric_journal WHERE run > ? AND run <= ? "
        "ORDER BY sequence");
    row.with(after_, last_);
    while (TRY(row.step())) {
      const std::optional<std::uint32_t> place = fresh_place(row);
      if (!place) continue;
      if (const auto points = read_points(row, 2))
        columns_.add_journaled(*place, *points, row.integer(1), now);
    }
    return {};
  }

  // The place of the run in column 0 when this loader has added it. A journal row without a run is for fsck.
  std::optional<std::uint32_t> fresh_place(const Statement& row) const {
    const std::optional<std::uint32_t> found = columns_.find_number(row.integer(0));
    return found && *found >= first_ ? found : std::nullopt;
  }

  static std::optional<MetricBatch> read_points(const Statement& row, int column) {
    Result<MetricBatch> points = decode_batch(row.blob(column));
    if (points) return *std::move(points);
    base::log_error("registry", "run number " + row.text(0) + ": " + base::render(points.error()));
    return std::nullopt;
  }

  Connection& connection_;
  const std::int64_t after_;
  const std::int64_t last_;
  const std::uint32_t first_;  // The place of the first run that this loader adds.
  std::int64_t greatest_ = 0;
  RunColumns& columns_;
};

}  // namespace

Result<std::int64_t> load_runs(Connection& connection, std::int64_t after, TimeUs now, RunColumns& columns) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  return RunLoader(connection, after, kLast, columns).load(now);
}

Status load_run(Connection& connection, std::int64_t number, RunColumns& columns) {
  TRY(RunLoader(connection, number - 1, number, columns).load(0));
  return {};
}

}  // namespace trimtab::registry
