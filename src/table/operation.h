// The shape of every step: a pure function of its parameters and input files. It runs in a worker process,
// reads inputs that are named by their hash, and leaves its output files in a folder from which they are
// named by theirs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "table/engine.h"

namespace trimtab::table {

struct OperationRun {
  Engine& engine;
  const Json& params;  // What the step's key covers, beside the inputs.
  std::map<std::string, std::vector<std::filesystem::path>> inputs;  // Name → files, in the order given.
  std::filesystem::path output_folder;  // Empty at the start; outputs are files directly in it.
  int threads = 1;
  // Says how far it is; false asks to stop soon (errors: cancelled). `unit` is "rows", "rounds", …
  std::function<bool(std::int64_t done, std::int64_t total, std::string_view unit)> progress;

  // CHECKs that the input is there; the one file of a name that has exactly one.
  const std::vector<std::filesystem::path>& files(const std::string& name) const;
  const std::filesystem::path& file(const std::string& name) const;
};

// Returns the step's small results (counts, schemas, reports) as an object. Never depends on the clock, the
// environment, random numbers without a seed, or the order of a hash table.
using Operation = std::function<Result<Json>(const OperationRun&)>;

}  // namespace trimtab::table
