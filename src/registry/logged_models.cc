#include "registry/logged_models.h"

#include <array>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/id.h"
#include "registry/logged_model_rows.h"
#include "registry/model_rows.h"
#include "registry/model_rules.h"
#include "registry/run_name.h"
#include "registry/run_rules.h"

namespace trimtab::registry {

using store::Connection;
using store::Statement;

namespace {

constexpr std::array<std::string_view, 4> kStatusNames = {"LOGGED_MODEL_STATUS_UNSPECIFIED",
                                                          "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
                                                          "LOGGED_MODEL_UPLOAD_FAILED"};

tl::unexpected<Error> no_model(const std::string& id) {
  return fail(ErrorCode::not_found, "Logged model with ID '" + id + "' not found.");
}

// Deleted ones are changed as well, as MLflow does.
Status require_logged_model(Connection& connection, const std::string& id) {
  Statement row = connection.prepare("SELECT 1 FROM logged_model WHERE id = ?");
  if (TRY(row.with(id).step())) return {};
  return no_model(id);
}

Status write_tags(Connection& connection, const std::string& id, const std::vector<KeyValue>& tags) {
  for (const KeyValue& tag : tags) {
    TRY(connection.prepare("INSERT OR REPLACE INTO logged_model_tag (model_id, key, value) VALUES (?, ?, ?)")
            .with(id, tag.key, tag.value)
            .run());
  }
  return {};
}

// The same value again is a client that tries again.
Status write_params(Connection& connection, const std::string& id, const std::vector<KeyValue>& params) {
  for (const KeyValue& param : params) {
    Statement known =
        connection.prepare("SELECT value FROM logged_model_param WHERE model_id = ? AND key = ?");
    if (TRY(known.with(id, param.key).step())) {
      if (known.text(0) == param.value) continue;
      return fail(ErrorCode::malformed, "Changing param values is not allowed. Param with key='" + param.key +
                                            "' was already logged with value='" + known.text(0) +
                                            "' for logged model ID='" + id +
                                            "'. Attempted logging new value '" + param.value + "'.");
    }
    TRY(connection.prepare("INSERT INTO logged_model_param (model_id, key, value) VALUES (?, ?, ?)")
            .with(id, param.key, param.value)
            .run());
  }
  return {};
}

Result<LoggedModel> insert_logged_model(Connection& connection, const RegistryWriter& by,
                                        const NewLoggedModel& given) {
  const std::string hex = base::random_id();
  const std::string id = "m-" + hex;
  const std::string name = given.name.empty() ? run_name(hex) : given.name;
  const std::string location = given.experiment_location + "/models/" + id + "/artifacts";
  const std::int64_t now = by.now_ms();
  TRY(connection
          .prepare("INSERT INTO logged_model (id, experiment_id, name, model_type, source_run_id, location, "
                   "status, "
                   "created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
          .with(id, given.experiment_id, name, given.model_type, given.source_run_id, location,
                static_cast<int>(LoggedModelStatus::pending), now, now)
          .run());
  TRY(write_params(connection, id, given.params));
  TRY(write_tags(connection, id, given.tags));
  return select_logged_model(connection, id);
}

Status write_metric(Connection& connection, const LoggedModelMetric& metric) {
  const double value = std::isnan(metric.point.value) ? 0 : metric.point.value;
  return connection
      .prepare(
          "INSERT OR REPLACE INTO logged_model_metric (model_id, key, run_id, dataset_name, dataset_digest, "
          "value, timestamp_ms, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .with(metric.model_id, metric.point.key, metric.run_id, metric.dataset_name, metric.dataset_digest,
            value, metric.point.timestamp_ms, metric.point.step)
      .run();
}

}  // namespace

std::string_view status_name(LoggedModelStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

LoggedModelStatus read_logged_model_status(std::string_view text) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (text == kStatusNames[i] || text == std::to_string(i)) return static_cast<LoggedModelStatus>(i);
  }
  return LoggedModelStatus::unspecified;
}

void create_logged_model(const RegistryWriter& by, NewLoggedModel model, Written<LoggedModel> done) {
  if (!model.name.empty()) {
    if (const Status valid = check_logged_model_name(model.name); !valid) return done(fail(valid.error()));
  }
  write_value<LoggedModel>(
      by.home,
      [by, model = std::move(model)](Connection& connection) {
        return insert_logged_model(connection, by, model);
      },
      std::move(done));
}

void finalize_logged_model(const RegistryWriter& by, std::string id, LoggedModelStatus status,
                           Written<LoggedModel> done) {
  write_value<LoggedModel>(
      by.home,
      [by, id = std::move(id), status](Connection& connection) -> Result<LoggedModel> {
        TRY(require_logged_model(connection, id));
        TRY(connection.prepare("UPDATE logged_model SET status = ?, updated_ms = ? WHERE id = ?")
                .with(static_cast<int>(status), by.now_ms(), id)
                .run());
        return select_logged_model(connection, id);
      },
      std::move(done));
}

void delete_logged_model(const RegistryWriter& by, std::string id, Written<bool> done) {
  write_value<bool>(
      by.home,
      [by, id = std::move(id)](Connection& connection) -> Result<bool> {
        TRY(require_logged_model(connection, id));
        TRY(connection.prepare("UPDATE logged_model SET deleted_ms = ?1, updated_ms = ?1 WHERE id = ?2")
                .with(by.now_ms(), id)
                .run());
        TRY(audit_model(connection, by, "logged_model.delete", "logged_model/" + id, Json::object()));
        return true;
      },
      std::move(done));
}

void set_logged_model_tags(const RegistryWriter& by, std::string id, std::vector<KeyValue> tags,
                           Written<bool> done) {
  write_value<bool>(
      by.home,
      [id = std::move(id), tags = std::move(tags)](Connection& connection) -> Result<bool> {
        TRY(require_logged_model(connection, id));
        TRY(write_tags(connection, id, tags));
        return true;
      },
      std::move(done));
}

void delete_logged_model_tag(const RegistryWriter& by, std::string id, std::string key, Written<bool> done) {
  write_value<bool>(
      by.home,
      [id = std::move(id), key = std::move(key)](Connection& connection) -> Result<bool> {
        TRY(require_logged_model(connection, id));
        TRY(connection.prepare("DELETE FROM logged_model_tag WHERE model_id = ? AND key = ?")
                .with(id, key)
                .run());
        if (connection.changes() > 0) return true;
        return fail(ErrorCode::not_found, "No tag with key " + python_repr(key) +
                                              " found for model with ID " + python_repr(id) + ".");
      },
      std::move(done));
}

void log_logged_model_params(const RegistryWriter& by, std::string id, std::vector<KeyValue> params,
                             Written<bool> done) {
  write_value<bool>(
      by.home,
      [id = std::move(id), params = std::move(params)](Connection& connection) -> Result<bool> {
        TRY(require_logged_model(connection, id));
        TRY(write_params(connection, id, params));
        return true;
      },
      std::move(done));
}

void log_logged_model_metrics(store::Home& home, std::vector<LoggedModelMetric> metrics, Written<bool> done) {
  write_value<bool>(
      home,
      [metrics = std::move(metrics)](Connection& connection) -> Result<bool> {
        for (const LoggedModelMetric& metric : metrics) {
          if (require_logged_model(connection, metric.model_id)) TRY(write_metric(connection, metric));
        }
        return true;
      },
      std::move(done));
}

Result<LoggedModel> find_logged_model(store::Home& home, const std::string& id, bool also_deleted) {
  LoggedModel model;
  TRY(home.database().read([&](Connection& connection) -> Status {
    {
      Statement row = connection.prepare("SELECT deleted_ms IS NOT NULL FROM logged_model WHERE id = ?");
      const bool is_there = TRY(row.with(id).step());
      if (!is_there || (row.integer(0) != 0 && !also_deleted)) return no_model(id);
    }
    model = TRY(select_logged_model(connection, id));
    return {};
  }));
  return model;
}

}  // namespace trimtab::registry
