// Rows of logged models as facts; for the files of this room, and for whoever reads the same columns in
// another database.
#pragma once

#include <string>

#include "registry/logged_models.h"
#include "store/connection.h"

namespace trimtab::registry {

// The columns of a logged model in the order that read_logged_model_row reads.
inline constexpr std::string_view kSelectLoggedModels =
    "SELECT id, experiment_id, name, model_type, source_run_id, location, status, created_ms, updated_ms "
    "FROM "
    "logged_model";
LoggedModel read_logged_model_row(const store::Statement& row);
// Adds what the query of these columns finds: key, value, timestamp_ms, step, run_id, dataset_name,
// dataset_digest.
Status read_logged_model_metrics(store::Statement& row, LoggedModel& model);
// Params, tags and metrics.
Status fill_logged_model(store::Connection& connection, LoggedModel& model);
// It must be there.
Result<LoggedModel> select_logged_model(store::Connection& connection, const std::string& id);

}  // namespace trimtab::registry
