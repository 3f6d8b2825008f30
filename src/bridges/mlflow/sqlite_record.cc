#include "bridges/mlflow/sqlite_record.h"

#include <limits>
#include <utility>

#include "bridges/mlflow/sqlite_traces.h"
#include "registry/logged_model_rows.h"
#include "registry/model_rows.h"
#include "registry/row_values.h"
#include "store/foreign_database.h"

namespace trimtab::bridges {
namespace {

using registry::select_pairs;
using store::Connection;
using store::Statement;

// Of MLflow 3.17.2; each release that changes a table has another.
constexpr const char* kSchema = "dc11669786a5";

tl::unexpected<Error> other_schema(const std::string& file, const std::string& found) {
  return fail(
      ErrorCode::unsupported,
      "'" + file + "' has MLflow's schema " + found + ", and only that of MLflow 3.17 (" + kSchema +
          ") is read",
      "bring a copy of it there with `mlflow db upgrade sqlite:///COPY` of MLflow 3.17, or import from the "
      "running server");
}

class SqliteRecord final : public ForeignRecord {
 public:
  SqliteRecord(store::ForeignDatabase database, ArtifactFolder artifacts)
      : database_(std::move(database)), artifacts_(std::move(artifacts)) {}

  Result<std::vector<registry::ImportedExperiment>> experiments() override {
    std::vector<registry::ImportedExperiment> all;
    TRY(database_.read([&](Connection& connection) -> Status {
      Statement row = connection.prepare(
          "SELECT experiment_id, name, coalesce(artifact_location, ''), lifecycle_stage, creation_time, "
          "last_update_time FROM experiments WHERE workspace = 'default' ORDER BY experiment_id");
      while (TRY(row.step())) {
        registry::ImportedExperiment one{
            row.integer(0), row.text(1),    row.text(2), row.text(3) == "deleted",
            row.integer(4), row.integer(5), {}};
        one.tags = TRY(select_pairs(
            connection, "SELECT key, coalesce(value, '') FROM experiment_tags WHERE experiment_id = ?",
            std::to_string(one.id)));
        all.push_back(std::move(one));
      }
      return {};
    }));
    return all;
  }

  Result<std::vector<std::string>> run_ids(std::int64_t experiment_id) override {
    std::vector<std::string> ids;
    TRY(database_.read([&](Connection& connection) -> Status {
      Statement row = connection.prepare(
          "SELECT run_uuid FROM runs WHERE experiment_id = ? ORDER BY start_time, run_uuid");
      row.with(experiment_id);
      while (TRY(row.step())) ids.push_back(row.text(0));
      return {};
    }));
    return ids;
  }

  Result<registry::ImportedRun> run(const std::string& id) override {
    registry::ImportedRun run;
    TRY(database_.read([&](Connection& connection) -> Status {
      TRY(read_info(connection, id, run));
      run.params = TRY(select_pairs(connection, "SELECT key, value FROM params WHERE run_uuid = ?", id));
      run.tags =
          TRY(select_pairs(connection, "SELECT key, coalesce(value, '') FROM tags WHERE run_uuid = ?", id));
      TRY(read_points(connection, id, run));
      TRY(read_datasets(connection, id, run));
      TRY(read_links(connection, id, "RUN_INPUT", run.model_inputs));
      return read_links(connection, id, "RUN_OUTPUT", run.model_outputs);
    }));
    return run;
  }

  Result<std::vector<registry::ImportedLoggedModel>> logged_models(std::int64_t experiment_id) override {
    std::vector<registry::ImportedLoggedModel> all;
    TRY(database_.read([&](Connection& connection) -> Status {
      Statement row = connection.prepare(
          "SELECT model_id, experiment_id, name, coalesce(model_type, ''), coalesce(source_run_id, ''), "
          "artifact_location, status, creation_timestamp_ms, last_updated_timestamp_ms, lifecycle_stage FROM "
          "logged_models WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id");
      row.with(experiment_id);
      while (TRY(row.step())) {
        registry::ImportedLoggedModel one{registry::read_logged_model_row(row), row.text(9) == "deleted"};
        TRY(read_logged_model(connection, one.model));
        all.push_back(std::move(one));
      }
      return {};
    }));
    return all;
  }

  Result<std::vector<registry::ImportedModel>> models() override {
    std::vector<registry::ImportedModel> all;
    TRY(database_.read([&](Connection& connection) -> Status {
      Statement row = connection.prepare(
          "SELECT name, coalesce(description, ''), creation_time, last_updated_time FROM registered_models "
          "WHERE workspace = 'default' ORDER BY name");
      while (TRY(row.step())) {
        registry::ImportedModel one;
        one.model.name = row.text(0);
        one.model.description = row.text(1);
        one.model.created_ms = row.integer(2);
        one.model.updated_ms = row.integer(3);
        TRY(read_model(connection, one));
        all.push_back(std::move(one));
      }
      return {};
    }));
    return all;
  }

  Result<std::vector<std::string>> trace_ids(std::int64_t experiment_id) override {
    std::vector<std::string> ids;
    TRY(database_.read([&](Connection& connection) -> Status {
      ids = TRY(select_trace_ids(connection, experiment_id));
      return {};
    }));
    return ids;
  }

  Result<registry::ImportedTrace> trace(const std::string& id) override {
    registry::ImportedTrace trace;
    TRY(database_.read([&](Connection& connection) -> Status {
      trace = TRY(select_trace(connection, id));
      return {};
    }));
    return trace;
  }

  Result<std::int64_t> count_webhooks() override {
    std::int64_t count = 0;
    TRY(database_.read([&](Connection& connection) -> Status {
      Statement row = connection.prepare("SELECT count(*) FROM webhooks WHERE deleted_timestamp IS NULL");
      if (TRY(row.step())) count = row.integer(0);
      return {};
    }));
    return count;
  }

  Result<std::vector<ForeignFile>> files(const std::string& location) override {
    return artifacts_.files(location);
  }
  Status fetch(const std::string& location, const std::string& path,
               const std::filesystem::path& to) override {
    return artifacts_.fetch(location, path, to);
  }

 private:
  static Status read_info(Connection& connection, const std::string& id, registry::ImportedRun& run) {
    Statement row = connection.prepare(
        "SELECT coalesce(name, ''), coalesce(user_id, ''), status, start_time, end_time, lifecycle_stage, "
        "coalesce(deleted_time, end_time, start_time, 0), experiment_id, coalesce(artifact_uri, '') FROM "
        "runs "
        "WHERE run_uuid = ?");
    if (!TRY(row.with(id).step())) return fail(ErrorCode::not_found, "run '" + id + "' has gone");
    run.info.id = id;
    run.info.name = row.text(0);
    run.info.user_id = row.text(1);
    run.info.status = registry::find_status(row.text(2)).value_or(registry::RunStatus::finished);
    run.info.start_ms = row.integer(3);
    if (!row.is_null(4)) run.info.end_ms = row.integer(4);
    run.info.is_deleted = row.text(5) == "deleted";
    run.deleted_ms = row.integer(6);
    run.info.experiment_id = row.integer(7);
    run.info.artifact_uri = row.text(8);
    return {};
  }

  static Status read_points(Connection& connection, const std::string& id, registry::ImportedRun& run) {
    Statement row = connection.prepare(
        "SELECT key, value, is_nan, timestamp, step FROM metrics INDEXED BY index_metrics_run_uuid_key_step "
        "WHERE run_uuid = ?");
    row.with(id);
    while (TRY(row.step())) {
      const double value = row.integer(2) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.real(1);
      run.points.push_back({row.text(0), value, row.integer(3), row.integer(4)});
    }
    return {};
  }

  static Status read_datasets(Connection& connection, const std::string& id, registry::ImportedRun& run) {
    Statement row = connection.prepare(
        "SELECT d.name, d.digest, d.dataset_source_type, d.dataset_source, coalesce(d.dataset_schema, ''), "
        "coalesce(d.dataset_profile, ''), i.input_uuid FROM inputs i JOIN datasets d ON d.dataset_uuid = "
        "i.source_id "
        "WHERE i.destination_type = 'RUN' AND i.destination_id = ? AND i.source_type = 'DATASET'");
    row.with(id);
    while (TRY(row.step())) {
      registry::DatasetInput input{row.text(0), row.text(1), row.text(2), row.text(3),
                                   row.text(4), row.text(5), {}};
      input.tags = TRY(
          select_pairs(connection, "SELECT name, value FROM input_tags WHERE input_uuid = ?", row.text(6)));
      run.datasets.push_back(std::move(input));
    }
    return {};
  }

  static Status read_links(Connection& connection, const std::string& id, const char* kind,
                           std::vector<registry::ModelLink>& links) {
    Statement row =
        connection.prepare("SELECT destination_id, step FROM inputs WHERE source_type = ? AND source_id = ?");
    row.with(kind, id);
    while (TRY(row.step())) links.push_back({row.text(0), row.integer(1)});
    return {};
  }

  static Status read_logged_model(Connection& connection, registry::LoggedModel& model) {
    model.params = TRY(select_pairs(
        connection, "SELECT param_key, param_value FROM logged_model_params WHERE model_id = ?", model.id));
    model.tags = TRY(select_pairs(
        connection, "SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", model.id));
    Statement row = connection.prepare(
        "SELECT metric_name, coalesce(metric_value, 0), metric_timestamp_ms, metric_step, run_id, "
        "coalesce(dataset_name, ''), coalesce(dataset_digest, '') FROM logged_model_metrics WHERE model_id = "
        "?");
    row.with(model.id);
    return registry::read_logged_model_metrics(row, model);
  }

  static Status read_model(Connection& connection, registry::ImportedModel& one) {
    const std::string& name = one.model.name;
    one.model.tags = TRY(select_pairs(
        connection,
        "SELECT key, coalesce(value, '') FROM registered_model_tags WHERE name = ? AND workspace = 'default'",
        name));
    {
      Statement row = connection.prepare(
          "SELECT alias, version FROM registered_model_aliases WHERE name = ? AND workspace = 'default'");
      row.with(name);
      while (TRY(row.step())) one.model.aliases.push_back({row.text(0), row.integer(1)});
    }
    Statement row = connection.prepare(
        "SELECT name, version, creation_time, last_updated_time, coalesce(current_stage, 'None'), "
        "coalesce(source, ''), coalesce(storage_location, source, ''), coalesce(status, 'READY'), run_id, "
        "run_link, description, user_id, status_message FROM model_versions WHERE name = ? AND workspace = "
        "'default' ORDER BY version");
    row.with(name);
    while (TRY(row.step())) {
      registry::ModelVersion version = registry::read_version_row(row);
      // A version that MLflow has deleted keeps its row there, under a stage of its own.
      if (version.stage == "Deleted_Internal") continue;
      version.tags = TRY(
          select_pairs(connection,
                       "SELECT key, coalesce(value, '') FROM model_version_tags WHERE name = ? AND version = "
                       "? AND workspace = 'default'",
                       name, version.version));
      one.versions.push_back(std::move(version));
    }
    return {};
  }

  store::ForeignDatabase database_;
  ArtifactFolder artifacts_;
};

}  // namespace

Result<std::unique_ptr<ForeignRecord>> open_sqlite_record(const std::filesystem::path& file,
                                                          ArtifactFolder artifacts) {
  store::ForeignDatabase database = TRY(store::ForeignDatabase::open(file));
  std::string schema;
  const Status read = database.read([&](Connection& connection) -> Status {
    // Asked first, so that SQLite has no remark of its own to make in the log.
    Statement table = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'");
    if (!TRY(table.step())) return {};
    Statement row = connection.prepare("SELECT version_num FROM alembic_version");
    if (TRY(row.step())) schema = row.text(0);
    return {};
  });
  if (!read || schema.empty()) {
    return fail(ErrorCode::invalid, "'" + file.string() + "' is a SQLite database, but none of MLflow's",
                "name the file that `mlflow server --backend-store-uri sqlite:///…` uses");
  }
  if (schema != kSchema) return other_schema(file.string(), schema);
  return std::unique_ptr<ForeignRecord>(new SqliteRecord(std::move(database), std::move(artifacts)));
}

}  // namespace trimtab::bridges
