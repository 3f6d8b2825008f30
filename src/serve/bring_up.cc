#include "serve/bring_up.h"

#include <algorithm>
#include <span>
#include <thread>
#include <utility>

#include "model/scorer.h"
#include "serve/request_rows.h"

namespace trimtab::serve {
namespace {

Status warm_up(table::Engine& engine, const LoadedVersion& loaded, const WarmUp& with) {
  const table::Schema& columns = loaded.artifact->recipe.request;
  const std::unique_ptr<model::Scorer> scorer = TRY(make_scorer(engine, loaded, columns));
  table::Batch nulls(columns);
  nulls.reset(1);
  for (int column = 0; column < columns.size(); ++column) nulls.set_null(column, 0);
  TRY(scorer->score(nulls));
  RequestReader reader(columns_of(*loaded.artifact, with.key));
  for (const std::string& row : with.rows) {
    const Result<RequestRows*> read = reader.read(R"({"instances":[)" + row + "]}", true);
    if (!read || !((*read)->rows.schema() == columns)) continue;
    const Result<std::span<const double>> scores = scorer->score((*read)->rows);
    if (!scores) {
      return fail(base::wrap(scores.error(), "a row that was answered lately cannot be scored: " + row));
    }
  }
  return {};
}

}  // namespace

Result<LoadedVersion> bring_up(table::Engine& engine, Lookups& lookups, const VersionPlan& wanted,
                               const WarmUp& with, const LoadArtifact& load) {
  LoadedVersion loaded{wanted, TRY(load(wanted.version)), {}};
  loaded.lookups = TRY(lookups.for_recipe(loaded.artifact->recipe));
  TRY(warm_up(engine, loaded, with));
  return loaded;
}

Status fill_benches(table::Engine& engine, const WarmUp& with, Deployment& next) {
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < threads; ++i) {
    auto bench = std::make_unique<Bench>(next.columns);
    bench->generation = bench->reader.generation();
    bench->shapes.emplace_back(TRY(make_shape(engine, next, next.columns.required)));
    for (const std::string& row : with.rows) {
      const Result<RequestRows*> rows = bench->reader.read(R"({"instances":[)" + row + "]}", true);
      if (!rows || (*rows)->shape != 0) continue;
      for (ShapedScorer& version : bench->shapes[0]->versions) (void)version.score((*rows)->rows);
    }
    next.give_back(std::move(bench));
  }
  return {};
}

}  // namespace trimtab::serve
