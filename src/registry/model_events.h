// Tells whoever registered a webhook what happens in the registry, with MLflow's events and their data. Each
// is queued in the transaction of the change.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "registry/model_facts.h"
#include "store/connection.h"

namespace trimtab::registry {

Status tell_model_created(store::Connection& connection, TimeUs now, const RegisteredModel& model);
Status tell_version_created(store::Connection& connection, TimeUs now, const ModelVersion& version);
// A value: it was set; none: it was deleted. Of a model that is no prompt nobody is told of tags, as in
// MLflow.
Status tell_model_tag(store::Connection& connection, TimeUs now, const std::string& name,
                      const std::string& key, const std::optional<std::string>& value);
Status tell_version_tag(store::Connection& connection, TimeUs now, const std::string& name,
                        std::int64_t version, const std::string& key,
                        const std::optional<std::string>& value);
// A version: the alias points there now; none: it is gone.
Status tell_alias(store::Connection& connection, TimeUs now, const std::string& name,
                  const std::string& alias, std::optional<std::int64_t> version);

}  // namespace trimtab::registry
