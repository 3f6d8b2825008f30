#include "serve/lookups.h"

#include <utility>
#include <variant>

#include "table/parquet.h"

namespace trimtab::serve {

Result<table::LookupTables> Lookups::for_recipe(const model::Recipe& recipe) {
  table::LookupTables tables;
  for (const model::JoinedTable& joined : recipe.joined) {
    const auto& stage = std::get<table::LookupStage>(recipe.stages[static_cast<std::size_t>(joined.stage)]);
    const std::string key = stage.lookup.to_json().dump();
    std::scoped_lock lock(mutex_);
    auto known = loaded_.find(key);
    if (known == loaded_.end()) {
      Loaded loaded{joined.source, joined.schema, TRY(table::LookupIndex::make(stage.lookup, joined.schema))};
      for (const std::filesystem::path& file : TRY(part_files_(joined.source))) {
        TRY(table::read_parquet(engine_, {file}, {},
                                [&loaded](const table::Batch& rows) { return loaded.index->append(rows); }));
      }
      known = loaded_.emplace(key, std::move(loaded)).first;
    }
    tables[std::to_string(joined.stage)] = known->second.index;
  }
  return tables;
}

Status Lookups::append(const std::string& source, const table::Batch& rows, TimeUs arrived) {
  std::scoped_lock lock(mutex_);
  for (auto& [key, loaded] : loaded_) {
    if (loaded.source == source) TRY(loaded.index->append(rows, arrived));
  }
  return {};
}

}  // namespace trimtab::serve
