// The joined tables as endpoints need them: in memory, fed from their snapshots at start and by rows that
// arrive.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/recipe.h"
#include "table/engine.h"
#include "table/lookup.h"

namespace trimtab::serve {

// Thread-safe. One index serves every recipe that joins the same source in the same way.
class Lookups {
 public:
  // Gives the Parquet files of a source's current parts, in snapshot order.
  using PartFiles = std::function<Result<std::vector<std::filesystem::path>>(const std::string& source)>;

  Lookups(table::Engine& engine, PartFiles part_files)
      : engine_(engine), part_files_(std::move(part_files)) {}

  // The indexes that `recipe` needs, loaded when they are not there yet.
  Result<table::LookupTables> for_recipe(const model::Recipe& recipe);
  // New rows of a source, already checked and durable. Goes into every index of that source.
  Status append(const std::string& source, const table::Batch& rows, TimeUs arrived);

 private:
  table::Engine& engine_;
  PartFiles part_files_;
  std::mutex mutex_;
  struct Loaded {
    std::string source;
    table::Schema schema;
    std::shared_ptr<table::LookupIndex> index;
  };
  std::map<std::string, Loaded> loaded_;  // By the LookupSpec as JSON.
};

}  // namespace trimtab::serve
