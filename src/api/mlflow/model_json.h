// Registered models, versions and logged models as MLflow's JSON has them.
#pragma once

#include "base/json.h"
#include "registry/logged_models.h"
#include "registry/model_facts.h"

namespace trimtab::api {

Json model_version_json(const registry::ModelVersion& version);
Json model_versions_json(const std::vector<registry::ModelVersion>& versions);
Json registered_model_json(const registry::RegisteredModel& model);
Json logged_model_json(const registry::LoggedModel& model);

}  // namespace trimtab::api
