// Brings versions into operation: loaded, seen to score, and warm before the first request comes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "serve/deployment.h"
#include "serve/lookups.h"
#include "table/engine.h"

namespace trimtab::serve {

using LoadArtifact = std::function<Result<std::shared_ptr<const model::Artifact>>(std::int64_t version)>;

// What versions are warmed up with.
struct WarmUp {
  std::vector<std::string> rows;  // As they are logged.
  const std::string& key;         // The column by which rows keep to a version; "": none.
};

// A row of nulls goes through recipe, encoder and learner before any request does, and then rows as they were
// asked last. Rows that lack a column which this version wants say nothing about it. Errors: those of `load`,
// of the lookups and of Scorer::make, and what a row that was answered lately meets.
Result<LoadedVersion> bring_up(table::Engine& engine, Lookups& lookups, const VersionPlan& wanted,
                               const WarmUp& with, const LoadArtifact& load);

// Scorers are made here and not by the first requests, one set for each thread that may want one. Errors:
// those of make_shape.
Status fill_benches(table::Engine& engine, const WarmUp& with, Deployment& next);

}  // namespace trimtab::serve
