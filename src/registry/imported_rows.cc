#include "registry/imported_rows.h"

#include <utility>

#include "base/json.h"
#include "registry/artifact_path.h"
#include "registry/row_values.h"
#include "registry/run_name.h"
#include "registry/run_rows.h"
#include "registry/run_rules.h"
#include "store/audit.h"

namespace trimtab::registry {
namespace {

using store::Connection;
using store::Statement;

constexpr const char* kActor = "import";

Result<bool> is_there(Connection& connection, std::string_view sql, std::string_view id) {
  Statement row = connection.prepare(sql);
  return row.with(id).step();
}

// The id of there when it is free, so that what is written down elsewhere stays true.
Result<std::int64_t> free_experiment_id(Connection& connection, std::int64_t wanted) {
  Statement taken = connection.prepare("SELECT 1 FROM experiment WHERE id = ?");
  if (wanted > 0 && !TRY(taken.with(wanted).step())) return wanted;
  return next_experiment_id(connection);
}

Status mark_deleted(Connection& connection, std::int64_t run, std::int64_t deleted_ms) {
  return connection.prepare("UPDATE run SET lifecycle_stage = 'deleted', deleted_ms = ? WHERE number = ?")
      .with(deleted_ms, run)
      .run();
}

}  // namespace

std::string location_here(const std::string& location) {
  // Past the scheme and, as in "mlflow-artifacts://host:5000/3/…", the host.
  std::string_view path = location;
  const std::size_t scheme = path.find(":/");
  if (scheme != std::string_view::npos) {
    const std::string_view name = path.substr(0, scheme);
    if (name != "mlflow-artifacts" && name != "file" && name != "http" && name != "https") return location;
    path.remove_prefix(scheme + 1);
    if (path.starts_with("//") && !path.starts_with("///"))
      path.remove_prefix(std::min(path.find('/', 2), path.size()));
  }
  while (path.starts_with('/')) path.remove_prefix(1);
  const Result<ArtifactPath> parsed = parse_artifact_path(path);
  if (!parsed || parsed->root == "proxy" || parsed->root.starts_with("model/")) return location;
  // From the step before the run's id, or before "models", on: the experiment's, as clients name it.
  const std::string id = parsed->root.substr(parsed->root.find('/') + 1);
  const bool is_run = parsed->root.starts_with("run/");
  std::size_t begin = path.find((is_run ? "" : "models/") + id);
  const std::size_t before = begin > 1 ? path.rfind('/', begin - 2) : std::string_view::npos;
  begin = begin == 0 ? 0 : (before == std::string_view::npos ? 0 : before + 1);
  return "mlflow-artifacts:/" + std::string(path.substr(begin));
}

Result<PlacedExperiment> place_experiment(Connection& connection, const ImportedExperiment& experiment) {
  {
    Statement known = connection.prepare("SELECT id FROM experiment WHERE name = ?");
    if (TRY(known.with(experiment.name).step())) return PlacedExperiment{known.integer(0), false};
  }
  TRY(check_experiment_name(experiment.name));
  const std::int64_t id = TRY(free_experiment_id(connection, experiment.id));
  TRY(connection
          .prepare(
              "INSERT INTO experiment (id, name, lifecycle_stage, created_ms, updated_ms, artifact_location) "
              "VALUES (?1, ?2, ?3, ?4, ?5, 'mlflow-artifacts:/' || ?1)")
          .with(id, experiment.name, experiment.is_deleted ? "deleted" : "active", experiment.created_ms,
                experiment.updated_ms)
          .run());
  for (const KeyValue& tag : experiment.tags) {
    TRY(connection.prepare("INSERT INTO experiment_tag (experiment_id, key, value) VALUES (?, ?, ?)")
            .with(id, tag.key, tag.value)
            .run());
  }
  return PlacedExperiment{id, true};
}

Result<bool> place_run(Connection& connection, std::int64_t experiment_id, const ImportedRun& run) {
  if (TRY(is_there(connection, "SELECT 1 FROM run WHERE id = ?", run.info.id))) return false;
  RunInfo info = run.info;
  info.experiment_id = experiment_id;
  if (info.name.empty()) info.name = run_name(info.id);
  const std::int64_t number = TRY(insert_run(connection, info));
  for (const KeyValue& param : run.params) TRY(put_param(connection, number, param));
  for (const KeyValue& tag : run.tags) TRY(put_tag(connection, number, tag));
  TRY(put_tag(connection, number, {std::string(kRunNameTag), info.name}));
  TRY(write_sealed(connection, number, make_batch(run.points)));
  for (const DatasetInput& input : run.datasets) {
    TRY(add_dataset(connection, experiment_id, number, input));
  }
  for (const ModelLink& link : run.model_inputs) TRY(add_model_link(connection, number, "input", link));
  for (const ModelLink& link : run.model_outputs) TRY(add_model_link(connection, number, "output", link));
  if (info.is_deleted) TRY(mark_deleted(connection, number, run.deleted_ms));
  return true;
}

Result<bool> place_logged_model(Connection& connection, std::int64_t experiment_id,
                                const ImportedLoggedModel& imported) {
  const LoggedModel& model = imported.model;
  if (TRY(is_there(connection, "SELECT 1 FROM logged_model WHERE id = ?", model.id))) return false;
  const std::string location =
      "mlflow-artifacts:/" + std::to_string(experiment_id) + "/models/" + model.id + "/artifacts";
  Statement insert = connection.prepare(
      "INSERT INTO logged_model (id, experiment_id, name, model_type, source_run_id, location, status, "
      "created_ms, "
      "updated_ms, deleted_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.with(model.id, experiment_id, model.name, model.model_type, model.source_run_id, location,
              static_cast<int>(model.status), model.created_ms, model.updated_ms);
  if (imported.is_deleted) {
    insert.bind(9, model.updated_ms);
  } else {
    insert.bind_null(9);
  }
  TRY(insert.run());
  for (const KeyValue& param : model.params) {
    TRY(connection.prepare("INSERT INTO logged_model_param (model_id, key, value) VALUES (?, ?, ?)")
            .with(model.id, param.key, param.value)
            .run());
  }
  for (const KeyValue& tag : model.tags) {
    TRY(connection.prepare("INSERT INTO logged_model_tag (model_id, key, value) VALUES (?, ?, ?)")
            .with(model.id, tag.key, tag.value)
            .run());
  }
  for (const LoggedModelMetric& metric : model.metrics) {
    TRY(connection
            .prepare("INSERT OR REPLACE INTO logged_model_metric (model_id, key, run_id, dataset_name, "
                     "dataset_digest, value, timestamp_ms, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .with(model.id, metric.point.key, metric.run_id, metric.dataset_name, metric.dataset_digest,
                  metric.point.value, metric.point.timestamp_ms, metric.point.step)
            .run());
  }
  return true;
}

Result<bool> place_model(Connection& connection, const RegisteredModel& model) {
  if (TRY(is_there(connection, "SELECT 1 FROM registered_model WHERE name = ?", model.name))) return false;
  TRY(connection
          .prepare(
              "INSERT INTO registered_model (name, description, created_ms, updated_ms) VALUES (?, ?, ?, ?)")
          .with(model.name, model.description, model.created_ms, model.updated_ms)
          .run());
  for (const KeyValue& tag : model.tags) {
    TRY(connection.prepare("INSERT INTO registered_model_tag (model, key, value) VALUES (?, ?, ?)")
            .with(model.name, tag.key, tag.value)
            .run());
  }
  return true;
}

Result<bool> place_version(Connection& connection, const ModelVersion& version, TimeUs now) {
  {
    Statement known = connection.prepare("SELECT 1 FROM model_version WHERE model = ? AND version = ?");
    if (TRY(known.with(version.model, version.version).step())) return false;
  }
  {
    Statement insert = connection.prepare(
        "INSERT INTO model_version (model, version, run_id, status, gates, created_ms, updated_ms, stage, "
        "source, "
        "location, run_link, description, user_id, status_message) "
        "VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(0, version.model).bind(1, version.version);
    bind_or_null(insert, 2, version.run_id);
    insert.bind(3, version.status).bind(4, version.created_ms).bind(5, version.updated_ms);
    insert.bind(6, version.stage).bind(7, version.source).bind(8, location_here(version.location));
    bind_or_null(insert, 9, version.run_link);
    bind_or_null(insert, 10, version.description);
    bind_or_null(insert, 11, version.user_id);
    bind_or_null(insert, 12, version.status_message);
    TRY(insert.run());
  }
  for (const KeyValue& tag : version.tags) {
    TRY(connection.prepare("INSERT INTO model_version_tag (model, version, key, value) VALUES (?, ?, ?, ?)")
            .with(version.model, version.version, tag.key, tag.value)
            .run());
  }
  Json detail = Json::object({{"source", version.source}, {"run_id", version.run_id.value_or("")}});
  detail.set("gates", "open").set("stage", version.stage).set("why", "imported");
  TRY(store::append_audit(connection, now, kActor, "model_version.create",
                          "model/" + version.model + "/" + std::to_string(version.version), detail.dump()));
  return true;
}

Result<bool> place_alias(Connection& connection, const std::string& model, const AliasFact& alias,
                         TimeUs now) {
  {
    Statement known = connection.prepare("SELECT 1 FROM model_alias WHERE model = ? AND alias = ?");
    if (TRY(known.with(model, alias.alias).step())) return false;
    Statement version = connection.prepare(
        "SELECT 1 FROM model_version WHERE model = ? AND version = ? AND "
        "deleted_ms IS NULL");
    // MLflow leaves aliases behind whose version is gone; they name nothing.
    if (!TRY(version.with(model, alias.version).step())) return false;
  }
  TRY(connection.prepare("INSERT INTO model_alias (model, alias, version) VALUES (?, ?, ?)")
          .with(model, alias.alias, alias.version)
          .run());
  Json detail = Json::object({{"alias", alias.alias}, {"from", Json()}, {"to", alias.version}});
  detail.set("why", "imported");
  TRY(store::append_audit(connection, now, kActor, "model_alias.set", "model/" + model + "@" + alias.alias,
                          detail.dump()));
  return true;
}

Status place_files(Connection& connection, const std::string& root, const std::vector<ImportedFile>& files) {
  for (const ImportedFile& file : files) {
    TRY(connection
            .prepare("INSERT OR REPLACE INTO artifact (root, path, blob_sha256, size) VALUES (?, ?, ?, ?)")
            .with(root, file.path, file.sha256, file.size)
            .run());
  }
  return {};
}

Result<std::map<std::string, std::int64_t>> known_files(Connection& connection, const std::string& root,
                                                        const std::string& folder) {
  std::map<std::string, std::int64_t> known;
  // Past every path that begins with the folder: no path has a byte of 0xff.
  Statement row =
      connection.prepare("SELECT path, size FROM artifact WHERE root = ? AND path >= ? AND path < ?");
  row.with(root, folder, folder + "\xff");
  while (TRY(row.step())) known[row.text(0)] = row.integer(1);
  return known;
}

}  // namespace trimtab::registry
