#include "flow/artifact_inputs.h"

#include <variant>

#include "base/file.h"
#include "table/lookup.h"
#include "table/parquet.h"

namespace trimtab::flow {

Result<std::shared_ptr<const model::Artifact>> read_artifact(const table::OperationRun& run,
                                                             const std::string& prefix) {
  return model::Artifact::from_files([&](const std::string& name) -> Result<std::string> {
    const auto found = run.inputs.find(prefix + "/" + name);
    if (found == run.inputs.end())
      return fail(ErrorCode::not_found, "the artifact has no file '" + name + "'");
    return base::read_file(found->second.front());
  });
}

Result<table::LookupTables> load_lookups(const table::OperationRun& run, const model::Recipe& recipe) {
  table::LookupTables lookups;
  for (const model::JoinedTable& joined : recipe.joined) {
    const auto& stage = std::get<table::LookupStage>(recipe.stages[static_cast<std::size_t>(joined.stage)]);
    const std::shared_ptr<table::LookupIndex> index =
        TRY(table::LookupIndex::make(stage.lookup, joined.schema));
    const auto rows = run.inputs.find("rows/" + joined.source);
    if (rows != run.inputs.end()) {
      for (const std::filesystem::path& part : rows->second) {
        TRY(table::read_parquet(run.engine, {part}, {},
                                [&index](const table::Batch& batch) { return index->append(batch); }));
      }
    }
    lookups[std::to_string(joined.stage)] = index;
  }
  return lookups;
}

}  // namespace trimtab::flow
