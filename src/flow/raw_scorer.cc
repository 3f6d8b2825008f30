#include "flow/raw_scorer.h"

#include <optional>
#include <span>

#include "flow/artifact_inputs.h"

namespace trimtab::flow {

Result<RawScorer> RawScorer::make(const table::OperationRun& run, const std::string& prefix) {
  RawScorer raw;
  raw.artifact_ = TRY(read_artifact(run, prefix));
  const table::LookupTables lookups = TRY(load_lookups(run, raw.artifact_->recipe));
  raw.scorer_ = TRY(model::Scorer::make(run.engine, raw.artifact_, lookups));
  return raw;
}

Status RawScorer::score(const table::Batch& rows, const std::vector<std::pair<int, std::size_t>>& picked,
                        std::vector<double>& out) {
  const table::Schema& wanted = artifact_->recipe.request;
  table::Batch request(wanted);
  request.reset(static_cast<int>(picked.size()));
  for (int column = 0; column < wanted.size(); ++column) {
    const std::optional<int> from = rows.schema().find(wanted.at(column).name);
    if (!from)
      return fail(ErrorCode::invalid, "the source has lost the column '" + wanted.at(column).name + "'");
    const bool same_type = rows.schema().at(*from).type == wanted.at(column).type;
    for (std::size_t i = 0; i < picked.size(); ++i) {
      const int row = static_cast<int>(i);
      if (same_type) {
        table::copy_cell(rows, *from, picked[i].first, request, column, row);
        continue;
      }
      // A champion may be of a time in which the source's types were others. What it cannot read, it does
      // not know.
      if (!request.set_cell_json(column, row, rows.cell_json(*from, picked[i].first)))
        request.set_null(column, row);
    }
  }
  const std::span<const double> scores = TRY(scorer_->score(request));
  for (std::size_t i = 0; i < picked.size(); ++i) out[picked[i].second] = scores[i];
  return {};
}

}  // namespace trimtab::flow
