// Scores rows as an endpoint does: from their raw columns, through the whole recipe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/artifact.h"
#include "model/scorer.h"
#include "table/batch.h"
#include "table/operation.h"

namespace trimtab::flow {

// Belongs to one thread.
class RawScorer {
 public:
  // From the inputs "<prefix>/<file>" and "rows/<source>". Errors: those of the artifact and the scorer.
  static Result<RawScorer> make(const table::OperationRun& run, const std::string& prefix);

  const model::Artifact& artifact() const { return *artifact_; }

  // `picked`: rows of `rows`, and where in `out` their scores go. Errors: invalid (a column that the model
  // wants is gone).
  Status score(const table::Batch& rows, const std::vector<std::pair<int, std::size_t>>& picked,
               std::vector<double>& out);

 private:
  std::shared_ptr<const model::Artifact> artifact_;
  std::unique_ptr<model::Scorer> scorer_;
};

}  // namespace trimtab::flow
