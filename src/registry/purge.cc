#include "registry/purge.h"

#include <algorithm>
#include <future>
#include <map>
#include <utility>

#include "base/clock.h"
#include "registry/artifact_path.h"
#include "registry/metric_batch.h"
#include "registry/record_watch.h"
#include "store/audit.h"
#include "store/connection.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr std::size_t kAtOnce = 100;

struct DeletedRun {
  std::int64_t number = 0;
  std::string id;
};
struct DeletedExperiment {
  std::int64_t id = 0;
  std::string name;
};

// What is to go, found in one snapshot. Each write looks again whether it still is.
struct Plan {
  std::vector<DeletedRun> runs;
  std::vector<std::string> logged_models;
  std::vector<std::pair<std::string, std::int64_t>> versions;
  std::vector<DeletedExperiment> experiments;
};

std::string run_root(const std::string& id) { return "run/" + id; }
std::string logged_model_root(const std::string& id) { return "logged_model/" + id; }

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// The roots that living versions came from. A version may name a run of another record: then there is nothing
// to keep.
Result<std::set<std::string>> find_needed(Connection& connection) {
  std::set<std::string> needed;
  Statement row = connection.prepare(
      "SELECT coalesce(run_id, ''), location, source FROM model_version WHERE deleted_ms IS NULL");
  while (TRY(row.step())) {
    needed.insert(run_root(row.text(0)));
    for (const int column : {1, 2}) {
      if (const auto place = parse_artifact_uri(row.text(column))) needed.insert(place->root);
    }
  }
  Statement models = connection.prepare("SELECT id, source_run_id FROM logged_model");
  while (TRY(models.step())) {
    if (needed.contains(logged_model_root(models.text(0)))) needed.insert(run_root(models.text(1)));
  }
  return needed;
}

class Planner {
 public:
  Planner(Connection& connection, std::int64_t before_ms, PurgeReport& report)
      : connection_(connection), before_ms_(before_ms), report_(report) {}

  Result<Plan> plan() {
    needed_ = TRY(find_needed(connection_));
    TRY(find_runs());
    TRY(find_logged_models());
    TRY(find_versions());
    TRY(find_experiments());
    TRY(add_up());
    return std::move(plan_);
  }

 private:
  Status find_runs() {
    Statement row = connection_.prepare(
        "SELECT number, id FROM run WHERE lifecycle_stage = 'deleted' AND coalesce(deleted_ms, 0) <= ? "
        "ORDER BY number");
    row.with(before_ms_);
    std::size_t kept = 0;
    while (TRY(row.step())) {
      if (needed_.contains(run_root(row.text(1)))) {
        ++kept;
      } else {
        plan_.runs.push_back({row.integer(0), row.text(1)});
      }
    }
    if (kept > 0) report_.kept.push_back(counted(kept, "run") + ": versions that are in use came from there");
    return {};
  }

  Status find_logged_models() {
    Statement row = connection_.prepare(
        "SELECT m.id FROM logged_model m LEFT JOIN experiment e ON e.id = m.experiment_id "
        "WHERE m.deleted_ms <= ?1 OR (e.lifecycle_stage = 'deleted' AND e.updated_ms <= ?1) ORDER BY m.id");
    row.with(before_ms_);
    std::size_t kept = 0;
    while (TRY(row.step())) {
      if (needed_.contains(logged_model_root(row.text(0)))) {
        ++kept;
      } else {
        plan_.logged_models.push_back(row.text(0));
      }
    }
    if (kept > 0) {
      report_.kept.push_back(counted(kept, "logged model") + ": versions that are in use are made of them");
    }
    return {};
  }

  // Their rows stay, so that a number is never given twice.
  Status find_versions() {
    Statement row = connection_.prepare(
        "SELECT model, version FROM model_version v WHERE deleted_ms <= ? AND (EXISTS (SELECT 1 FROM "
        "gate_result g "
        "WHERE g.model = v.model AND g.version = v.version) OR EXISTS (SELECT 1 FROM model_version_tag t "
        "WHERE "
        "t.model = v.model AND t.version = v.version))");
    row.with(before_ms_);
    while (TRY(row.step())) plan_.versions.emplace_back(row.text(0), row.integer(1));
    return {};
  }

  // An experiment goes with the last that is in it. Number 0 is where clients write who name none.
  Status find_experiments() {
    std::map<std::int64_t, std::int64_t> left;
    {
      Statement row = connection_.prepare(
          "SELECT experiment_id, count(*) FROM (SELECT experiment_id FROM run UNION ALL "
          "SELECT experiment_id FROM logged_model) GROUP BY 1");
      while (TRY(row.step())) left[row.integer(0)] = row.integer(1);
    }
    for (const auto& [sql, ids] :
         {std::pair{"SELECT experiment_id FROM run WHERE id = ?", run_ids()},
          std::pair{"SELECT experiment_id FROM logged_model WHERE id = ?", plan_.logged_models}}) {
      for (const std::string& id : ids) {
        Statement row = connection_.prepare(sql);
        if (TRY(row.with(id).step())) --left[row.integer(0)];
      }
    }
    Statement row = connection_.prepare(
        "SELECT id, name FROM experiment WHERE lifecycle_stage = 'deleted' AND updated_ms <= ? AND id <> 0");
    row.with(before_ms_);
    while (TRY(row.step())) {
      if (left[row.integer(0)] == 0) {
        plan_.experiments.push_back({row.integer(0), row.text(1)});
      } else {
        report_.kept.push_back(
            "experiment '" + row.text(1) +
            "': " + counted(static_cast<std::size_t>(left[row.integer(0)]), "run or logged model") +
            " in it must stay");
      }
    }
    return {};
  }

  std::vector<std::string> run_ids() const {
    std::vector<std::string> ids;
    for (const DeletedRun& run : plan_.runs) ids.push_back(run.id);
    return ids;
  }

  Status add_up() {
    report_.runs = static_cast<std::int64_t>(plan_.runs.size());
    report_.logged_models = static_cast<std::int64_t>(plan_.logged_models.size());
    report_.versions = static_cast<std::int64_t>(plan_.versions.size());
    report_.experiments = static_cast<std::int64_t>(plan_.experiments.size());
    for (const DeletedRun& run : plan_.runs) report_.roots.insert(run_root(run.id));
    for (const std::string& id : plan_.logged_models) report_.roots.insert(logged_model_root(id));
    for (const std::string& root : report_.roots) {
      Statement row =
          connection_.prepare("SELECT count(*), coalesce(sum(size), 0) FROM artifact WHERE root = ?");
      TRY(row.with(root).step());
      report_.files += row.integer(0);
      report_.file_bytes += static_cast<std::uint64_t>(row.integer(1));
    }
    for (const DeletedRun& run : plan_.runs) {
      Statement row = connection_.prepare("SELECT coalesce(sum(points), 0) FROM metric_block WHERE run = ?");
      TRY(row.with(run.number).step());
      report_.metric_points += row.integer(0);
    }
    return add_up_journal();
  }

  // What is not sealed yet. The journal is short.
  Status add_up_journal() {
    std::set<std::int64_t> going;
    for (const DeletedRun& run : plan_.runs) going.insert(run.number);
    Statement row = connection_.prepare("SELECT run, body FROM metric_journal");
    while (TRY(row.step())) {
      if (!going.contains(row.integer(0))) continue;
      const Result<MetricBatch> points = decode_batch(row.blob(1));
      if (points) report_.metric_points += static_cast<std::int64_t>(points->points.size());
    }
    return {};
  }

  Connection& connection_;
  const std::int64_t before_ms_;
  PurgeReport& report_;
  std::set<std::string> needed_;
  Plan plan_;
};

class Purger {
 public:
  Purger(store::Home& home, const base::Clock& clock, std::int64_t before_ms, std::string actor)
      : home_(home), clock_(clock), before_ms_(before_ms), actor_(std::move(actor)) {}

  Status carry_out(const Plan& plan) {
    for (std::size_t start = 0; start < plan.runs.size(); start += kAtOnce) {
      const auto end = std::min(plan.runs.size(), start + kAtOnce);
      TRY(remove_runs({plan.runs.begin() + static_cast<std::ptrdiff_t>(start),
                       plan.runs.begin() + static_cast<std::ptrdiff_t>(end)}));
    }
    for (const std::string& id : plan.logged_models) TRY(remove_logged_model(id));
    for (const auto& [model, version] : plan.versions) TRY(strip_version(model, version));
    for (const DeletedExperiment& experiment : plan.experiments) TRY(remove_experiment(experiment));
    return home_.database().write([](Connection& connection) {
      return connection
          .prepare("DELETE FROM logged_dataset WHERE number NOT IN (SELECT dataset FROM run_dataset)")
          .run();
    });
  }

 private:
  // The runs of `runs` that nobody has restored meanwhile go. The book of runs hears of it at the commit.
  Status remove_runs(const std::vector<DeletedRun>& runs) {
    auto gone = std::make_shared<std::vector<std::int64_t>>();
    std::promise<Status> written;
    home_.database().submit(
        [this, &runs, gone](Connection& connection) -> Status {
          gone->clear();
          Json ids = Json::array();
          for (const DeletedRun& run : runs) {
            Statement still = connection.prepare(
                "SELECT 1 FROM run WHERE number = ?1 AND lifecycle_stage = 'deleted' AND "
                "coalesce(deleted_ms, 0) <= "
                "?2 AND NOT EXISTS (SELECT 1 FROM model_version WHERE run_id = ?3 AND deleted_ms IS NULL)");
            if (!TRY(still.with(run.number, before_ms_, run.id).step())) continue;
            gone->push_back(run.number);
            ids.push(run.id);
          }
          if (gone->empty()) return {};
          TRY(delete_rows(connection, *gone, ids));
          return audit(connection, "run.purge", "runs", Json::object({{"runs", std::move(ids)}}));
        },
        [this, gone, &written](Status status) {
          if (status) tell_runs_removed(home_, *gone);
          written.set_value(std::move(status));
        });
    return written.get_future().get();
  }

  static Status delete_rows(Connection& connection, const std::vector<std::int64_t>& numbers,
                            const Json& ids) {
    Json list = Json::array();
    for (const std::int64_t number : numbers) list.push(number);
    const std::string number_list = list.dump();
    const std::string id_list = ids.dump();
    TRY(remember_last(connection, "last_run", *std::max_element(numbers.begin(), numbers.end())));
    for (const char* sql :
         {"DELETE FROM lineage WHERE run_id IN (SELECT value FROM json_each(?))",
          "DELETE FROM artifact WHERE root IN (SELECT 'run/' || value FROM json_each(?))"}) {
      TRY(connection.prepare(sql).with(id_list).run());
    }
    for (const char* table : {"run_param", "run_tag", "metric_block", "metric_summary", "metric_journal",
                              "run_dataset", "run_model"}) {
      TRY(connection
              .prepare(std::string("DELETE FROM ") + table + " WHERE run IN (SELECT value FROM json_each(?))")
              .with(number_list)
              .run());
    }
    return connection.prepare("DELETE FROM run WHERE number IN (SELECT value FROM json_each(?))")
        .with(number_list)
        .run();
  }

  // The greatest number that was ever given, so that it is not given again.
  static Status remember_last(Connection& connection, const char* setting, std::int64_t number) {
    return connection
        .prepare(
            "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
            "max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))")
        .with(setting, std::to_string(number))
        .run();
  }

  Status remove_logged_model(const std::string& id) {
    return home_.database().write([&](Connection& connection) -> Status {
      {
        Statement still = connection.prepare(
            "SELECT 1 FROM logged_model m LEFT JOIN experiment e ON e.id = m.experiment_id WHERE m.id = ?1 "
            "AND "
            "(m.deleted_ms <= ?2 OR (e.lifecycle_stage = 'deleted' AND e.updated_ms <= ?2))");
        if (!TRY(still.with(id, before_ms_).step())) return {};
      }
      TRY(connection.prepare("DELETE FROM artifact WHERE root = ?").with(logged_model_root(id)).run());
      for (const char* sql :
           {"DELETE FROM logged_model_metric WHERE model_id = ?",
            "DELETE FROM logged_model_param WHERE model_id = ?",
            "DELETE FROM logged_model_tag WHERE model_id = ?", "DELETE FROM logged_model WHERE id = ?"}) {
        TRY(connection.prepare(sql).with(id).run());
      }
      return audit(connection, "logged_model.purge", logged_model_root(id), Json::object());
    });
  }

  Status strip_version(const std::string& model, std::int64_t version) {
    return home_.database().write([&](Connection& connection) -> Status {
      for (const char* sql : {"DELETE FROM gate_result WHERE model = ? AND version = ?",
                              "DELETE FROM model_version_tag WHERE model = ? AND version = ?"}) {
        TRY(connection.prepare(sql).with(model, version).run());
      }
      return audit(connection, "model_version.purge", "model/" + model + "/" + std::to_string(version),
                   Json::object());
    });
  }

  Status remove_experiment(const DeletedExperiment& experiment) {
    return home_.database().write([&](Connection& connection) -> Status {
      {
        Statement still = connection.prepare(
            "SELECT 1 FROM experiment WHERE id = ?1 AND lifecycle_stage = 'deleted' AND updated_ms <= ?2 AND "
            "NOT "
            "EXISTS (SELECT 1 FROM run WHERE experiment_id = ?1) AND NOT EXISTS (SELECT 1 FROM logged_model "
            "WHERE "
            "experiment_id = ?1)");
        if (!TRY(still.with(experiment.id, before_ms_).step())) return {};
      }
      TRY(remember_last(connection, "last_experiment", experiment.id));
      for (const char* sql :
           {"DELETE FROM logged_dataset WHERE experiment_id = ?", "DELETE FROM trace WHERE experiment_id = ?",
            "DELETE FROM experiment_tag WHERE experiment_id = ?", "DELETE FROM experiment WHERE id = ?"}) {
        TRY(connection.prepare(sql).with(experiment.id).run());
      }
      return audit(connection, "experiment.purge", "experiment/" + std::to_string(experiment.id),
                   Json::object({{"name", experiment.name}}));
    });
  }

  Status audit(Connection& connection, const char* action, const std::string& object, const Json& detail) {
    return store::append_audit(connection, clock_.now(), actor_, action, object, detail.dump());
  }

  store::Home& home_;
  const base::Clock& clock_;
  const std::int64_t before_ms_;
  const std::string actor_;
};

}  // namespace

Result<PurgeReport> purge_deleted(store::Home& home, const base::Clock& clock, TimeUs deleted_before,
                                  const std::string& actor, bool dry_run) {
  const std::int64_t before_ms = deleted_before / base::kMillisecondUs;
  PurgeReport report;
  Plan plan;
  TRY(home.database().read([&](Connection& connection) -> Status {
    plan = TRY(Planner(connection, before_ms, report).plan());
    return {};
  }));
  if (!dry_run) TRY(Purger(home, clock, before_ms, actor).carry_out(plan));
  return report;
}

Result<std::vector<std::string>> ended_runs(store::Home& home, TimeUs ended_before) {
  std::vector<std::string> ids;
  TRY(home.database().read([&](Connection& connection) -> Status {
    const std::set<std::string> needed = TRY(find_needed(connection));
    Statement row = connection.prepare(
        "SELECT id FROM run WHERE lifecycle_stage = 'active' AND status NOT IN ('RUNNING', 'SCHEDULED') AND "
        "end_ms <= "
        "? ORDER BY number");
    row.with(ended_before / base::kMillisecondUs);
    while (TRY(row.step())) {
      if (!needed.contains(run_root(row.text(0)))) ids.push_back(row.text(0));
    }
    return {};
  }));
  return ids;
}

}  // namespace trimtab::registry
