#include "registry/experiments.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "registry/record_watch.h"
#include "registry/run_rows.h"
#include "registry/run_rules.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

tl::unexpected<Error> no_experiment(std::int64_t id) {
  return fail(ErrorCode::not_found, "No Experiment with id=" + std::to_string(id) + " exists");
}

// A change as it will be carried out on the commit thread: by whom, and when it was asked for.
struct Change {
  explicit Change(const RegistryWriter& by) : actor(by.actor), now(by.clock.now()) {}
  std::string actor;
  TimeUs now;
};

Status audit(Connection& connection, const Change& change, std::string_view action, std::int64_t id,
             const Json& detail) {
  return store::append_audit(connection, change.now, change.actor, action, "experiment/" + std::to_string(id),
                             detail.dump());
}

struct Stage {
  bool is_deleted = false;
};

Result<Stage> find_stage(Connection& connection, std::int64_t id) {
  Statement row = connection.prepare("SELECT lifecycle_stage FROM experiment WHERE id = ?");
  if (!TRY(row.with(id).step())) return no_experiment(id);
  return Stage{row.text(0) == "deleted"};
}

Status expect_active(Connection& connection, std::int64_t id) {
  if (!TRY(find_stage(connection, id)).is_deleted) return {};
  return fail(ErrorCode::invalid, "The experiment " + std::to_string(id) +
                                      " must be in the 'active' state. Current state is deleted.");
}

Status expect_free_name(Connection& connection, const std::string& name) {
  Statement row = connection.prepare("SELECT 1 FROM experiment WHERE name = ?");
  if (!TRY(row.with(name).step())) return {};
  return fail(ErrorCode::already_exists,
              "Experiment(name=" + name + ") already exists. Error: a deleted experiment keeps its name too");
}

Status touch(Connection& connection, std::int64_t id, TimeUs now) {
  return connection.prepare("UPDATE experiment SET updated_ms = ? WHERE id = ?")
      .with(now / base::kMillisecondUs, id)
      .run();
}

Status put_experiment_tag(Connection& connection, std::int64_t id, const KeyValue& tag) {
  return connection
      .prepare(
          "INSERT INTO experiment_tag (experiment_id, key, value) VALUES (?, ?, ?) "
          "ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value")
      .with(id, tag.key, tag.value)
      .run();
}

Result<std::int64_t> insert(Connection& connection, TimeUs now, const std::string& name,
                            const std::string& location) {
  TRY(expect_free_name(connection, name));
  const std::int64_t id = TRY(next_experiment_id(connection));
  const std::string root = location.empty() ? "mlflow-artifacts:/" + std::to_string(id) : location;
  TRY(connection
          .prepare("INSERT INTO experiment (id, name, created_ms, updated_ms, artifact_location) "
                   "VALUES (?, ?, ?, ?, ?)")
          .with(id, name, now / base::kMillisecondUs, now / base::kMillisecondUs, root)
          .run());
  return id;
}

Status mark(Connection& connection, const Change& change, std::int64_t id, bool deleted) {
  // Deleting twice and restoring what is there are refused as if it did not exist, as MLflow does.
  if (TRY(find_stage(connection, id)).is_deleted == deleted) return no_experiment(id);
  const char* stage = deleted ? "deleted" : "active";
  TRY(connection.prepare("UPDATE experiment SET lifecycle_stage = ? WHERE id = ?").with(stage, id).run());
  TRY(touch(connection, id, change.now));
  Statement runs = connection.prepare(
      "UPDATE run SET lifecycle_stage = ?1, deleted_ms = ?2 WHERE experiment_id = ?3 AND lifecycle_stage <> "
      "?1");
  runs.bind(0, stage).bind(2, id);
  if (deleted) {
    runs.bind(1, change.now / base::kMillisecondUs);
  } else {
    runs.bind_null(1);
  }
  TRY(runs.run());
  return audit(connection, change, deleted ? "experiment.delete" : "experiment.restore", id, Json::object());
}

}  // namespace

void create_experiment(const RegistryWriter& by, std::string name, std::string artifact_location,
                       std::vector<KeyValue> tags, DoneExperiment done) {
  auto made = std::make_shared<std::int64_t>(0);
  by.home.database().submit(
      [made, change = Change(by), name = std::move(name), location = std::move(artifact_location),
       tags = std::move(tags)](Connection& connection) -> Status {
        TRY(check_experiment_name(name));
        for (const KeyValue& tag : tags) TRY(check_experiment_tag(tag));
        const std::int64_t id = TRY(insert(connection, change.now, name, location));
        for (const KeyValue& tag : tags) TRY(put_experiment_tag(connection, id, tag));
        *made = id;
        return audit(connection, change, "experiment.create", id, Json::object({{"name", name}}));
      },
      [made, done = std::move(done)](Status status) {
        if (!status) return done(fail(status.error()));
        done(*made);
      });
}

void rename_experiment(const RegistryWriter& by, std::int64_t id, std::string name, DoneChange done) {
  by.home.database().submit(
      [id, change = Change(by), name = std::move(name)](Connection& connection) -> Status {
        TRY(check_experiment_name(name));
        if (TRY(find_stage(connection, id)).is_deleted) {
          return fail(ErrorCode::check_failed, "Cannot rename a non-active experiment.");
        }
        Statement held = connection.prepare("SELECT name FROM experiment WHERE id = ?");
        TRY(held.with(id).step());
        const std::string old_name = held.text(0);
        if (old_name != name) TRY(expect_free_name(connection, name));
        TRY(connection.prepare("UPDATE experiment SET name = ? WHERE id = ?").with(name, id).run());
        TRY(touch(connection, id, change.now));
        return audit(connection, change, "experiment.rename", id,
                     Json::object({{"from", old_name}, {"to", name}}));
      },
      std::move(done));
}

void set_experiment_deleted(const RegistryWriter& by, std::int64_t id, bool deleted, DoneChange done) {
  by.home.database().submit([id, deleted, change = Change(by)](
                                Connection& connection) { return mark(connection, change, id, deleted); },
                            [&home = by.home, id, deleted, done = std::move(done)](Status status) {
                              if (status) tell_experiment_changed(home, id, deleted);
                              done(std::move(status));
                            });
}

void set_experiment_tag(const RegistryWriter& by, std::int64_t id, KeyValue tag, DoneChange done) {
  by.home.database().submit(
      [id, change = Change(by), tag = std::move(tag)](Connection& connection) -> Status {
        TRY(check_experiment_tag(tag));
        TRY(expect_active(connection, id));
        TRY(put_experiment_tag(connection, id, tag));
        return audit(connection, change, "experiment.set_tag", id, Json::object({{"key", tag.key}}));
      },
      std::move(done));
}

void delete_experiment_tag(const RegistryWriter& by, std::int64_t id, std::string key, DoneChange done) {
  by.home.database().submit(
      [id, change = Change(by), key = std::move(key)](Connection& connection) -> Status {
        TRY(expect_active(connection, id));
        TRY(connection.prepare("DELETE FROM experiment_tag WHERE experiment_id = ? AND key = ?")
                .with(id, key)
                .run());
        if (connection.changes() == 0) {
          return fail(ErrorCode::not_found,
                      "No tag with name: " + key + " in experiment with id " + std::to_string(id));
        }
        return audit(connection, change, "experiment.delete_tag", id, Json::object({{"key", key}}));
      },
      std::move(done));
}

}  // namespace trimtab::registry
