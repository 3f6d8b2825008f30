#include "serve/logged_rows.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "model/scorer.h"

namespace trimtab::serve {
namespace {

constexpr std::size_t kTogether = 512;  // Rows that are scored at once.

}  // namespace

void fill_logged_row(table::Batch& rows, int row, const std::string& request_json) {
  const Result<Json> sent = base::parse_json(request_json);
  for (int column = 0; column < rows.schema().size(); ++column) {
    const Json& cell = sent ? (*sent)[rows.schema().at(column).name] : Json();
    if (cell.is_null() || !rows.set_cell_json(column, row, cell)) rows.set_null(column, row);
  }
}

Result<std::vector<double>> score_logged_rows(table::Engine& engine, Lookups& lookups,
                                              std::shared_ptr<const model::Artifact> artifact,
                                              std::span<const std::string> rows) {
  const table::LookupTables joined = TRY(lookups.for_recipe(artifact->recipe));
  table::Batch batch(artifact->recipe.request);
  const std::unique_ptr<model::Scorer> scorer = TRY(model::Scorer::make(engine, std::move(artifact), joined));
  std::vector<double> all;
  for (std::size_t first = 0; first < rows.size(); first += kTogether) {
    const std::span<const std::string> some = rows.subspan(first, std::min(kTogether, rows.size() - first));
    batch.reset(static_cast<int>(some.size()));
    for (std::size_t row = 0; row < some.size(); ++row)
      fill_logged_row(batch, static_cast<int>(row), some[row]);
    const std::span<const double> scores = TRY(scorer->score(batch));
    all.insert(all.end(), scores.begin(), scores.end());
  }
  return all;
}

}  // namespace trimtab::serve
